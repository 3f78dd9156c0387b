"""Profiles for what says its colours otherwise: by code points (ITU-T H.273), or by a gamma and chromaticities (PNG).

High dynamic range becomes standard here: 203 cd/m2, the white of graphics (ITU-R BT.2408), is a half, as Chromium has
it; up to there light is only scaled, and what is above is bent so that 1,000 cd/m2 is still told from what is less.
Each channel goes by itself.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from mezzotint.transforms.colour.icc import Matrix, srgb_curve

Curve = Callable[[float], float]
D65, DCI, C, E = (0.3127, 0.3290), (0.314, 0.351), (0.310, 0.316), (1 / 3, 1 / 3)
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_WHITE, _PEAK, _KNEE = 406.0, 1000.0, 0.5
_FINE = 4096
"""entries of a curve"""


@dataclass(frozen=True, slots=True)
class Chromaticities:
    """x and y of each."""

    white: tuple[float, float]
    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]


BT709 = Chromaticities(D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_BT601 = Chromaticities(D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
PRIMARIES = {
    1: BT709,
    4: Chromaticities(C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: Chromaticities(D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: _BT601,
    7: _BT601,
    8: Chromaticities(C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: Chromaticities(D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: Chromaticities(DCI, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: Chromaticities(D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: Chromaticities(D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
"""H.273, table 2"""


def _pq(value: float) -> float:
    """SMPTE ST 2084, as shares of white."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = value ** (1 / m2)
    return float(_bent(10_000 * (max(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) / _WHITE))


def _hlg(value: float) -> float:
    """ITU-R BT.2100, on a display of 1,000 cd/m2."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = value * value / 3 if value <= 0.5 else (2.718281828459045 ** ((value - c) / a) + b) / 12
    return float(_bent(_PEAK * scene**1.2 / _WHITE))


def _bent(light: float) -> float:
    if light <= _KNEE:
        return light
    room, most = 1 - _KNEE, (_PEAK / _WHITE - _KNEE) / (1 - _KNEE)
    over = min((light - _KNEE) / room, most)
    return _KNEE + room * over * (1 + over / most**2) / (1 + over)


def _power(gamma: float) -> Curve:
    return lambda value: float(value**gamma)


VIDEO, SRGB_TRANSFER = (1, 6, 14, 15), 13
CURVES: dict[int, Curve] = {
    **dict.fromkeys(VIDEO, _power(2.4)),
    4: _power(2.2),
    5: _power(2.8),
    8: _power(1.0),
    16: _pq,
    17: _power(2.6),
    18: _hlg,
}
"""H.273, table 3, of those that are not shown as sRGB; video's as on its displays (BT.1886)"""


@lru_cache(maxsize=32)
def of_code_points(primaries: int, transfer: int, *, gray: bool = False) -> bytes | None:
    """The profile of H.273's code points; None where they are sRGB's, or say nothing that is known."""
    curve, colours = CURVES.get(transfer), PRIMARIES.get(primaries, BT709)
    if curve is None and (gray or colours == BT709):
        return None
    return _profile(colours, curve or srgb_curve, gray)


def of_heif(code_points: tuple[int, int], *, gray: bool = False) -> bytes | None:
    """The same of a HEIF picture, whose video curves browsers take for sRGB's."""
    primaries, transfer = code_points
    return of_code_points(primaries, SRGB_TRANSFER if transfer in VIDEO else transfer, gray=gray)


@lru_cache(maxsize=32)
def of_gamma(gamma: float, chromaticities: Chromaticities | None, *, gray: bool = False) -> bytes | None:
    """The profile of PNG's gAMA (the power that its numbers were made with) and cHRM, where it has that as
    well; None for sRGB's gamma alone, as browsers have it."""
    if chromaticities is None and abs(gamma - 0.45455) < 0.0005:
        return None
    try:
        return _profile(chromaticities or BT709, _power(1 / gamma), gray)
    except (ZeroDivisionError, struct.error, OverflowError):
        return None  # no triangle


def _profile(colours: Chromaticities, curve: Curve, gray: bool) -> bytes:
    """A profile of version 2: a matrix and a curve, or a curve for gray."""
    table = [min(max(round(curve(step / (_FINE - 1)) * 65535), 0), 65535) for step in range(_FINE)]
    trc = struct.pack(f">4sII{_FINE}H", b"curv", 0, _FINE, *table)
    tags = [(b"desc", b"desc" + bytes(4) + struct.pack(">I", 1) + bytes(79)), (b"wtpt", _xyz(_D50))]
    if gray:
        tags += [(b"kTRC", trc)]
    else:
        columns = zip(*_adapted(colours), strict=True)
        tags += [(name + b"XYZ", _xyz(column)) for name, column in zip((b"r", b"g", b"b"), columns, strict=True)]
        tags += [(name + b"TRC", trc) for name in (b"r", b"g", b"b")]
    return _written(b"GRAY" if gray else b"RGB ", tags)


def _written(space: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    places: dict[bytes, int] = {}
    directory, body, first = b"", b"", 132 + 12 * len(tags)
    for name, value in tags:
        if value not in places:
            places[value] = first + len(body)
            body += value + bytes(-len(value) % 4)
        directory += struct.pack(">4sII", name, places[value], len(value))
    head = struct.pack(">I4sI4s4s4s", first + len(body), bytes(4), 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _xyz(_D50)[8:] + bytes(48)
    return head[:128] + struct.pack(">I", len(tags)) + directory + body


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _adapted(colours: Chromaticities) -> Matrix:
    """RGB to XYZ under D50 (Bradford), a row for each of X, Y and Z."""
    corners = [_upright(place) for place in (colours.red, colours.green, colours.blue)]
    rows = tuple(zip(*corners, strict=True))
    white = _upright(colours.white)
    scale = _times(_inverse(rows), white)
    matrix = tuple(tuple(value * scale[i] for i, value in enumerate(row)) for row in rows)
    ratio = [to / of for to, of in zip(_times(_BRADFORD, _D50), _times(_BRADFORD, white), strict=True)]
    cone = tuple(tuple(value * ratio[i] for value in row) for i, row in enumerate(_BRADFORD))
    return _product(_product(_inverse(_BRADFORD), cone), matrix)


def _upright(place: tuple[float, float]) -> tuple[float, float, float]:
    x, y = place
    return x / y, 1.0, (1 - x - y) / y


def _times(matrix: Matrix, vector: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)


def _product(one: Matrix, other: Matrix) -> Matrix:
    columns = tuple(zip(*other, strict=True))
    return tuple(tuple(sum(a * b for a, b in zip(row, column, strict=True)) for column in columns) for row in one)


def _inverse(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    rows = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    return tuple(tuple(value / determinant for value in row) for row in rows)
