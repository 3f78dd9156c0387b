"""Boxes (ISO 14496-12): HEIF with AVIF and HEIC, JPEG XL, JPEG 2000."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

Buffer = mmap.mmap | bytes
_MOST = 10_000
"""boxes, items or extents that are looked at: what has more is refused"""
_JP2_SLACK = 16
_SIZ, _COD, _SOT = 0xFF51, 0xFF52, 0xFF90


class Box(NamedTuple):
    kind: bytes
    start: int
    """of what is in it"""
    end: int


def boxes(data: Buffer, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Those between `start` and `end`. Raises ValueError where one overhangs."""
    end = len(data) if end is None else end
    for _ in range(_MOST):
        if start >= end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        after = end if size == 0 else start + size
        if after < start + head or after > end:
            raise ValueError("a box overhangs")
        yield Box(kind, start + head, after)
        start = after
    raise ValueError("too many boxes")


def check_heif(data: Buffer) -> bool:
    """Whether all that its items consist of is there. What follows the boxes that they need may be anything."""
    kinds: dict[bytes, Box] = {}
    try:
        for box in boxes(data):
            kinds.setdefault(box.kind, box)
    except (struct.error, ValueError):
        if not kinds.keys() & {b"meta", b"moov"} or b"mdat" not in kinds:
            return False
    if b"moov" in kinds and b"mdat" in kinds:
        return True
    return b"meta" in kinds and all(end <= len(data) for end in _extents(data, _inside(data, kinds[b"meta"])))


def _inside(data: Buffer, meta: Box) -> dict[bytes, Box]:
    return {box.kind: box for box in boxes(data, meta.start + 4, meta.end)}


class _Numbers:
    """Big-endian numbers, one behind the other."""

    def __init__(self, data: Buffer, at: int) -> None:
        self.data, self.at = data, at

    def next(self, size: int) -> int:
        self.at += size
        taken = self.data[self.at - size : self.at]
        if len(taken) != size:
            raise ValueError("cut off")
        return int.from_bytes(taken, "big")


def _extents(data: Buffer, inside: dict[bytes, Box]) -> Iterator[int]:
    """Where each of an item's extents in the file ends ('iloc')."""
    box = inside[b"iloc"]
    numbers = _Numbers(data, box.start)
    version = numbers.next(4) >> 24
    sizes = numbers.next(2)
    offset, length, base, index = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15 if version else 0
    items = numbers.next(2 if version < 2 else 4)
    looked_at = 0
    for _ in range(items):
        numbers.next(2 if version < 2 else 4)
        method = numbers.next(2) & 15 if version else 0
        numbers.next(2)
        begin = numbers.next(base)
        for _ in range(numbers.next(2)):
            looked_at += 1
            if looked_at > _MOST:
                raise ValueError("too many extents")
            numbers.next(index)
            at, size = numbers.next(offset), numbers.next(length)
            if method == 0:
                yield begin + at + size


@dataclass(frozen=True, slots=True)
class HeifColours:
    """Of the primary item. `code_points`: primaries and transfer of H.273; `premultiplied`: its alpha is in its
    colours; `gray`: it has one channel beside alpha."""

    code_points: tuple[int, int] | None = None
    icc: bytes | None = None
    premultiplied: bool = False
    gray: bool = False


@dataclass(slots=True)
class _Items:
    primary: int = 0
    of: dict[int, list[int]] = field(default_factory=dict)
    """properties of each item, by their places"""
    references: list[tuple[bytes, int, list[int]]] = field(default_factory=list)


def heif_colours(data: Buffer) -> HeifColours:
    """What a HEIF file says of its colours; nothing where it cannot be read."""
    try:
        meta = next(box for box in boxes(data) if box.kind == b"meta")
        inside = _inside(data, meta)
        properties = list(boxes(data, inside[b"iprp"].start, inside[b"iprp"].end))
        (container,) = (box for box in properties if box.kind == b"ipco")
        listed = list(boxes(data, container.start, container.end))
        items = _items(data, inside, [box for box in properties if box.kind == b"ipma"])
        return _colours(data, items, listed)
    except (StopIteration, struct.error, ValueError, KeyError, IndexError):
        return HeifColours()


def _items(data: Buffer, inside: dict[bytes, Box], associations: list[Box]) -> _Items:
    pitm = _Numbers(data, inside[b"pitm"].start)
    items = _Items(pitm.next(2 if pitm.next(4) >> 24 == 0 else 4))
    for box in associations:
        numbers = _Numbers(data, box.start)
        head = numbers.next(4)
        for _ in range(min(numbers.next(4), _MOST)):
            item = numbers.next(2 if head >> 24 < 1 else 4)
            wide = 2 if head & 1 else 1
            mask = 0x7FFF if wide == 2 else 0x7F
            items.of.setdefault(item, []).extend(numbers.next(wide) & mask for _ in range(numbers.next(1)))
    if b"iref" in inside:
        iref = inside[b"iref"]
        wide = 2 if data[iref.start] == 0 else 4
        for box in boxes(data, iref.start + 4, iref.end):
            numbers = _Numbers(data, box.start)
            one = numbers.next(wide)
            items.references.append((box.kind, one, [numbers.next(wide) for _ in range(min(numbers.next(2), 100))]))
    return items


