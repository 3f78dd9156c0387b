"""Whether a file is all there, by its own structure, without decoding a pixel.

Decoding every base when it comes in would cost more than everything else
together; a file that was cut off shows in its structure.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from mezzotint.errors import DamagedImage

Buffer = mmap.mmap
_MAX_DIRECTORIES = 10_000


def check_complete(path: Path, image_format: str) -> None:
    """Raises DamagedImage where the file ends before its picture does."""
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            whole = CHECKS[image_format](data)
        except (struct.error, IndexError, ValueError, OverflowError, expat.ExpatError):
            whole = False
    if not whole:
        raise DamagedImage("file", f"the {image_format} data is cut off or damaged", "a complete picture")


def _jpg(data: Buffer) -> bool:
    at = 2
    while True:
        if data[at] != 0xFF:
            return False
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        at += 2
        if 0xD0 <= marker <= 0xD7 or marker == 0x01:
            continue
        if marker == 0xD9:
            return False
        length = struct.unpack_from(">H", data, at)[0]
        at += length
        if marker == 0xDA:
            return data.rfind(b"\xff\xd9", at) != -1  # from behind: it is the last thing in nearly all files
        if length < 2:
            return False


def _png(data: Buffer) -> bool:
    at = 8
    with memoryview(data) as view:
        while True:
            length, kind = struct.unpack_from(">I4s", data, at)
            body_end = at + 8 + length
            (checksum,) = struct.unpack_from(">I", data, body_end)
            if zlib.crc32(view[at + 4 : body_end]) != checksum:
                return False
            if kind == b"IEND":
                return True
            at = body_end + 4


def _gif(data: Buffer) -> bool:
    flags = data[10]
    at = 13 + (3 * (2 << (flags & 7)) if flags & 0x80 else 0)
    while True:
        block = data[at]
        if block == 0x3B:
            return True
        if block == 0x21:
            at += 2
        elif block == 0x2C:
            flags = data[at + 9]
            at += 11 + (3 * (2 << (flags & 7)) if flags & 0x80 else 0)
        else:
            return False
        while data[at]:
            at += data[at] + 1
        at += 1


def _webp(data: Buffer) -> bool:
    return bool(8 + struct.unpack_from("<I", data, 4)[0] <= len(data))


def _boxes(data: Buffer) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of each top-level box of ISO 14496-12. Raises ValueError where one overhangs."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        end = len(data) if size == 0 else at + size
        if size in range(1, 8) or end > len(data):
            raise ValueError("box overhangs")
        yield kind, at, end
        at = end


def _heif(data: Buffer) -> bool:
    kinds = {kind for kind, _, _ in _boxes(data)}
    return b"mdat" in kinds and (b"meta" in kinds or b"moov" in kinds)


def _jp2(data: Buffer) -> bool:
    if data[:2] == b"\xff\x4f":
        return data[-2:] == b"\xff\xd9"
    return any(kind == b"jp2c" and data[end - 2 : end] == b"\xff\xd9" for kind, _, end in _boxes(data))


def _bmp(data: Buffer) -> bool:
    offset, header = struct.unpack_from("<II", data, 10)
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    stride = (width * bits + 31) // 32 * 4
    if compression not in {0, 3}:  # run lengths: only the file's own size tells
        return bool(struct.unpack_from("<I", data, 2)[0] <= len(data))
    return bool(offset + stride * abs(height) <= len(data))


def _svg(data: Buffer) -> bool:
    return bool(expat.ParserCreate().Parse(data[:], True))


_STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS, _SUB_DIRECTORIES = 273, 279, 324, 325, 330
_OFFSET_TAGS = {_STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS, _SUB_DIRECTORIES}
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TYPE_CODES = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}


class _Array(NamedTuple):
    """Numbers that lie one behind the other; `kind` is TIFF's."""

    start: int
    values: int
    kind: int


@dataclass(slots=True)
class _Tiff:
    """How a TIFF's numbers are written: `word` is the struct code of its offsets. `arrays` are those that its
    directories have, of which several may share one; `claimed` is what directories and arrays come to, in bytes."""

    data: Buffer
    order: str
    word: str
    arrays: set[_Array] = field(default_factory=set)
    claimed: int = 0

    def read(self, code: str, at: int) -> int:
        return int(struct.unpack_from(self.order + code, self.data, at)[0])

    def claim(self, size: int) -> None:
        """Raises where there is more than the file has room for: then they lie over each other, and to look at each of
        them could take for ever."""
        self.claimed += size
        if self.claimed > len(self.data):
            raise ValueError("directories or arrays overlap")

    def numbers(self, array: _Array) -> tuple[int, ...]:
        return struct.unpack_from(f"{self.order}{array.values}{_TYPE_CODES[array.kind]}", self.data, array.start)


def _tif(data: Buffer) -> bool:
    """Every directory, with every value, and every strip or tile that one names, lies within the file."""
    order = "<" if data[:2] == b"II" else ">"
    tiff = _Tiff(data, order, "Q" if struct.unpack_from(order + "H", data, 2)[0] == 43 else "I")
    pending, seen = [tiff.read(tiff.word, struct.calcsize(tiff.word))], set[int]()
    looked_at = set[tuple[_Array, _Array]]()
    while pending and len(seen) < _MAX_DIRECTORIES:
        at = pending.pop()
        if at in seen:
            continue
        seen.add(at)
        tags, following = _tiff_directory(tiff, at)
        below = tiff.numbers(tags[_SUB_DIRECTORIES]) if _SUB_DIRECTORIES in tags else ()
        pending += [offset for offset in (following, *below) if offset]
        for offsets, counts in ((_STRIP_OFFSETS, _STRIP_COUNTS), (_TILE_OFFSETS, _TILE_COUNTS)):
            if offsets not in tags or counts not in tags or (tags[offsets], tags[counts]) in looked_at:
                continue
            looked_at.add((tags[offsets], tags[counts]))
            pairs = zip(tiff.numbers(tags[offsets]), tiff.numbers(tags[counts]), strict=False)
            if any(o + c > len(data) for o, c in pairs):
                return False
    return bool(seen)


def _tiff_directory(tiff: _Tiff, at: int) -> tuple[dict[int, _Array], int]:
    """The tags of a directory that say where things lie, and where the next one is. Raises where anything overhangs."""
    count, first, length = (tiff.read("Q", at), at + 8, 20) if tiff.word == "Q" else (tiff.read("H", at), at + 2, 12)
    tiff.claim(count * length)
    tags = {}
    for entry in range(first, first + count * length, length):
        tag, kind = tiff.read("H", entry), tiff.read("H", entry + 2)
        values = tiff.read(tiff.word, entry + 4)
        inline = entry + 4 + struct.calcsize(tiff.word)
        size = values * _TYPE_SIZES.get(kind, 0)
        start = inline if size <= struct.calcsize(tiff.word) else tiff.read(tiff.word, inline)
        if start + size > len(tiff.data):
            raise ValueError("values overhang")
        if tag in _OFFSET_TAGS and kind in _TYPE_CODES:
            tags[tag] = _Array(start, values, kind)
            if tags[tag] not in tiff.arrays:
                tiff.arrays.add(tags[tag])
                tiff.claim(size)
    return tags, tiff.read(tiff.word, first + count * length)


CHECKS: dict[str, Callable[[Buffer], bool]] = {
    "jpg": _jpg,
    "png": _png,
    "gif": _gif,
    "webp": _webp,
    "avif": _heif,
    "heic": _heif,
    "jp2": _jp2,
    "bmp": _bmp,
    "tif": _tif,
    "svg": _svg,
}
