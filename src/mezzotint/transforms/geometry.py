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
from mezzotint.names.formats import OUTPUTS

OVERSAMPLE = 1.2
"""A level that is derived from has at least this many of its pixels for each output pixel, each way."""
FINE_OVERSAMPLE = 2.0
"""The same where single pixels count: for regions, whose edges fall between a level's pixels, for formats that keep
every pixel, and above FINE."""
FINE = 90
"""the quality above which who asks wants what the base has"""

SHRINK_OVERSAMPLE = 2.0
"""The same for a JPEG that its decoder reduces: below it, aliasing shows (SSIM to a full decode falls under 0.96)."""

LEVEL_SIDES = (1920, 960)
"""At least so many pixels has a level's longer side; of a base that is large enough, about so many."""
LEVEL_WORTH = 1.5
"""A base is worth levels where it has at least this many times the largest one's pixels, each way."""
DECODER_STEPS = (8, 4, 2)
"""by which a JPEG decoder reduces at next to no cost"""


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

    def changes_nothing(self, source: Stored, image_format: str) -> bool:
        """Whether all that is asked for is the source, in its own format and as well as is usual."""
        return (
            self.format == image_format
            and self.crop is None
            and (self.width, self.height, self.orientation) == (source.width, source.height, 1)
            and self.canvas is None
            and self.rotation is None
            and self.quality is Quality.COLOR
            and self.encoding == OUTPUTS[self.format].quality
            and not self.animated
        )


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


@dataclass(frozen=True, slots=True)
class Level:
    """A reduced copy to derive from, oriented, of so many pixels. `larger` is what it is made from where that is not
    the base itself: what it is never depends on what happens to be there."""

    side: int
    width: int
    height: int
    larger: Level | None = None

    @property
    def stored(self) -> Stored:
        return Stored(self.width, self.height, 1)


def level_plan(level: Level, source: Stored) -> Plan:
    """The plan for a level's pixels, made from `source`."""
    width, height = level.width, level.height
    if source.orientation >= 5:
        width, height = height, width
    return Plan(
        None, width, height, source.orientation, None, None, Quality.COLOR, Format.PNG, encoding=None, animated=False
    )


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
    for step in DECODER_STEPS:
        if _reduced(width, step) >= plan.width * oversample and _reduced(height, step) >= plan.height * oversample:
            return step
    return 1


def _reduced(side: int, step: int) -> int:
    """As libjpeg rounds."""
    return -(-side // step)


def levels(facts: Facts) -> list[Level]:
    """What a large base leaves behind to derive from, largest first. Animations have none: their frames are small."""
    if facts.animated or facts.format == "svg":
        return []
    across, down = _within(LEVEL_SIDES[0], facts).sides
    if facts.width * facts.height < across * down * LEVEL_WORTH**2:
        return []
    large = Level(LEVEL_SIDES[0], across, down)
    longer = max(facts.width, facts.height)
    step = next((step for step in DECODER_STEPS if _reduced(longer, step) >= LEVEL_SIDES[1]), 1)
    if facts.format == "jpg" and _reduced(longer, step) < LEVEL_SIDES[0]:  # just as the decoder gives it
        return [large, Level(LEVEL_SIDES[1], _reduced(facts.width, step), _reduced(facts.height, step))]
    return [large, Level(LEVEL_SIDES[1], *_within(LEVEL_SIDES[1], facts).sides, larger=large)]


def _within(side: int, facts: Facts) -> Size:
    longer = max(facts.width, facts.height)
    return Size(
        max(1, (2 * facts.width * side + longer) // (2 * longer)),
        max(1, (2 * facts.height * side + longer) // (2 * longer)),
    )


def serves(level: Level, rendition: Rendition, facts: Facts) -> bool:
    """Whether `rendition` made from `level` looks the same as made from the base.

    A crop out of a level falls between its pixels by up to half of one, so a
    region wants twice the resolution, where that is a quarter of an output
    pixel.
    """
    if rendition.size is None:
        return False
    output = OUTPUTS[rendition.format]
    quality = rendition.encoding if rendition.encoding is not None else output.quality
    fine = rendition.region is not None or output.exact or (quality or 0) > FINE
    oversample = FINE_OVERSAMPLE if fine else OVERSAMPLE
    region, wanted = region_size(rendition, facts), rendition.size.sides
    across, down = region[0] * level.width / facts.width, region[1] * level.height / facts.height
    return across >= wanted[0] * oversample and down >= wanted[1] * oversample
