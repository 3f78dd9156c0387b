"""Plans: what is to be done to which pixels of which source. Pure.

A plan is folded from a canonical rendition and the base's facts before any
pixel is touched. Everything in it is in the pixels of the source as it is
stored, before EXIF orientation, so that cropping and shrinking come first and
the turning is done on the small result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mezzotint.names import Box, Facts, Format, Quality, Region, Rendition, Rotation, Size
from mezzotint.names.canonical import picture_size, region_size
from mezzotint.names.formats import FORMATS, OUTPUTS

OVERSAMPLE = 1.2
"""A level that is derived from has at least this many of its pixels for each output pixel, each way."""

SHRINK_OVERSAMPLE = 2.0
"""The same for a JPEG that its decoder reduces: below it, aliasing shows (SSIM to a full decode falls under 0.96)."""

LEVEL_SIDES = (1920, 960)
"""Half of a 3840 or 4000 pixel base, so that the JPEG decoder does most of the reducing."""
LEVEL_WORTH = 1.5
"""A base is worth levels where it has at least this many times the largest one's pixels, each way."""
LEVEL_QUALITY = 92


@dataclass(frozen=True, slots=True)
class Plan:
    """What the runner does, in this order: crop, resize, orient, canvas, rotate, quality, encode.

    `crop` and `width` x `height` are as the source is stored; `orientation` is
    EXIF's 1 to 8 and is applied after them.
    """

    crop: Region | None
    width: int
    height: int
    orientation: int
    canvas: Box | None
    rotation: Rotation | None
    quality: Quality
    format: Format
    encoding: int | None
    animated: bool

    @property
    def keeps_alpha(self) -> bool:
        return OUTPUTS[self.format].alpha


@dataclass(frozen=True, slots=True)
class Stored:
    """A source of pixels as it is stored: the base itself, or a level of it."""

    width: int
    height: int
    orientation: int


def stored(facts: Facts) -> Stored:
    if facts.orientation >= 5:
        return Stored(facts.height, facts.width, facts.orientation)
    return Stored(facts.width, facts.height, facts.orientation)


def level_stored(level: Rendition) -> Stored:
    """A level is oriented already."""
    assert level.size is not None
    return Stored(*level.size.sides, 1)


def plan(rendition: Rendition, facts: Facts, source: Stored) -> Plan:
    """The plan for a canonical rendition, made from `source`."""
    width, height = picture_size(rendition, facts)
    if source.orientation >= 5:
        width, height = height, width
    default = OUTPUTS[rendition.format].quality
    return Plan(
        crop=_crop(rendition.region, facts, source),
        width=width,
        height=height,
        orientation=source.orientation,
        canvas=rendition.canvas,
        rotation=rendition.rotation,
        quality=rendition.quality,
        format=rendition.format,
        encoding=rendition.encoding if rendition.encoding is not None else default,
        animated=facts.animated and OUTPUTS[rendition.format].animation,
    )


def _crop(region: object, facts: Facts, source: Stored) -> Region | None:
    if not isinstance(region, Region):
        return None
    whole = replace(facts, orientation=source.orientation)  # a level is oriented already, its base may not be
    return _scaled(_unoriented(region, facts, source.orientation), stored(whole), source)


def _unoriented(region: Region, facts: Facts, orientation: int) -> Region:
    """Where an oriented region lies in the stored pixels (EXIF 2.3, tag 0x0112)."""
    x, y, width, height = region.x, region.y, region.width, region.height
    right, below = facts.width - x - width, facts.height - y - height
    return {
        1: Region(x, y, width, height),
        2: Region(right, y, width, height),
        3: Region(right, below, width, height),
        4: Region(x, below, width, height),
        5: Region(y, x, height, width),
        6: Region(y, right, height, width),
        7: Region(below, right, height, width),
        8: Region(below, x, height, width),
    }[orientation]


def _scaled(region: Region, whole: Stored, source: Stored) -> Region:
    """`region` of `whole` in the pixels of `source`, to the nearest pixel."""
    if (whole.width, whole.height) == (source.width, source.height):
        return region
    left, top = round(region.x * source.width / whole.width), round(region.y * source.height / whole.height)
    right = round((region.x + region.width) * source.width / whole.width)
    bottom = round((region.y + region.height) * source.height / whole.height)
    left, top = min(left, source.width - 1), min(top, source.height - 1)
    return Region(left, top, max(1, right - left), max(1, bottom - top))


def reduction(plan: Plan, source_width: int, source_height: int, oversample: float) -> int:
    """The strongest reduction a JPEG decoder offers that leaves `oversample` source pixels to an output pixel."""
    width, height = (plan.crop.width, plan.crop.height) if plan.crop else (source_width, source_height)
    for step in (8, 4, 2):
        if width >= plan.width * step * oversample and height >= plan.height * step * oversample:
            return step
    return 1


def levels(facts: Facts) -> list[Rendition]:
    """The renditions that a large base leaves behind to derive from, largest first.

    Lossy bases leave JPEGs, others PNGs, whose pixels are exactly a direct
    derivation's. Animations have none: their frames are small.
    """
    if facts.animated or facts.format == "svg":
        return []
    across, down = _within(LEVEL_SIDES[0], facts).sides
    if facts.width * facts.height < across * down * LEVEL_WORTH**2:
        return []
    lossless = FORMATS[facts.format].lossless or facts.alpha
    return [
        Rendition(
            format=Format.PNG if lossless else Format.JPG,
            size=_within(side, facts),
            encoding=None if lossless else LEVEL_QUALITY,
        )
        for side in LEVEL_SIDES
    ]


def _within(side: int, facts: Facts) -> Size:
    longer = max(facts.width, facts.height)
    return Size(
        max(1, (2 * facts.width * side + longer) // (2 * longer)),
        max(1, (2 * facts.height * side + longer) // (2 * longer)),
    )


def serves(level: Rendition, rendition: Rendition, facts: Facts) -> bool:
    """Whether `rendition` made from `level` looks the same as made from the base.

    A crop out of a level falls between its pixels by up to half of one, so a
    region wants twice the resolution, where that is a quarter of an output
    pixel. Lossless formats are made from lossless levels only.
    """
    if rendition.size is None or level.size is None or rendition == level:
        return False
    if level.format is Format.JPG and OUTPUTS[rendition.format].exact:
        return False
    oversample = OVERSAMPLE if rendition.region is None else 2.0
    region, has, wanted = region_size(rendition, facts), level.size.sides, rendition.size.sides
    across, down = region[0] * has[0] / facts.width, region[1] * has[1] / facts.height
    return across >= wanted[0] * oversample and down >= wanted[1] * oversample
