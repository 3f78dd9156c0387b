"""What a file's numbers mean, where libvips by itself takes them for something else."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any

import pyvips

from mezzotint.transforms.colour import icc
from mezzotint.transforms.colour.made import of_heif
from mezzotint.transforms.structure import boxes, png, tiff

Buffer = mmap.mmap | bytes
PROFILE = "icc-profile-data"


def meant(image: Any, image_format: str, data: Buffer) -> Any:
    """`image`, which libvips loaded from `data`, with its samples in 8 or 16 bits and the profile of its colours."""
    return SURVEYED[image_format](image, data)


def with_profile(image: Any, profile: bytes | None) -> Any:
    """A profile that is sRGB's, or of other channels than the picture has, is none."""
    image = image.copy()
    if image.get_typeof(PROFILE):
        image.remove(PROFILE)
    if profile is not None and usable(profile, image):
        image.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    return image


def usable(profile: bytes, image: Any) -> bool:
    """Whether it says something of this picture's channels that sRGB does not."""
    judged = icc.judged(profile)
    if judged is None or judged.srgb:
        return False
    if image.interpretation == "cmyk":
        return judged.space == "CMYK"
    return judged.space == ("GRAY" if is_gray(image) else "RGB")


def is_gray(image: Any) -> bool:
    return image.interpretation in {"b-w", "grey16"} or image.bands <= 2


def _png(image: Any, data: Buffer) -> Any:
    return with_profile(image, png.survey(data).profile)


def _heif(image: Any, data: Buffer) -> Any:
    told = boxes.heif_colours(data)
    if told.premultiplied and image.hasalpha():
        most = 65535 if image.format == "ushort" else 255
        image = image.unpremultiply(max_alpha=most).cast(image.format).copy(interpretation=image.interpretation)
    judged = icc.judged(told.icc) if told.icc else None
    if told.gray or (judged is not None and judged.space == "GRAY"):
        image = _one_channel(image)
    profile = told.icc if judged is not None else None
    if profile is None and told.code_points is not None:
        profile = of_heif(told.code_points, gray=is_gray(image))
    return with_profile(image, profile)


def _one_channel(image: Any) -> Any:
    """Gray that was decoded into three equal channels."""
    if image.bands < 3:
        return image
    gray = image[1].copy(interpretation="grey16" if image.format == "ushort" else "b-w")
    return gray.bandjoin(image[image.bands - 1]) if image.hasalpha() else gray


_BITS = {"char": (255, "uchar"), "short": (65535, "ushort")}
_WIDE = 65537
"""what 32 bits are divided by to be 16"""


def _tif(image: Any, data: Buffer) -> Any:
    told = tiff.survey(data)
    image = _without_unspecified(image, told)
    profile = image.get(PROFILE) if image.get_typeof(PROFILE) else None
    interpretation = image.interpretation
    if image.format in _BITS:  # who says that samples are signed has hardly ever signed ones: their bits are taken
        mask, unsigned = _BITS[image.format]
        image = (image.cast("int") & mask).cast(unsigned)
    if image.format == "int":
        image = (image < 0).ifthenelse(image.cast("double") + 2**32, image)
    if image.format in {"uint", "double"} and told.formats[0] in {1, 2}:
        image = (image / _WIDE).rint().cast("ushort")
    elif image.format in {"float", "double"} and interpretation not in {"scrgb", "lab"}:
        image = (image.cast("float") * 65535).rint().cast("ushort")
    if image.format == "ushort" and interpretation not in {"cmyk", "lab", "labs"}:
        interpretation = "grey16" if image.bands <= 2 else "rgb16"
    elif image.format == "uchar" and interpretation in {"b-w", "grey16", "multiband"}:
        interpretation = "b-w" if image.bands <= 2 else "srgb"
    return with_profile(image.copy(interpretation=interpretation), profile)


def _without_unspecified(image: Any, told: tiff.Survey) -> Any:
    """Samples beyond the colours that are no alpha (TIFF 6, page 31) are left out; where nothing is said of them the
    first is alpha, as libtiff has it."""
    colours = {0: 1, 1: 1, 2: 3, 3: 3, 5: 4, 6: 3, 8: 3}.get(told.photometric, image.bands)
    keeps = colours + 1 if told.extra[:1] in {(), (1,), (2,)} else colours
    return image.extract_band(0, n=keeps) if image.bands > keeps >= 1 else image


SURVEYED: dict[str, Callable[[Any, Buffer], Any]] = {
    "png": _png,
    "avif": _heif,
    "tif": _tif,
    "gif": lambda image, data: image,
}
"""formats of which libvips does not tell all, or whose files are looked into; profiles of the others are looked at as
they are applied"""
