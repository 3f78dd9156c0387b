"""Files into libvips images: which loaders are open, what a file's header says.

Only the named loaders of the accepted formats are open; every other foreign
loader of libvips is blocked. BMP and JPEG 2000, which libvips's own builds
lack, come in through Pillow.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["VIPS_CONCURRENCY"] = "1"  # a render is one thread; the pool is where renders run side by side

import pyvips

from mezzotint.errors import DamagedImage, TooManyPixels
from mezzotint.names import Facts, Region
from mezzotint.transforms import pillow
from mezzotint.transforms.geometry import Plan, reduction
from mezzotint.transforms.sniff import HEAD, sniff

LOADERS = {
    "jpg": ("VipsForeignLoadJpeg", "jpegload"),
    "png": ("VipsForeignLoadPng", "pngload"),
    "webp": ("VipsForeignLoadWebp", "webpload"),
    "avif": ("VipsForeignLoadHeif", "heifload"),
    "heic": ("VipsForeignLoadHeif", "heifload"),
    "gif": ("VipsForeignLoadNsgif", "gifload"),
    "tif": ("VipsForeignLoadTiff", "tiffload"),
    "svg": ("VipsForeignLoadSvg", "svgload"),
}
"""what libvips reads: the class that is let through, and its operation; Pillow reads the rest"""
_PATH = re.compile(r"\"?(?:/[\w.+-]+)+\"?")
_FRAMED = {"gif", "webp"}
_STRICT: dict[str, Any] = {"access": "sequential", "fail_on": "truncated"}

pyvips.cache_set_max(0)
pyvips.operation_block_set("VipsForeignLoad", True)
for _loader, _ in LOADERS.values():
    pyvips.operation_block_set(_loader, False)


@dataclass(frozen=True, slots=True)
class Header:
    """A file's facts, and its EXIF block where it has one."""

    facts: Facts
    exif: bytes | None


def read_header(path: Path, *, max_pixels: int, allow_svg: bool = False) -> Header:
    """What the file at `path` is, from its header; no pixel is decoded.

    Raises NotAnImage, DamagedImage, TooManyPixels.
    """
    with open(path, "rb") as stream:
        image_format = sniff(stream.read(HEAD), allow_svg=allow_svg)
    if image_format in pillow.FORMATS:
        facts = pillow.read_facts(path, image_format)
        _check_pixels(facts, max_pixels)
        return Header(facts, None)
    try:
        image = open_image(path, image_format)
        frames = field(image, "n-pages", 1) if image_format in _FRAMED else 1
        orientation = field(image, "orientation", 1)
        exif = field(image, "exif-data", None)
    except pyvips.Error as error:
        raise DamagedImage("file", f"the {image_format} header cannot be read", first_line(error)) from error
    if image_format in {"avif", "heic"} or orientation not in range(1, 9):
        orientation = 1  # libheif has turned the picture already
    turned = orientation >= 5
    facts = Facts(
        width=image.height if turned else image.width,
        height=image.width if turned else image.height,
        format=image_format,
        bytes=path.stat().st_size,
        orientation=orientation,
        frames=frames,
        alpha=image.hasalpha(),
        gray=image.interpretation in {"b-w", "grey16"} or image.bands <= 2,
    )
    _check_pixels(facts, max_pixels)
    if image_format == "heic":
        _check_decodable(path, facts)
    return Header(facts, exif)


def field(image: Any, name: str, otherwise: Any) -> Any:
    """One field of an image's metadata. (Names of other fields may be any bytes, so they are not listed.)"""
    return image.get(name) if image.get_typeof(name) else otherwise


def open_image(path: Path, image_format: str, **options: Any) -> Any:
    if image_format in LOADERS:
        return getattr(pyvips.Image, LOADERS[image_format][1])(str(path), **_STRICT, **options)
    width, height, bands, data = pillow.decode(path)
    image = pyvips.Image.new_from_memory(data, width, height, bands, "uchar")
    return image.copy(interpretation="b-w" if bands <= 2 else "srgb")


def open_reduced(path: Path, image_format: str, plan: Plan, oversample: float) -> tuple[Any, float]:
    """The source at the smallest scale that its decoder offers and the plan allows, and that scale."""
    whole = open_image(path, image_format)
    if image_format == "svg":
        crop = plan.crop or Region(0, 0, whole.width, whole.height)
        scale = max(plan.width / crop.width, plan.height / crop.height)
        return open_image(path, image_format, scale=scale), scale
    step = reduction(plan, whole.width, whole.height, oversample) if image_format == "jpg" else 1
    return (whole, 1.0) if step == 1 else (open_image(path, image_format, shrink=step), 1 / step)


def _check_pixels(facts: Facts, limit: int) -> None:
    if facts.width * facts.height * facts.frames > limit:
        frames = f" x {facts.frames} frames" if facts.animated else ""
        raise TooManyPixels(
            "file", f"{facts.width} x {facts.height}{frames} is too many pixels", f"{limit}, MEZZOTINT_MAX_PIXELS"
        )


def _check_decodable(path: Path, facts: Facts) -> None:
    """HEIC's codec is not in every build of libvips: one pixel tells."""
    try:
        open_image(path, facts.format).crop(0, 0, 1, 1).avg()
    except pyvips.Error as error:
        raise DamagedImage(
            "file", "HEIC cannot be decoded by this installation's libvips", first_line(error)
        ) from error


def first_line(error: pyvips.Error) -> str:
    lines = [line.strip() for line in str(error.detail or error).splitlines() if line.strip()]
    return _PATH.sub("the file", lines[0])[:200] if lines else "libvips gave no reason"
