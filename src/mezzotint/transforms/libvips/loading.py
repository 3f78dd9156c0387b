"""Files into libvips images: which loaders are open, and how strict they are.

Only the named loaders of the accepted formats are open; every other foreign
loader of libvips is blocked.
"""

from __future__ import annotations

import logging
import mmap
import os
import re
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # NumPy has none, where it is needed
os.environ["VIPS_CONCURRENCY"] = "1"  # a render is one thread; the pool is where renders run side by side

import pyvips

from mezzotint.names import Region
from mezzotint.transforms.geometry import Plan, Stored, reduction
from mezzotint.transforms.libvips import meaning
from mezzotint.transforms.structure import mended, png, tiff

LOADERS = {
    "jpg": ("VipsForeignLoadJpeg", "jpegload"),
    "png": ("VipsForeignLoadPng", "pngload"),
    "webp": ("VipsForeignLoadWebp", "webpload"),
    "avif": ("VipsForeignLoadHeif", "heifload"),
    "gif": ("VipsForeignLoadNsgif", "gifload"),
    "tif": ("VipsForeignLoadTiff", "tiffload"),
    "svg": ("VipsForeignLoadSvg", "svgload"),
}
"""what libvips reads: the class that is let through, and its operation; Pillow and its plugins read the rest"""
REDUCED = {"jpg": 1, "jp2": 2}
"""whose decoders reduce by themselves, and how much more must be left: a wavelet keeps more of what is too fine"""
STRICT = {"jpg": "warning"}
"""where a loader gives up. JPEG's decoder warns where data is damaged, and goes on with gray; of the others a warning
is about what surrounds the picture, and an error about what is missing of it. What fails here gets a second look, in a
child."""
_OBJECT = re.compile(r" ?<_io\.BytesIO object[^>]*>")
_PATH = re.compile(r"\"?(?:/[\w.+-]+)+\"?")


def _log_little() -> None:
    """libvips says a dozen things of each render that nobody reads, each of them a call into Python from its threads,
    and warns of each line of a damaged file, which is told as an error."""
    pyvips._remove_log_handler()
    flags = pyvips.GLogLevelFlags
    levels = flags.LEVEL_WARNING | flags.LEVEL_CRITICAL | flags.LEVEL_ERROR | flags.FLAG_FATAL | flags.FLAG_RECURSION
    handler = pyvips._log_handler_cb  # type: ignore[attr-defined]
    pyvips._log_handler_id = pyvips.glib_lib.g_log_set_handler(b"VIPS", levels, handler, pyvips.ffi.NULL)


_log_little()
logging.getLogger("pyvips").setLevel(logging.ERROR)
pyvips.cache_set_max(0)
pyvips.operation_block_set("VipsForeignLoad", True)
for _loader, _ in LOADERS.values():
    pyvips.operation_block_set(_loader, False)


def field(image: Any, name: str, otherwise: Any) -> Any:
    """One field of an image's metadata. (Names of other fields may be any bytes, so they are not listed.)"""
    return image.get(name) if image.get_typeof(name) else otherwise


def open_image(path: Path, image_format: str, **options: Any) -> Any:
    """A file as libvips has it, with its samples and its colours as it means them."""
    options = {"access": "sequential", "fail_on": STRICT.get(image_format, "error"), **options}
    name = LOADERS[image_format][1]
    if image_format not in meaning.SURVEYED:
        return getattr(pyvips.Image, name)(str(path), **options)
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if image_format == "gif" or (image_format == "png" and png.survey(data).deflated):
            image = getattr(pyvips.Image, f"{name}_buffer")(mended(data, image_format), **options)
        else:
            image = getattr(pyvips.Image, name)(str(path), **options)
        return meaning.meant(image, image_format, data)


def open_reduced(
    path: Path, image_format: str, stored: Stored, plan: Plan, oversample: float, opener: Any
) -> tuple[Any, float]:
    """The source at the smallest scale that its decoder offers and the plan allows, and that scale."""
    if image_format == "svg":
        crop = plan.crop or Region(0, 0, stored.width, stored.height)
        scale = max(plan.width / crop.width, plan.height / crop.height)
        return opener(path, image_format, scale=scale), scale
    if image_format == "tif" and (smaller := _smaller_page(path, stored, plan, oversample)) is not None:
        return opener(path, image_format, **{smaller.option: smaller.number}), smaller.width / stored.width
    margin = oversample * REDUCED.get(image_format, 1)
    step = reduction(plan, stored.width, stored.height, margin) if image_format in REDUCED else 1
    return opener(path, image_format, **({"shrink": step} if step > 1 else {})), 1 / step


def _smaller_page(path: Path, stored: Stored, plan: Plan, oversample: float) -> tiff.Reduction | None:
    """The smallest of the reduced pages of a TIFF that leaves `oversample` of its pixels to one that comes out."""
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if tiff.survey(data).rare:
            return None
        pages = tiff.reductions(data)
    shown = (plan.crop.width, plan.crop.height) if plan.crop else (stored.width, stored.height)
    enough = [
        page
        for page in pages
        if shown[0] * page.width >= plan.width * oversample * stored.width
        and shown[1] * page.height >= plan.height * oversample * stored.height
    ]
    return min(enough, key=lambda page: page.width, default=None)


def first_line(error: Exception) -> str:
    """The reason that libvips or Pillow gave, without the path of the file."""
    text = str(getattr(error, "detail", None) or error)
    lines = [_OBJECT.sub("", line).strip() for line in text.splitlines() if line.strip()]
    return _PATH.sub("the file", lines[0])[:200] if lines else "no reason was given"
