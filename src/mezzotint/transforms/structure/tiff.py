"""TIFF (revision 6, and BigTIFF): directories, and what they say of their samples."""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

Buffer = mmap.mmap | bytes
_MAX_DIRECTORIES = 10_000
_DEFLATE = {8, 32946}
_YCBCR, _JPEG = 6, 7
_USUAL = {1, 2, 3, 4, 5, _JPEG, 32773, *_DEFLATE}
_INFLATED_AT_ONCE, _AT_ONCE = 1 << 20, 1 << 16

_STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS, _SUB_DIRECTORIES = 273, 279, 324, 325, 330
_OFFSET_TAGS = {_STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS, _SUB_DIRECTORIES}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR = 256, 257, 258, 259, 262, 277, 284
_SUBFILE = 254
_EXTRA, _SAMPLE_FORMAT, _SUBSAMPLING, _ORIENTATION = 338, 339, 530, 274
_TOLD = {
    _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA, _SAMPLE_FORMAT, _SUBSAMPLING,
    _ORIENTATION, _SUBFILE,
}  # fmt: skip
_SHORT = 3
_PROFILE, _REDUCED = 34675, 1
_MOST_REDUCTIONS = 32
_MOST_TOLD = 64
"""values of one of these: samples of a pixel"""
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TYPE_CODES = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_CODES = {**_TYPE_CODES, 1: "B", 7: "B"}


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
        return struct.unpack_from(f"{self.order}{array.values}{_CODES[array.kind]}", self.data, array.start)


def _opened(data: Buffer) -> tuple[_Tiff, int]:
    """And where its first directory is."""
    order = "<" if data[:2] == b"II" else ">"
    tiff = _Tiff(data, order, "Q" if struct.unpack_from(order + "H", data, 2)[0] == 43 else "I")
    return tiff, tiff.read(tiff.word, struct.calcsize(tiff.word))


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first directory says: numbers of TIFF, of each sample where there may be several."""

    width: int = 0
    height: int = 0
    bits: tuple[int, ...] = (1,)
    compression: int = 1
    photometric: int = 1
    samples: int = 1
    planar: int = 1
    extra: tuple[int, ...] = ()
    formats: tuple[int, ...] = (1,)
    subsampling: tuple[int, ...] = (2, 2)
    orientation: int = 1

    @property
    def rare(self) -> bool:
        """Whether libvips's own builds have no codec for it, or take its colours for others."""
        ycbcr = self.photometric == _YCBCR and self.compression != _JPEG
        odd_bits = any(bits not in {1, 2, 4, 8, 16, 32, 64} for bits in self.bits)
        lab = self.photometric in {8, 9, 10} and self.bits[:1] == (8,)
        wide = self.bits[:1] == (32,) and self.formats[0] in {1, 2} and self.samples == 1
        return self.compression not in _USUAL or ycbcr or odd_bits or lab or wide


def survey(data: Buffer) -> Survey:
    """Of a file that was checked; nothing where it cannot be read."""
    try:
        tiff, first = _opened(data)
        tags, _ = _tiff_directory(tiff, first)
    except (struct.error, ValueError, IndexError, OverflowError):
        return Survey()
    return _survey(tiff, tags)


def _survey(tiff: _Tiff, tags: dict[int, _Array]) -> Survey:
    values = {tag: tiff.numbers(array) for tag, array in tags.items() if tag in _TOLD and array.values <= _MOST_TOLD}
    told = {tag: found for tag, found in values.items() if found}

    def one(tag: int, otherwise: int) -> int:
        return told.get(tag, (otherwise,))[0]

    return Survey(
        one(_WIDTH, 0),
        one(_HEIGHT, 0),
        told.get(_BITS, (1,)),
        one(_COMPRESSION, 1),
        one(_PHOTOMETRIC, 1),
        one(_SAMPLES, 1),
        one(_PLANAR, 1),
        told.get(_EXTRA, ()),
        told.get(_SAMPLE_FORMAT, (1,)),
        told.get(_SUBSAMPLING, (2, 2)),
        one(_ORIENTATION, 1),
    )


class Reduction(NamedTuple):
    """A page of the file that is its first one in fewer pixels: the `number` of libvips's option `page` or `subifd`."""

    option: str
    number: int
    width: int
    height: int


