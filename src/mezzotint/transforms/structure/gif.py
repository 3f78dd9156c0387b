"""GIF (89a): blocks."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import NamedTuple

Buffer = mmap.mmap | bytes
_TRAILER, _EXTENSION, _PICTURE, _CONTROL = 0x3B, 0x21, 0x2C, 0xF9
_TO_BACKGROUND, _TO_PREVIOUS = 2, 3
_NO_MORE = b"\2\0\0\0"
"""a block of two bytes, and the end of the blocks"""


def check(data: Buffer) -> bool:
    """Whether there is a picture, and every block that begins ends as well."""
    return _PICTURE in {block for block, _, _ in _blocks(data)}


def _blocks(data: Buffer) -> Iterator[tuple[int, int, int]]:
    """What each is, where it begins and where it ends. The trailer may be missing, and what is no block ends them too,
    as browsers have it. Raises where a block is cut off."""
    at = _after_table(data, 10, 13)
    while at < len(data) and data[at] in {_EXTENSION, _PICTURE}:
        block, start = data[at], at
        after = at + 2 if block == _EXTENSION else _after_table(data, at + 9, at + 10) + 1
        while size := data[after]:
            after += size + 1
        at = after + 1
        yield block, start, at


def _after_table(data: Buffer, flags_at: int, after: int) -> int:
    flags = data[flags_at]
    return after + (3 * (2 << (flags & 7)) if flags & 0x80 else 0)


class Frame(NamedTuple):
    """`start` to `end` is its descriptor, its own table and its data; `transparent` the index that is, or None."""

    left: int
    top: int
    width: int
    height: int
    disposal: int
    transparent: int | None
    start: int
    end: int


def frames(data: Buffer) -> Iterator[Frame]:
    disposal, transparent = 0, None
    for block, start, end in _blocks(data):
        if block == _PICTURE:
            left, top, width, height = struct.unpack_from("<4H", data, start + 1)
            yield Frame(left, top, width, height, disposal, transparent, start, end)
            disposal, transparent = 0, None
        elif data[start + 1] == _CONTROL:
            disposal = data[start + 3] >> 2 & 7
            transparent = data[start + 6] if data[start + 3] & 1 else None


def is_uncovered(data: Buffer) -> bool:
    """Whether the empty canvas shows somewhere though no colour of the picture is transparent: beside the first frame,
    or where a frame was taken away again. Browsers show nothing there; libvips shows black, or the background's
    colour."""
    try:
        found = list(frames(data))
    except (IndexError, struct.error):
        return False
    if not found:
        return False
    first = found[0]
    covers = first[:2] == (0, 0) and (first.width, first.height) == struct.unpack_from("<2H", data, 6)
    if any(one.disposal == _TO_BACKGROUND and one.transparent is None for one in found[:-1]):
        return True
    if any(one.transparent is not None for one in found):
        return False
    return not covers or (first.disposal == _TO_PREVIOUS and len(found) > 1)


def mended(data: bytes) -> bytes:
    """With a trailer, nothing behind it, and two zeros behind the data of each picture: libvips loses the last pixels
    where no code says that the data ends."""
    parts = [data[: _after_table(data, 10, 13)]]
    for block, start, end in _blocks(data):
        parts += [data[start : end - 1], _NO_MORE] if block == _PICTURE else [data[start:end]]
    return b"".join([*parts, bytes([_TRAILER])])
