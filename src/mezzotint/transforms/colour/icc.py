"""ICC profiles, judged by what they say and not by what they are called (ICC.1:2022)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

Matrix = tuple[tuple[float, ...], ...]
SRGB: Matrix = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
"""sRGB's red, green and blue as XYZ, adapted to D50 (IEC 61966-2-1, Bradford)"""
_NEAR_MATRIX, _NEAR_CURVE = 0.003, 0.004
_SAMPLES = 33


@dataclass(frozen=True, slots=True)
class Profile:
    """`space` is RGB, GRAY, CMYK or another of ICC's, stripped; `srgb`: its numbers are sRGB's to within a step of
    255."""

    space: str
    srgb: bool


@lru_cache(maxsize=8)
def judged(data: bytes) -> Profile | None:
    """What a profile is, or None where it is none."""
    if len(data) < 132 or data[36:40] != b"acsp":
        return None
    space = data[16:20].decode("latin-1").strip()
    try:
        tags = _tags(data)
        srgb = space == "RGB" and not tags.keys() & {"A2B0", "A2B1"} and _is_srgb(tags)
    except (struct.error, ValueError, IndexError, KeyError, OverflowError, ZeroDivisionError):
        srgb = False
    return Profile(space, srgb)


@lru_cache(maxsize=4)
def gray_table(data: bytes, size: int) -> tuple[float, ...] | None:
    """What each of `size` values of a gray profile is in sRGB, 0 to 1; None where it has no curve."""
    try:
        curve = _tags(data)["kTRC"]
        return tuple(_encoded(_curve(curve, step / (size - 1))) for step in range(size))
    except (struct.error, ValueError, IndexError, KeyError, OverflowError, ZeroDivisionError):
        return None


def srgb_curve(value: float) -> float:
    """IEC 61966-2-1."""
    return float(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)


def _tags(data: bytes) -> dict[str, bytes]:
    (count,) = struct.unpack_from(">I", data, 128)
    tags = {}
    for at in range(132, 132 + 12 * min(count, 100), 12):
        name, offset, size = struct.unpack_from(">4sII", data, at)
        tags[name.decode("latin-1")] = data[offset : offset + size]
    return tags


def _is_srgb(tags: dict[str, bytes]) -> bool:
    for colour, column in zip("rgb", SRGB, strict=True):
        found = struct.unpack_from(">3i", tags[colour + "XYZ"], 8)
        if any(abs(a / 65536 - b) > _NEAR_MATRIX for a, b in zip(found, column, strict=True)):
            return False
        if any(
            abs(_encoded(_curve(tags[colour + "TRC"], step / (_SAMPLES - 1))) - step / (_SAMPLES - 1)) > _NEAR_CURVE
            for step in range(_SAMPLES)
        ):
            return False
    return True


def _encoded(linear: float) -> float:
    """What sRGB would write for it: curves are near where the numbers are."""
    linear = min(max(linear, 0.0), 1.0)
    return linear * 12.92 if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _curve(tag: bytes, value: float) -> float:
    """`value` through a curve (10.6) or a parametric one (10.18)."""
    kind, _, count = struct.unpack_from(">4sII", tag, 0)
    if kind == b"para":
        return _parametric(tag, struct.unpack_from(">H", tag, 8)[0], value)
    if kind != b"curv":
        raise ValueError("no curve")
    if count == 0:
        return value
    if count == 1:
        return float(value ** (struct.unpack_from(">H", tag, 12)[0] / 256))
    at = value * (count - 1)
    low = min(int(at), count - 2)
    first, second = struct.unpack_from(">2H", tag, 12 + 2 * low)
    return float((first + (second - first) * (at - low)) / 65535)


def _parametric(tag: bytes, kind: int, x: float) -> float:
    count = (1, 3, 4, 5, 7)[kind]
    g, *rest = (value / 65536 for value in struct.unpack_from(f">{count}i", tag, 12))
    if kind == 0:
        return float(x**g)
    a, b, *more = rest
    if kind in {1, 2}:
        c = more[0] if more else 0.0
        return float((a * x + b) ** g + c if x >= -b / a else c)
    c, d, *offsets = more
    e, f = offsets or (0.0, 0.0)
    return float((a * x + b) ** g + e if x >= d else c * x + f)
