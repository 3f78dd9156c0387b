"""The canonical form: different requests for the same pixels come to one name.

A canonical rendition has a region in pixels or none, an exact size or none, a
canvas only where it is larger than the picture on it, and nothing that the
base or the format would give anyway.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from mezzotint.errors import InvalidRendition
from mezzotint.names.formats import OUTPUTS, Format
from mezzotint.names.rendition import SQUARE, WHITE, Box, Mode, Quality, Region, Rendition, Rotation, Size


@dataclass(frozen=True, slots=True)
class Facts:
    """What a base says of itself. `width` and `height` are pixels after EXIF orientation."""

    width: int
    height: int
    format: str
    bytes: int
    orientation: int = 1
    frames: int = 1
    alpha: bool = False
    gray: bool = False

    @property
    def animated(self) -> bool:
        return self.frames > 1


@dataclass(frozen=True, slots=True)
class Largest:
    """Pixels that a derivative may have: any, one that is larger than what it shows of the base, and AVIF, whose
    encoder takes ten times what others take. But for AVIF natural size is always allowed."""

    any: int = 64_000_000
    enlarged: int = 4_000_000
    avif: int = 32_000_000


def canonical(rendition: Rendition, facts: Facts, largest: Largest | None = None) -> Rendition:
    """The one rendition that stands for all requests for these pixels of this base. `largest` is how large a
    derivative may be made.

    `canonical(canonical(r)) == canonical(r)`. `rendition.format` must have been
    negotiated already (not AUTO). Raises InvalidRendition.
    """
    region = _region(rendition, facts)
    region, width, height = _sized(rendition.size, region)
    canvas = _canvas(rendition, width, height, facts)
    full = (region.x, region.y, region.width, region.height) == (0, 0, facts.width, facts.height)
    natural = (width, height) == (region.width, region.height)
    rotation = None if rendition.rotation == Rotation() else rendition.rotation
    gray_already = rendition.quality is Quality.GRAY and facts.gray and (canvas is None or _is_neutral(canvas))
    result = replace(
        rendition,
        region=None if full else region,
        size=None if natural else Size(width, height),
        canvas=canvas,
        rotation=rotation,
        quality=Quality.COLOR if gray_already else rendition.quality,
        encoding=_encoding(rendition),
    )
    _check_output(result, width, height, region, facts, largest or Largest())
    return result


def output_size(rendition: Rendition, facts: Facts) -> tuple[int, int]:
    """Width and height of what a canonical rendition gives, canvas and rotation included."""
    return _rotated(rendition, *picture_size(rendition, facts))


def picture_size(rendition: Rendition, facts: Facts) -> tuple[int, int]:
    """Width and height of a canonical rendition's picture, before it lies on a canvas and is turned."""
    if rendition.size is not None:
        return rendition.size.sides
    return region_size(rendition, facts)


def region_size(rendition: Rendition, facts: Facts) -> tuple[int, int]:
    """Width and height of the part of the base that a canonical rendition shows, in the base's pixels."""
    region = rendition.region
    return (region.width, region.height) if isinstance(region, Region) else (facts.width, facts.height)


