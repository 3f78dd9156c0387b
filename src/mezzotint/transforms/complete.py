"""Whether a file is all there, by its own structure, without decoding a pixel.

Decoding every base when it comes in would cost more than everything else
together; a file that was cut off shows in its structure.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.parsers import expat

from mezzotint.errors import DamagedImage

Buffer = mmap.mmap
_MAX_DIRECTORIES = 10_000


def check_complete(path: Path, image_format: str) -> None:
    """Raises DamagedImage where the file ends before its picture does."""
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            whole = _CHECKS[image_format](data)
        except (struct.error, IndexError, ValueError, expat.ExpatError):
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
            return data.find(b"\xff\xd9", at) != -1
        if length < 2:
            return False


def _png(data: Buffer) -> bool:
    at = 8
    view = memoryview(data)
    try:
        while True:
            length, kind = struct.unpack_from(">I4s", data, at)
            body_end = at + 8 + length
            (checksum,) = struct.unpack_from(">I", data, body_end)
            if zlib.crc32(view[at + 4 : body_end]) != checksum:
                return False
            if kind == b"IEND":
                return True
            at = body_end + 4
    finally:
        view.release()


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
    return b"meta" in kinds or b"moov" in kinds


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
    need = stride * abs(height) if compression in {0, 3} else 0
    return bool(offset + need <= len(data))


def _svg(data: Buffer) -> bool:
    parser = expat.ParserCreate()
    parser.Parse(data[:], True)
    return True


_STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS = 273, 279, 324, 325
_TYPE_CODES = {3: ("H", 2), 4: ("I", 4), 16: ("Q", 8)}


def _tif(data: Buffer) -> bool:
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    head, entry, word = (8, 20, "Q") if big else (4, 12, "I")
    (at,) = struct.unpack_from(order + word, data, head)
    for _ in range(_MAX_DIRECTORIES):
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
        first = at + (8 if big else 2)
        tags = {}
        for i in range(first, first + count * entry, entry):
            tag, code = struct.unpack_from(order + "HH", data, i)
            if tag in {_STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS}:
                tags[tag] = _tiff_values(data, order, word, code, i + 4)
        for offsets, counts in ((_STRIP_OFFSETS, _STRIP_COUNTS), (_TILE_OFFSETS, _TILE_COUNTS)):
            if any(o + c > len(data) for o, c in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False)):
                return False
        (at,) = struct.unpack_from(order + word, data, first + count * entry)
        if at == 0:
            return True
    return False


def _tiff_values(data: Buffer, order: str, word: str, code: int, at: int) -> tuple[int, ...]:
    letter, size = _TYPE_CODES[code] if code in _TYPE_CODES else _unknown_type()
    (count,) = struct.unpack_from(order + word, data, at)
    at += struct.calcsize(word)
    if count * size > struct.calcsize(word):
        (at,) = struct.unpack_from(order + word, data, at)
    if at + count * size > len(data):
        raise ValueError("values overhang")
    return struct.unpack_from(f"{order}{count}{letter}", data, at)


def _unknown_type() -> tuple[str, int]:
    raise ValueError("not an offset's type")


_CHECKS: dict[str, Callable[[Buffer], bool]] = {
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
