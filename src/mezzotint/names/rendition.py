"""The rendition: what is asked for, as a pure value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from mezzotint.names.formats import Format

WHITE = "ffffff"
SQUARE: Literal["square"] = "square"


class Mode(StrEnum):
    """How a size is meant. EXACT is the one that canonical names use."""

    EXACT = ""
    """exactly these output pixels, stretched where the aspect differs"""
    FIT = "fit"
    """the largest that fits within, never enlarged"""
    ENLARGE = "enlarge"
    """the largest that fits within, enlarged where needed"""
    COVER = "cover"
    """exactly these output pixels, the middle of the region cut to their aspect"""
    PAD = "pad"
    """FIT, centred on a white canvas of exactly this size"""


class Quality(StrEnum):
    COLOR = "color"
    GRAY = "gray"
    BITONAL = "bitonal"


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the base, in pixels after EXIF orientation, from the top left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Size:
    """Output pixels before rotation. With mode FIT one of the two may be None: as the aspect gives."""

    width: int | None
    height: int | None
    mode: Mode = Mode.EXACT

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height. Only FIT may lack one, and no canonical size does."""
        assert self.width is not None and self.height is not None
        return self.width, self.height


@dataclass(frozen=True, slots=True)
class Box:
    """A canvas that the sized picture is centred on; `colour` is six lowercase hex digits."""

    width: int
    height: int
    colour: str = WHITE


@dataclass(frozen=True, slots=True)
class Rotation:
    """Mirrored left to right first, then turned clockwise by `hundredths` of a degree, 0 to 35999."""

    hundredths: int = 0
    mirror: bool = False


@dataclass(frozen=True, slots=True)
class Rendition:
    """Region, then size, canvas, rotation, quality, encoding. What says nothing is None."""

    format: Format
    region: Region | Literal["square"] | None = None
    size: Size | None = None
    canvas: Box | None = None
    rotation: Rotation | None = None
    quality: Quality = Quality.COLOR
    encoding: int | None = None
    """the encoder's quality, 1 to 100; None is the format's default"""