def _region(rendition: Rendition, facts: Facts) -> Region:
    asked = rendition.region
    if asked is None:
        return Region(0, 0, facts.width, facts.height)
    if asked == SQUARE:
        side = min(facts.width, facts.height)
        return Region((facts.width - side) // 2, (facts.height - side) // 2, side, side)
    assert isinstance(asked, Region)
    width = min(asked.width, facts.width - asked.x)
    height = min(asked.height, facts.height - asked.y)
    if width < 1 or height < 1:
        raise InvalidRendition("region", "lies outside the picture", f"{facts.width}x{facts.height}")
    return Region(asked.x, asked.y, width, height)


def _sized(size: Size | None, region: Region) -> tuple[Region, int, int]:
    if size is None:
        return region, region.width, region.height
    if size.mode is Mode.COVER:
        region = _cut_to_aspect(region, size)
    if size.mode in {Mode.EXACT, Mode.COVER}:
        return region, *size.sides
    return region, *_fit(size, region)


def _fit(size: Size, region: Region) -> tuple[int, int]:
    """The largest size of the region's aspect within the box, to the nearest pixel."""
    ratios = [(side, of) for side, of in ((size.width, region.width), (size.height, region.height)) if side]
    numerator, denominator = min(ratios, key=lambda ratio: ratio[0] / ratio[1])
    if numerator >= denominator and size.mode is not Mode.ENLARGE:
        return region.width, region.height
    return _scale(region.width, numerator, denominator), _scale(region.height, numerator, denominator)


def _scale(side: int, numerator: int, denominator: int) -> int:
    return max(1, (2 * side * numerator + denominator) // (2 * denominator))


def _cut_to_aspect(region: Region, size: Size) -> Region:
    across, down = size.sides
    if region.width * down > region.height * across:
        width = _scale(region.height, across, down)
        return replace(region, x=region.x + (region.width - width) // 2, width=width)
    height = _scale(region.width, down, across)
    return replace(region, y=region.y + (region.height - height) // 2, height=height)


def _canvas(rendition: Rendition, width: int, height: int, facts: Facts) -> Box | None:
    canvas, size = rendition.canvas, rendition.size
    if size is not None and size.mode is Mode.PAD:
        if canvas is not None:
            raise InvalidRendition("canvas", "is given by the size already", "pad or canvas, not both")
        canvas = Box(*size.sides)
    shows_through = facts.alpha and canvas is not None and (OUTPUTS[rendition.format].alpha or canvas.colour != WHITE)
    if canvas is None or ((canvas.width, canvas.height) == (width, height) and not shows_through):
        return None
    if canvas.width < width or canvas.height < height:
        raise InvalidRendition(
            "canvas", f"{canvas.width}x{canvas.height} is smaller than the picture on it", f"at least {width}x{height}"
        )
    return canvas


def _is_neutral(canvas: Box) -> bool:
    return canvas.colour[:2] == canvas.colour[2:4] == canvas.colour[4:]


def _encoding(rendition: Rendition) -> int | None:
    default = OUTPUTS[rendition.format].quality
    return None if default is None or rendition.encoding == default else rendition.encoding


def _rotated(rendition: Rendition, width: int, height: int) -> tuple[int, int]:
    if rendition.canvas is not None:
        width, height = rendition.canvas.width, rendition.canvas.height
    angle = math.radians(rendition.rotation.hundredths / 100) if rendition.rotation else 0
    cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
    return _nearest(width * cosine + height * sine), _nearest(width * sine + height * cosine)


def _nearest(length: float) -> int:
    """As libvips rounds a turned picture's sides."""
    return max(1, math.floor(length + 0.5))


def _check_output(
    rendition: Rendition, width: int, height: int, region: Region, facts: Facts, largest: Largest
) -> None:
    out_width, out_height = _rotated(rendition, width, height)
    side = OUTPUTS[rendition.format].max_side
    if max(out_width, out_height) > side:
        raise InvalidRendition(
            "size", f"{out_width}x{out_height} is more than {rendition.format} holds", f"{side} pixels a side"
        )
    frames = facts.frames if OUTPUTS[rendition.format].animation else 1
    pixels, natural = out_width * out_height * frames, region.width * region.height * frames
    if rendition.format is Format.AVIF and pixels > largest.avif:
        limit = f"{largest.avif} pixels of AVIF, MEZZOTINT_MAX_AVIF_PIXELS"
    elif pixels > max(largest.any, natural):
        limit = f"{largest.any} pixels, MEZZOTINT_MAX_OUTPUT_PIXELS"
    elif width * height * frames > max(largest.enlarged, natural) and facts.format != "svg":
        limit = f"{largest.enlarged} pixels where it is enlarged, MEZZOTINT_MAX_ENLARGED_PIXELS"
    else:
        return
    said = f"{out_width}x{out_height}{f' x {frames} frames' if frames > 1 else ''}"
    raise InvalidRendition("size", f"{said} is too large", limit)
