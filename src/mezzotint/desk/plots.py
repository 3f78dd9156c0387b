"""Figures as small drawings: what the templates put into SVG. Lengths are in the drawing's own units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 120
_GAP = 0.2
"""of a bar's room"""


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    said: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """`label` says what it shows to who does not see it; `legend` are kinds and what they say."""

    label: str
    bars: Sequence[Bar]
    height: int
    first: str = ""
    last: str = ""
    most: str = ""
    legend: Sequence[tuple[str, str]] = ()

    @property
    def width(self) -> int:
        return WIDTH


def columns(label: str, values: Sequence[tuple[str, float]], said: str = "{}") -> Drawing:
    """One for each value, side by side, the largest as high as the drawing."""
    most = max((value for _, value in values), default=0) or 1
    room = WIDTH / max(1, len(values))
    bars = [
        Bar(
            round(place * room + room * _GAP / 2, 1),
            round(HEIGHT * (1 - value / most), 1),
            round(room * (1 - _GAP), 1),
            round(HEIGHT * value / most, 1),
            f"{name}: {said.format(f'{value:,.0f}')}",
        )
        for place, (name, value) in enumerate(values)
    ]
    ends = (values[0][0], values[-1][0]) if values else ("", "")
    total = sum(value for _, value in values)
    return Drawing(f"{label}: {total:,.0f} in all", bars, HEIGHT, *ends, most=f"{most if total else 0:,.0f}")


def shares(label: str, values: Sequence[tuple[str, float]]) -> Drawing:
    """One bar, in which each value has its share."""
    total, x, bars, legend = sum(value for _, value in values) or 1, 0.0, [], []
    for number, (name, value) in enumerate(values):
        width = WIDTH * value / total
        if value:
            bars.append(Bar(round(x, 1), 0, round(width, 1), 24, f"{name}: {value:,.0f}", f"k{number}"))
        legend.append((f"k{number}", f"{name} {value:,.0f}"))
        x += width
    said = ", ".join(text for _, text in legend)
    return Drawing(f"{label}: {said}", bars, 24, legend=legend)