def reductions(data: Buffer) -> list[Reduction]:
    """Those that say so of themselves (TIFF 6, NewSubfileType) and are by a whole number; nothing where it cannot be
    read."""
    found: list[Reduction] = []
    try:
        tiff, first = _opened(data)
        tags, following = _tiff_directory(tiff, first)
        whole, profile = _survey(tiff, tags), _bytes(tiff, tags)
        below = tiff.numbers(tags[_SUB_DIRECTORIES]) if _SUB_DIRECTORIES in tags else ()
        for number, at in enumerate(below[:_MOST_REDUCTIONS]):
            _add_reduction(found, tiff, _tiff_directory(tiff, at)[0], "subifd", number, whole, profile)
        for number in range(1, _MOST_REDUCTIONS):
            if not following:
                break
            tags, following = _tiff_directory(tiff, following)
            _add_reduction(found, tiff, tags, "page", number, whole, profile)
    except (struct.error, ValueError, IndexError, OverflowError, KeyError):
        return found
    return found


def _sides(tiff: _Tiff, tags: dict[int, _Array]) -> tuple[int, int]:
    return tiff.numbers(tags[_WIDTH])[0], tiff.numbers(tags[_HEIGHT])[0]


def _add_reduction(
    found: list[Reduction],
    tiff: _Tiff,
    tags: dict[int, _Array],
    option: str,
    number: int,
    whole: Survey,
    profile: bytes,
) -> None:
    width, height = _sides(tiff, tags)
    factor = round(whole.width / width) if width else 0
    off = abs(whole.width - width * factor), abs(whole.height - height * factor)
    alike = replace(_survey(tiff, tags), width=whole.width, height=whole.height, compression=whole.compression)
    alike = replace(alike, planar=whole.planar, orientation=whole.orientation, subsampling=whole.subsampling)
    kind = tiff.numbers(tags[_SUBFILE])[0] if _SUBFILE in tags else 0
    if kind == _REDUCED and factor > 1 and max(off) < factor and alike == whole and _bytes(tiff, tags) == profile:
        found.append(Reduction(option, number, width, height))


def _bytes(tiff: _Tiff, tags: dict[int, _Array]) -> bytes:
    """A directory's profile, or nothing."""
    place = tags.get(_PROFILE)
    return bytes(tiff.data[place.start : place.start + place.values]) if place is not None else b""


def unturned(data: bytes) -> bytes:
    """The same, but that its first directory says of its picture that it is upright."""
    tiff, first = _opened(data)
    tags, _ = _tiff_directory(tiff, first)
    place = tags.get(_ORIENTATION)
    if place is None or place.kind != _SHORT:
        return data
    return data[: place.start] + struct.pack(tiff.order + "H", 1) + data[place.start + 2 :]


def check(data: Buffer) -> bool:
    """Every directory, with every value, and every strip or tile that one names, lies within the file; those of the
    first have the checksums of their compression (RFC 1950), which decoders do not look at."""
    tiff, first = _opened(data)
    pending, seen = [first], set[int]()
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
    return bool(seen) and _sound(data)


def _sound(data: Buffer) -> bool:
    """Whether the deflated strips or tiles of the first directory inflate. Costs what inflating costs."""
    told = survey(data)
    if told.compression not in _DEFLATE:
        return True
    tiff, first = _opened(data)
    tags, _ = _tiff_directory(tiff, first)
    most = 2 * told.width * told.height * sum(told.bits) // 8 * max(1, told.samples // len(told.bits)) + (64 << 20)
    for offsets, counts in ((_STRIP_OFFSETS, _STRIP_COUNTS), (_TILE_OFFSETS, _TILE_COUNTS)):
        if offsets in tags and counts in tags:
            return _inflates(
                tiff, set(zip(tiff.numbers(tags[offsets]), tiff.numbers(tags[counts]), strict=False)), most
            )
    return True


def _inflates(tiff: _Tiff, pieces: Iterable[tuple[int, int]], most: int) -> bool:
    """`most` is how much may come of it. What is given may overlap, but is not more than twice the file."""
    left = 2 * len(tiff.data)
    with memoryview(tiff.data) as view:
        for offset, count in pieces:
            left -= count
            if left < 0:
                return False
            if count and (most := _inflated(view[offset : offset + count], most)) < 0:  # without: nothing was written
                return False
    return True


def _inflated(piece: memoryview, most: int) -> int:
    """What is left of `most`; less than nothing where it does not inflate."""
    inflater = zlib.decompressobj()
    try:
        for at in range(0, len(piece), _AT_ONCE):
            rest = piece[at : at + _AT_ONCE]
            while rest and not inflater.eof and most >= 0:
                most -= len(inflater.decompress(rest, _INFLATED_AT_ONCE))
                rest = inflater.unconsumed_tail  # type: ignore[assignment]
            if inflater.eof or most < 0:
                break
        most -= len(inflater.decompress(b"", _INFLATED_AT_ONCE)) if not inflater.eof else 0
    except zlib.error:
        return -1
    return most if inflater.eof else -1


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
        elif (tag in _TOLD or tag == _PROFILE) and kind in _CODES:
            tags[tag] = _Array(start, values, kind)
    return tags, tiff.read(tiff.word, first + count * length)
