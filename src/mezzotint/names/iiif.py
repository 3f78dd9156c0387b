"""The IIIF Image API's words for a rendition, 2.1 and 3.0, and its description of an image. Pure: no I/O.

https://iiif.io/api/image/3.0/ and https://iiif.io/api/image/2.1/; section numbers below are those of 3.0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any, Literal

from mezzotint.errors import InvalidRendition
from mezzotint.names.canonical import Facts, Largest
from mezzotint.names.formats import OUTPUTS, Format
from mezzotint.names.rendition import SQUARE, Quality, Region, Rendition, Rotation, Size

Version = Literal[2, 3]
TILE = 512
"""pixels a side"""
_SMALLEST = 100
"""pixels of the longer side, of the sizes that are named"""
_DECIMAL = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_LONGEST = 100
"""characters of one part"""
_PIXELS = re.compile(r"([0-9]+),([0-9]+),([0-9]+),([0-9]+)")
_PERCENT = re.compile(rf"pct:({_DECIMAL}),({_DECIMAL}),({_DECIMAL}),({_DECIMAL})")
_SIZE = re.compile(
    rf"(?P<up>\^)?(?:(?P<max>max|full)|pct:(?P<pct>{_DECIMAL})|(?P<fit>!)?(?P<width>[0-9]+)?,(?P<height>[0-9]+)?)"
)
_ROTATION = re.compile(rf"(?P<mirror>!)?(?P<degrees>{_DECIMAL})")
_QUALITIES = {"default": Quality.COLOR, "color": Quality.COLOR, "gray": Quality.GRAY, "bitonal": Quality.BITONAL}
FORMATS = [one for one in OUTPUTS if one not in {Format.BMP, Format.PPM, Format.ICO}]
_ALWAYS = {Format.JPG, Format.PNG}
"""what level 2 has"""


@dataclass(frozen=True, slots=True)
class Asked:
    """The five parts as they were sent, decoded once."""

    region: str
    size: str
    rotation: str
    quality: str
    format: str

    @classmethod
    def of(cls, parts: Sequence[str]) -> Asked:
        """Of the four segments behind the identifier. Raises InvalidRendition."""
        if len(parts) != 4:
            raise InvalidRendition("address", "has other parts than it should", "region/size/rotation/quality.format")
        if long := next((part for part in parts if len(part) > _LONGEST), None):
            raise InvalidRendition("address", f"has a part that begins with {long[:20]!r}", f"{_LONGEST} characters")
        quality, _, image_format = parts[3].partition(".")
        region, size, rotation = parts[:3]
        return cls(region, size, rotation, quality, image_format)


@dataclass(frozen=True, slots=True)
class Meant:
    """What an image's facts make of it: the `rendition`, whose region and size are in pixels, and its canonical
    address from the identifier on (section 4.7)."""

    rendition: Rendition
    canonical: str


def meant(asked: Asked, facts: Facts, version: Version, largest: Largest) -> Meant:
    """`largest` is what `max` and `^max` may be. Raises InvalidRendition for everything that section 4 refuses."""
    region = _region(asked.region, facts)
    if asked.format not in FORMATS:
        raise InvalidRendition("format", f"cannot be {asked.format!r:.40}", " ".join(FORMATS))
    width, height = _size(asked, region, version, facts, largest)
    rotation = _rotation(asked.rotation)
    quality = _QUALITIES.get(asked.quality)
    if quality is None:
        raise InvalidRendition("quality", f"cannot be {asked.quality!r:.40}", " ".join(_QUALITIES))
    whole = (region.x, region.y, region.width, region.height) == (0, 0, facts.width, facts.height)
    natural = (width, height) == (region.width, region.height)
    rendition = Rendition(
        Format(asked.format),
        region=None if whole else region,
        size=None if natural else Size(width, height),
        rotation=None if rotation == Rotation() else rotation,
        quality=quality,
    )
    said = "default" if quality is Quality.COLOR or (quality is Quality.GRAY and facts.gray) else str(quality)
    parts = (
        "full" if whole else f"{region.x},{region.y},{region.width},{region.height}",
        _said_size(region, width, height, version),
        f"{'!' if rotation.mirror else ''}{_degrees(rotation)}",
        f"{said}.{asked.format}",
    )
    return Meant(rendition, "/".join(parts))


def _region(text: str, facts: Facts) -> Region:
    """Section 4.1."""
    if text == "full":
        return Region(0, 0, facts.width, facts.height)
    if text == SQUARE:
        side = min(facts.width, facts.height)
        return Region((facts.width - side) // 2, (facts.height - side) // 2, side, side)
    if match := _PIXELS.fullmatch(text):
        x, y, width, height = map(int, match.groups())
    elif match := _PERCENT.fullmatch(text):
        shares = [_fraction(one) / 100 for one in match.groups()]
        sides = (facts.width, facts.height, facts.width, facts.height)
        x, y, width, height = (_nearest(share * side) for share, side in zip(shares, sides, strict=True))
        width, height = (max(1, side) if share else 0 for side, share in ((width, shares[2]), (height, shares[3])))
        if shares[0] < 1 and shares[1] < 1:
            x, y = min(x, facts.width - 1), min(y, facts.height - 1)
    else:
        raise InvalidRendition("region", f"cannot be {text!r:.40}", "full, square, x,y,w,h or pct:x,y,w,h")
    if not (width and height) or x >= facts.width or y >= facts.height:
        raise InvalidRendition("region", "is empty, or outside the image", f"{facts.width}x{facts.height}")
    return Region(x, y, min(width, facts.width - x), min(height, facts.height - y))


def _size(asked: Asked, region: Region, version: Version, facts: Facts, largest: Largest) -> tuple[int, int]:
    """Section 4.2. Where one side is given the other is a pixel at least: viewers ask so for what is at an edge."""
    text = asked.size
    match = _SIZE.fullmatch(text)
    allowed = "max w, ,h pct:n w,h !w,h, and ^ before it" if version == 3 else "full max w, ,h pct:n w,h !w,h"
    if match is None or (version == 3 and match["max"] == "full") or (version == 2 and match["up"]):
        raise InvalidRendition("size", f"cannot be {text!r:.40}", allowed)
    grows = version == 2 or match["up"] is not None
    width, height = (None if match[side] is None else int(match[side]) for side in ("width", "height"))
    if match["max"]:
        return _most(region, Format(asked.format), facts, largest, grows=match["up"] is not None)
    if match["pct"] is not None:
        share = _fraction(match["pct"]) / 100
        made = _nearest(region.width * share), _nearest(region.height * share)
    elif match["fit"]:
        if not (width and height):
            raise InvalidRendition("size", f"cannot be {text!r:.40}", "!w,h, at least 1 pixel each")
        scale = min(Fraction(width, region.width), Fraction(height, region.height))
        scale = scale if grows else min(scale, Fraction(1))
        made = max(1, _nearest(region.width * scale)), max(1, _nearest(region.height * scale))
    elif width is None and height is None:
        raise InvalidRendition("size", f"cannot be {text!r:.40}", allowed)
    elif height is None:
        assert width is not None
        made = width, max(1, _nearest(region.height * Fraction(width, region.width))) if width else 0
    elif width is None:
        made = max(1, _nearest(region.width * Fraction(height, region.height))) if height else 0, height
    else:
        made = width, height
    if not all(made):
        raise InvalidRendition("size", "is less than a pixel", "at least 1x1")
    if not grows and (made[0] > region.width or made[1] > region.height):
        raise InvalidRendition(
            "size", f"{made[0]}x{made[1]} is larger than the region", f"{region.width}x{region.height}, or ^ before it"
        )
    return made


def _most(region: Region, image_format: Format, facts: Facts, largest: Largest, *, grows: bool) -> tuple[int, int]:
    """As large as the format and the limits have it: the region's own size, or, where it `grows`, more."""
    natural, side = region.width * region.height, OUTPUTS[image_format].max_side
    frames = facts.frames if OUTPUTS[image_format].animation else 1
    pixels = max(natural, min(largest.any, largest.enlarged) // frames) if grows else natural
    if image_format is Format.AVIF:
        pixels = min(pixels, largest.avif)
    if pixels >= natural > 0 and not (grows and pixels > natural) and max(region.width, region.height) <= side:
        return region.width, region.height
    height = max(1, min(side, isqrt(pixels * region.height // region.width), side * region.height // region.width or 1))
    return max(1, min(side, region.width * height // region.height, pixels // height)), height


def _rotation(text: str) -> Rotation:
    """Section 4.3; to a hundredth of a degree."""
    match = _ROTATION.fullmatch(text)
    degrees = _fraction(match["degrees"]) if match else Fraction(-1)
    if match is None or degrees > 360:
        raise InvalidRendition("rotation", f"cannot be {text!r:.40}", "0 to 360, and ! before it")
    return Rotation(_nearest(degrees * 100) % 36_000, match["mirror"] is not None)


def _degrees(rotation: Rotation) -> str:
    whole, part = divmod(rotation.hundredths, 100)
    return f"{whole}.{part:02}".rstrip("0").rstrip(".") if part else str(whole)


def _said_size(region: Region, width: int, height: int, version: Version) -> str:
    natural = (width, height) == (region.width, region.height)
    if version == 2:
        if natural:
            return "full"
        keeps = _nearest(region.height * Fraction(width, region.width)) == height
        return f"{width}," if keeps else f"{width},{height}"
    grows = width > region.width or height > region.height
    return "max" if natural else f"{'^' if grows else ''}{width},{height}"


def _fraction(text: str) -> Fraction:
    return Fraction(text.removesuffix("."))


def _nearest(number: Fraction) -> int:
    return int(number + Fraction(1, 2))


def scales(facts: Facts) -> list[int]:
    """Scale factors of the tiles: the last one has all of the image in one."""
    found = [1]
    while max(facts.width, facts.height) > TILE * found[-1]:
        found.append(found[-1] * 2)
    return found


def sizes(facts: Facts) -> list[dict[str, int]]:
    """The smallest first."""
    found, scale = [], 1
    while scale == 1 or max(facts.width, facts.height) // scale >= _SMALLEST:
        found.append({"width": -(-facts.width // scale), "height": -(-facts.height // scale)})
        scale *= 2
    return found[::-1]


def description(address: str, facts: Facts, version: Version, largest: Largest) -> dict[str, Any]:
    """info.json (section 5) of the image at `address`."""
    limits: dict[str, int] = {"maxArea": max(facts.width * facts.height, min(largest.any, largest.enlarged))}
    side = OUTPUTS[Format.JPG].max_side
    if max(facts.width, facts.height) > side:
        limits = {"maxWidth": side, "maxHeight": side} | limits
    tile = {"width": TILE, "height": TILE, "scaleFactors": scales(facts)}
    common = {
        "protocol": "http://iiif.io/api/image",
        "width": facts.width,
        "height": facts.height,
        "sizes": sizes(facts),
        "tiles": [tile],
    }
    if version == 2:
        profile = {
            "formats": sorted(map(str, FORMATS)),
            "qualities": list(_QUALITIES),
            **limits,
            "supports": ["baseUriRedirect", "canonicalLinkHeader", "cors", "jsonldMediaType", "mirroring",
                         "profileLinkHeader", "regionByPct", "regionByPx", "regionSquare", "rotationArbitrary",
                         "rotationBy90s", "sizeAboveFull", "sizeByConfinedWh", "sizeByDistortedWh", "sizeByH",
                         "sizeByPct", "sizeByW", "sizeByWh"],
        }  # fmt: skip
        return {
            "@context": "http://iiif.io/api/image/2/context.json",
            "@id": address,
            **common,
            "profile": [PROFILES[2], profile],
        }
    return {
        "@context": "http://iiif.io/api/image/3/context.json",
        "id": address,
        "type": "ImageService3",
        "profile": "level2",
        **common,
        **limits,
        "preferredFormats": ["png" if facts.alpha else "jpg"],
        "extraFormats": sorted(str(one) for one in FORMATS if one not in _ALWAYS),
        "extraQualities": ["color", "gray", "bitonal"],
        "extraFeatures": [
            "canonicalLinkHeader",
            "mirroring",
            "profileLinkHeader",
            "rotationArbitrary",
            "sizeUpscaling",
        ],
    }


PROFILES: dict[Version, str] = {
    2: "http://iiif.io/api/image/2/level2.json",
    3: "http://iiif.io/api/image/3/level2.json",
}
