"""What is asked of a document's pages, and how large each becomes. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mezzotint.errors import DocumentRefused

POINTS = 72
"""to an inch"""
_ROUNDING = 2e-7
"""PDFium's points are single floats: what is a whole number but for their rounding is that number"""


FORMATS = {"jpg": "image/jpeg", "png": "image/png", "tif": "image/tiff", "ppm": "image/x-portable-pixmap"}
"""by their file name extensions"""
_LONGEST = {"jpg": 65_500}
"""the most pixels that a side may have, where `max_pixels` is not less"""


@dataclass(frozen=True, slots=True)
class PageSpec:
    """`fallback_dpi` is for pages that are too large at `dpi`; `max_length` is the longest side in pixels, 0 for any;
    `max_pixels` is what a page may have in all. `crop` shows the CropBox, and no more of the MediaBox than that."""

    dpi: int = 500
    fallback_dpi: int = 200
    format: str = "jpg"
    max_length: int = 0
    crop: bool = False
    max_pixels: int = 250_000_000


@dataclass(frozen=True, slots=True)
class PageSize:
    """In pixels, and how many of them there are to an inch of the page."""

    width: int
    height: int
    dpi: float


def page_size(width: float, height: float, asked: PageSpec) -> PageSize:
    """Of a page of so many points: whole pixels, rounded up; with a `max_length`, down.

    Where it is too large at both resolutions it has the highest whole one at which it is not. Raises DocumentRefused.
    """
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise DocumentRefused("a page has no size")
    for dpi in (asked.dpi, asked.fallback_dpi, *_lower(width, height, asked)):
        size = _size(width, height, dpi, asked.max_length)
        if _fits(size, asked):
            return size
    raise DocumentRefused(f"a page of {width:.0f} x {height:.0f} points is too large")


def _size(width: float, height: float, dpi: float, max_length: int) -> PageSize:
    across, down = (math.ceil(side * dpi / POINTS * (1 - _ROUNDING)) for side in (width, height))
    longest = max(across, down)
    if not max_length or longest <= max_length:
        return PageSize(across, down, dpi)
    scale = max_length / longest
    return PageSize(max(1, int(across * scale)), max(1, int(down * scale)), dpi * scale)


def _fits(size: PageSize, asked: PageSpec) -> bool:
    longest = max(size.width, size.height)
    return size.width * size.height <= asked.max_pixels and longest <= _LONGEST.get(asked.format, math.inf)


def _lower(width: float, height: float, asked: PageSpec) -> list[int]:
    """Whole resolutions from the highest that may fit; what rounds up may need the next."""
    by_area = math.sqrt(asked.max_pixels / (width * height))
    by_side = _LONGEST.get(asked.format, math.inf) / max(width, height)
    highest = min(int(min(by_area, by_side) * POINTS), asked.fallback_dpi)
    return [dpi for dpi in range(highest, highest - 3, -1) if dpi > 0]
