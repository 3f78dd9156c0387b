"""What a child does with the file it was given. Here a decoder's words are about this picture and no other."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyvips

from mezzotint.errors import DamagedImage
from mezzotint.names import Facts
from mezzotint.transforms import libvips
from mezzotint.transforms.children import moving, odd
from mezzotint.transforms.geometry import Plan, Stored
from mezzotint.transforms.libvips import Header, Source
from mezzotint.transforms.libvips.header import read_header
from mezzotint.transforms.libvips.loading import LOADERS, STRICT, first_line
from mezzotint.transforms.libvips.meaning import SURVEYED, meant, with_profile
from mezzotint.transforms.libvips.saving import encode as encoded
from mezzotint.transforms.structure import gif, jpeg, mended, tiff

_HARMLESS = re.compile(r"extraneous bytes before marker|Invalid SOS parameters|color transform code|JFIF revision")
"""what JPEG's decoder warns of without any harm to the picture"""


def header(path: Path, image_format: str) -> Header:
    """Raises DamagedImage."""
    data = path.read_bytes()
    if image_format not in LOADERS or (image_format == "tif" and tiff.survey(data).rare):
        return _odd_header(data, image_format)
    try:
        found = read_header(path, image_format, judged)
    except DamagedImage:
        if image_format != "tif":
            raise
        return _odd_header(data, image_format)
    return replace(found, facts=replace(found.facts, bytes=len(data)))


def _odd_header(data: bytes, image_format: str) -> Header:
    opened = odd.opened(data, image_format)
    width, height = opened.size if opened.orientation < 5 else opened.size[::-1]
    facts = Facts(width, height, image_format, len(data), opened.orientation, 1, opened.alpha, opened.gray)
    return Header(facts, opened.exif)


def prove(path: Path, image_format: str) -> None:
    """Decode all of it. Raises DamagedImage.

    Of a JPEG without an end the last rows do not tell that data is missing: they are compared with what comes of more.
    """
    image = judged(path, image_format)
    if image_format == "jpg":
        more = pyvips.Image.jpegload_buffer(jpeg.continued(path.read_bytes()), fail_on="error")
        if (image != more).max():
            raise DamagedImage("file", "the jpg data is cut off or damaged", "a complete picture")


def render(path: Path, stored: Stored, image_format: str, plan: Plan) -> bytes:
    return libvips.render(Source(path, stored, image_format), plan, opener=judged)


def reduce(path: Path, stored: Stored, image_format: str, plan: Plan) -> Any:
    return libvips.reduce(Source(path, stored, image_format), plan, opener=judged)


def encode(path: Path, width: int, height: int, bands: int, plan: Plan) -> bytes:
    """Of pixels that were made elsewhere."""
    return encoded(libvips.pixels_of(path.read_bytes(), width, height, bands), plan)


def judged(path: Path, image_format: str, **options: Any) -> Any:
    """The picture, decoded and in memory: by libvips from mended bytes, or by what reads its rarer kinds.

    Raises DamagedImage where nobody decodes all of it.
    """
    data = path.read_bytes()
    if image_format not in LOADERS:
        return _of(_decoded(odd.opened(data, image_format, options.get("shrink", 1))))
    if image_format == "gif" and gif.is_uncovered(data):
        return moving.composed(data, options.get("n", 1))
    if image_format == "tif" and tiff.survey(data).rare:
        return _of(_decoded(odd.opened(data, image_format)))
    try:
        return _by_libvips(data, image_format, options)
    except DamagedImage:
        if image_format != "tif":
            raise
        return _of(_decoded(odd.opened(data, image_format)))


def _decoded(opened: odd.Opened) -> odd.Pixels:
    try:
        return opened.decode()
    except MemoryError:
        raise
    except Exception as error:  # whatever a codec makes of a malformed file
        raise DamagedImage("image", "cannot be decoded", first_line(error)) from error


def _by_libvips(data: bytes, image_format: str, options: dict[str, Any]) -> Any:
    whole = mended(data, image_format)
    load = getattr(pyvips.Image, LOADERS[image_format][1] + "_buffer")
    strictness = [STRICT.get(image_format, "error"), "error"]
    while True:
        try:
            image = load(whole, access="sequential", fail_on=strictness.pop(0), **options)
            if image_format in SURVEYED:
                image = meant(image, image_format, data)
            return image.copy_memory()
        except pyvips.Error as error:
            if not strictness or not _HARMLESS.search(str(error)):
                raise DamagedImage("image", "cannot be decoded", first_line(error)) from error


def _of(pixels: odd.Pixels) -> Any:
    image = pyvips.Image.new_from_memory(
        pixels.data, pixels.width, pixels.height, pixels.bands, "ushort" if pixels.deep else "uchar"
    )
    gray, deep = pixels.bands <= 2, pixels.deep
    interpretation = ("grey16" if deep else "b-w") if gray else "rgb16" if deep else "srgb"
    if pixels.inks:
        interpretation = "cmyk"
    return with_profile(image.copy(interpretation=interpretation), pixels.profile)
