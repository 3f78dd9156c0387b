"""BMP as browsers show it: every layout of bits that its headers can say, run lengths, and pixels that those leave
out."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy

_RGB, _RLE8, _RLE4, _BITFIELDS, _ALPHA_BITFIELDS = 0, 1, 2, 3, 6
_USUAL_MASKS = {16: (0x7C00, 0x03E0, 0x001F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}
_OLDEST, _OS2_LARGEST = 12, 64
_EMBEDDED = b"DEBM"
_TYPES = {16: "<u2", 32: "<u4"}


@dataclass(frozen=True, slots=True)
class Bitmap:
    """`masks`: of red, green, blue and alpha; `palette`: rows of red, green and blue; `first`: where the pixels
    begin."""

    width: int
    height: int
    upside_down: bool
    bits: int
    compression: int
    masks: tuple[int, int, int, int]
    palette: Any
    first: int
    profile: bytes | None

    @property
    def gray(self) -> bool:
        return self.bits <= 8 and bool((self.palette == self.palette[:, :1]).all())


def read(data: bytes) -> Bitmap:
    """Its headers. Raises ValueError, struct.error."""
    first, size = struct.unpack_from("<II", data, 10)
    bits, compression, used = 0, _RGB, 0
    if size == _OLDEST:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    elif 16 <= size <= 124:
        header = data[14 : 14 + size].ljust(124, b"\0")
        width, height, _, bits, compression, _, _, _, used = struct.unpack_from("<iiHHIIiiI", header, 4)
    else:
        raise ValueError(f"a header of {size} bytes is none of BMP's")
    if bits not in {1, 2, 4, 8, 16, 24, 32} or width <= 0 or height == 0:
        raise ValueError(f"{width} x {height} pixels of {bits} bits are none of BMP's")
    _check_compression(compression, bits, size)
    masks, after = _masks(data, size, bits, compression)
    entry = 3 if size == _OLDEST else 4
    entries = min(used or 1 << bits, 256) if bits <= 8 else 0
    table = numpy.frombuffer(data[after : after + entry * entries], "uint8")
    table = table[: len(table) // entry * entry].reshape(-1, entry)[:, 2::-1]
    palette = numpy.zeros((256, 3), "uint8")
    palette[: len(table)] = table
    palette = palette if len(table) == 0 or bits > 8 else palette[: max(len(table), 1 << bits)]
    return Bitmap(width, abs(height), height < 0, bits, compression, masks, palette, first, _profile(data, size))


def _check_compression(compression: int, bits: int, size: int) -> None:
    fits = {_RGB: True, _RLE8: bits == 8, _RLE4: bits == 4}
    fits |= dict.fromkeys((_BITFIELDS, _ALPHA_BITFIELDS), bits in _TYPES and size != _OS2_LARGEST)
    if not fits.get(compression, False):
        raise ValueError(f"compression {compression} of {bits} bits is not read")


def _masks(data: bytes, size: int, bits: int, compression: int) -> tuple[tuple[int, int, int, int], int]:
    """And where the palette begins."""
    after = 14 + size
    if compression not in {_BITFIELDS, _ALPHA_BITFIELDS}:
        return _USUAL_MASKS.get(bits, (0, 0, 0, 0)), after
    count = 4 if compression == _ALPHA_BITFIELDS or size >= 56 else 3
    found = struct.unpack_from(f"<{count}I", data, 54)
    red, green, blue, alpha = (*found, 0)[:4]
    return (red, green, blue, alpha), max(after, 54 + 4 * count)


def _profile(data: bytes, size: int) -> bytes | None:
    """BITMAPV5HEADER may have one inside the file."""
    if size < 124 or data[70:74] != _EMBEDDED:
        return None
    at, length = struct.unpack_from("<II", data, 126)
    return data[14 + at : 14 + at + length]


def pixels(data: bytes, bitmap: Bitmap) -> Any:
    """Rows from the top, of one, three or four channels. Raises ValueError where data is missing."""
    if bitmap.compression in {_RLE8, _RLE4}:
        indices, drawn = _run_lengths(data, bitmap)
        rows = bitmap.palette[numpy.minimum(indices, len(bitmap.palette) - 1)]
        rows[~drawn] = 0  # what they leave out is black, as in Chromium
    elif bitmap.bits <= 8:
        indices = _unpacked(_rows(data, bitmap, "uint8"), bitmap)
        rows = bitmap.palette[numpy.minimum(indices, len(bitmap.palette) - 1)]
    elif bitmap.bits == 24:
        rows = _rows(data, bitmap, "uint8")[:, : 3 * bitmap.width].reshape(bitmap.height, bitmap.width, 3)[:, :, ::-1]
    else:
        rows = _masked(_rows(data, bitmap, _TYPES[bitmap.bits])[:, : bitmap.width], bitmap)
    rows = rows[:, :, :1] if bitmap.gray else rows
    return rows if bitmap.upside_down else rows[::-1]


def _rows(data: bytes, bitmap: Bitmap, kind: str) -> Any:
    """As they are stored. The padding of the last may be missing."""
    stride = (bitmap.width * bitmap.bits + 31) // 32 * 4
    needed, padding = stride * bitmap.height, stride - (bitmap.width * bitmap.bits + 7) // 8
    taken = data[bitmap.first : bitmap.first + needed]
    if len(taken) + padding < needed:
        raise ValueError("rows are missing")
    return numpy.frombuffer(taken.ljust(needed, b"\0"), kind).reshape(bitmap.height, -1)


def _unpacked(rows: Any, bitmap: Bitmap) -> Any:
    each = 8 // bitmap.bits
    shifts = numpy.arange(each)[::-1] * bitmap.bits
    apart = (rows[:, :, None] >> shifts.astype("uint8")) & ((1 << bitmap.bits) - 1)
    return apart.reshape(bitmap.height, -1)[:, : bitmap.width]


def _masked(values: Any, bitmap: Bitmap) -> Any:
    channels = [_channel(values, mask) for mask in bitmap.masks]
    return numpy.dstack(channels if bitmap.masks[3] else channels[:3])


def _channel(values: Any, mask: int) -> Any:
    if not mask:
        return numpy.zeros(values.shape, "uint8")
    shift = (mask & -mask).bit_length() - 1
    most = mask >> shift
    return (((values & mask) >> shift).astype("uint64") * 510 // most + 1 >> 1).astype("uint8")


def _run_lengths(data: bytes, bitmap: Bitmap) -> tuple[Any, Any]:
    """Indices, and which pixels were drawn."""
    indices = numpy.zeros((bitmap.height, bitmap.width), "uint8")
    drawn = numpy.zeros((bitmap.height, bitmap.width), bool)
    at, x, y, nibbles = bitmap.first, 0, 0, bitmap.compression == _RLE4
    while True:
        if at + 2 > len(data):
            raise ValueError("run lengths without an end")
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            run = bytes((value >> 4, value & 15)) * (count // 2 + 1) if nibbles else bytes((value,)) * count
        elif value == 0:
            x, y = 0, y + 1
            continue
        elif value == 1:
            return indices, drawn
        elif value == 2:
            x, y = x + data[at], y + data[at + 1]
            at += 2
            continue
        else:
            count, size = value, (value + 1) // 2 if nibbles else value
            run = data[at : at + size]
            if nibbles:
                run = bytes(half for byte in run for half in (byte >> 4, byte & 15))
            at += size + size % 2
        fits = max(0, min(count, len(run), bitmap.width - x))
        if y < bitmap.height and fits:
            indices[y, x : x + fits] = numpy.frombuffer(run, "uint8", fits)
            drawn[y, x : x + fits] = True
        x += count
