"""What a picture looks like, in a few bytes: a hash that is alike for pictures that are, and what stands there until
they have come."""

from __future__ import annotations

from typing import Any

import pyvips

SIDE = 32
"""pixels a side of what is looked at, whatever the picture's shape"""
_WIDTH, _HEIGHT = 9, 8
_GRAY = [0.299, 0.587, 0.114]
"""of the values as they are, and not of the light: a picture that somebody made gray is alike"""
_LONG = 12
"""pixels of the longer side of the placeholder"""
_PLAIN = 2.0
"""deviation of the pixels' gray; with less there is nothing to be alike in"""


def likeness(data: bytes) -> int | None:
    """64 bits of a PNG of SIDE pixels: whether each of 9 x 8 grays is lighter than its right neighbour (dHash). None of
    what is of one tone."""
    image = _flat(data).recomb([_GRAY])
    if image.deviate() < _PLAIN:
        return None
    small = image.resize(_WIDTH / SIDE, vscale=_HEIGHT / SIDE, kernel="linear").cast("uchar")
    rows = bytes(small.write_to_memory())
    bits = 0
    for y in range(_HEIGHT):
        for x in range(_WIDTH - 1):
            bits = bits << 1 | (rows[y * _WIDTH + x] > rows[y * _WIDTH + x + 1])
    return bits


def placeholder(data: bytes, ratio: float) -> bytes:
    """A WebP of some hundred bytes at most, in the shape that the picture has; `ratio` is its width by its height."""
    width = _LONG if ratio >= 1 else max(1, round(_LONG * ratio))
    height = _LONG if ratio <= 1 else max(1, round(_LONG / ratio))
    small = _flat(data).resize(width / SIDE, vscale=height / SIDE)
    made: bytes = small.webpsave_buffer(Q=20, strip=True)
    return made


def _flat(data: bytes) -> Any:
    image = pyvips.Image.new_from_buffer(data, "")
    image = image.flatten(background=[128] * (image.bands - 1)) if image.hasalpha() else image
    return image.colourspace("srgb")