def _colours(data: Buffer, items: _Items, listed: list[Box]) -> HeifColours:
    code_points, icc, gray = None, None, False
    own = items.of.get(items.primary, [])
    tiles = [to for kind, one, to in items.references if kind == b"dimg" and one == items.primary]
    wanted = own + [place for to in tiles for item in to[:1] for place in items.of.get(item, [])]
    for place in wanted:
        box = listed[place - 1]
        if box.kind == b"pixi":
            gray = data[box.start + 4] == 1
        if box.kind != b"colr":
            continue
        kind = bytes(data[box.start : box.start + 4])
        if kind == b"nclx" and code_points is None:
            code_points = struct.unpack_from(">HH", data, box.start + 4)
        elif kind in {b"prof", b"rICC"} and icc is None:
            icc = bytes(data[box.start + 4 : box.end])
    premultiplied = any(kind == b"prem" and one == items.primary for kind, one, _ in items.references)
    return HeifColours(code_points, icc, premultiplied, gray)


def check_jxl(data: Buffer) -> bool | None:
    """A codestream says nothing of its end; in boxes those that hold one must not overhang."""
    if data[:2] == b"\xff\x0a":
        return None
    return None if any(box.kind in {b"jxlc", b"jxlp"} for box in boxes(data)) else False


def jxl_exif(data: Buffer) -> bytes | None:
    """The EXIF block of a JPEG XL in boxes, where it is not compressed (ISO 18181-2, 9.4)."""
    if data[:2] == b"\xff\x0a":
        return None
    found = next((box for box in boxes(data) if box.kind == b"Exif"), None)
    return None if found is None else b"Exif\0\0" + data[found.start + 4 : found.end]


def check_jp2(data: Buffer) -> bool | None:
    """Whether the codestream ends with its marker (ISO 15444-1, EOC) or just before the file does; None where the
    marker is somewhere else."""
    start, end = 0, len(data)
    if data[:2] != b"\xff\x4f":
        codestreams = [box for box in boxes(data) if box.kind == b"jp2c"]
        if not codestreams:
            return False
        start, end = codestreams[0].start, codestreams[0].end
    at = data.rfind(b"\xff\xd9", start, end)
    return True if at + 2 == end else None if at >= end - _JP2_SLACK else False


@dataclass(frozen=True, slots=True)
class Jp2Colours:
    """`palette`: for each index the entries of each column; `mapped`: the (component, column) of each channel, column
    None for a component as it is; `space`: of the enumerated ones (16 sRGB, 17 gray, 18 sYCC), 0 for none."""

    icc: bytes | None = None
    space: int = 0
    palette: tuple[tuple[int, ...], ...] = ()
    mapped: tuple[tuple[int, int | None], ...] = ()
    codestream: tuple[int, int] | None = None


def jp2_colours(data: Buffer) -> Jp2Colours:
    """What a JP2's header says of its colours (ISO 15444-1, I.5.3); nothing where it cannot be read."""
    try:
        outer = {box.kind: box for box in reversed(list(boxes(data)))}
        header = list(boxes(data, outer[b"jp2h"].start, outer[b"jp2h"].end))
        icc, space = None, 0
        palette: tuple[tuple[int, ...], ...] = ()
        mapped: tuple[tuple[int, int | None], ...] = ()
        for box in header:
            if box.kind == b"colr" and not space and icc is None:
                method = data[box.start]
                if method == 1:
                    (space,) = struct.unpack_from(">I", data, box.start + 3)
                elif method in {2, 3}:
                    icc = bytes(data[box.start + 3 : box.end])
            elif box.kind == b"pclr":
                palette = _palette(data, box)
            elif box.kind == b"cmap":
                entries = [struct.unpack_from(">HBB", data, at) for at in range(box.start, box.end - 3, 4)]
                mapped = tuple((component, column if kind == 1 else None) for component, kind, column in entries)
        codestream = outer[b"jp2c"]
        return Jp2Colours(icc, space, palette, mapped, (codestream.start, codestream.end))
    except (struct.error, ValueError, KeyError, IndexError):
        return Jp2Colours()


def jp2_resolutions(data: Buffer, told: Jp2Colours) -> int:
    """How often a codestream's picture is halved in it (ISO 15444-1, A.6.1), of all tiles alike; 0 where that is not
    said."""
    at = (told.codestream[0] if told.codestream is not None else 0) + 2
    try:
        while True:
            marker, length = struct.unpack_from(">HH", data, at)
            if marker == _COD:
                return int(data[at + 9])
            if not _SIZ <= marker < _SOT:
                return 0
            at += 2 + length
    except (struct.error, IndexError):
        return 0


def _palette(data: Buffer, box: Box) -> tuple[tuple[int, ...], ...]:
    count, columns = struct.unpack_from(">HB", data, box.start)
    depths = [(data[box.start + 3 + i] & 0x7F) + 1 for i in range(columns)]
    numbers = _Numbers(data, box.start + 3 + columns)
    return tuple(tuple(numbers.next((depth + 7) // 8) >> max(0, depth - 8) for depth in depths) for _ in range(count))
