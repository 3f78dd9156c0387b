"""What a file says of itself, from its header."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyvips

from mezzotint.errors import DamagedImage, TooManyPixels
from mezzotint.names import Facts
from mezzotint.transforms.libvips.loading import field, first_line, open_image
from mezzotint.transforms.libvips.meaning import is_gray

_FRAMED = {"gif", "webp"}
_UPRIGHT = {"avif", "heic", "jxl"}
"""whose decoders have turned the picture already"""


@dataclass(frozen=True, slots=True)
class Header:
    """A file's facts, and its blocks of EXIF, XMP and IPTC where it has them."""

    facts: Facts
    exif: bytes | None
    xmp: bytes | None = None
    iptc: bytes | None = None


def read_header(path: Path, image_format: str, opener: Any = open_image) -> Header:
    """Of the file at `path`; no pixel is decoded where its format allows that. Raises DamagedImage."""
    try:
        image = opener(path, image_format)
        frames = field(image, "n-pages", 1) if image_format in _FRAMED else 1
        orientation = field(image, "orientation", 1)
        exif, xmp, iptc = (field(image, name, None) for name in ("exif-data", "xmp-data", "iptc-data"))
    except pyvips.Error as error:
        raise DamagedImage("file", f"the {image_format} header cannot be read", first_line(error)) from error
    if image_format in _UPRIGHT or orientation not in range(1, 9):
        orientation = 1
    turned = orientation >= 5
    facts = Facts(
        width=image.height if turned else image.width,
        height=image.width if turned else image.height,
        format=image_format,
        bytes=path.stat().st_size,
        orientation=orientation,
        frames=frames,
        alpha=image.hasalpha(),
        gray=is_gray(image),
    )
    return Header(facts, exif, xmp, iptc)


def check_pixels(facts: Facts, limit: int) -> None:
    """Raises TooManyPixels."""
    if facts.width * facts.height * facts.frames > limit:
        frames = f" x {facts.frames} frames" if facts.animated else ""
        raise TooManyPixels(
            "file", f"{facts.width} x {facts.height}{frames} is too many pixels", f"{limit}, MEZZOTINT_MAX_PIXELS"
        )
