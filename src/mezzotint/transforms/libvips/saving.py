"""Finished pixels into a derivative's bytes. Nothing of a base's metadata goes along."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from PIL import Image

from mezzotint.names import Format
from mezzotint.transforms.geometry import FINE, Plan

PROGRESSIVE_FROM = 250_000
"""pixels of a JPEG"""
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow's, by how many bands there are"""
_PALETTE, _FEW_GRAYS = 256, 16
"""colours that a palette has; and grays, of which more are smaller without one"""


def encode(image: Any, plan: Plan) -> bytes:
    if plan.format is Format.PNG:
        image = image.copy_memory()  # it is looked at more than once
    return bytes(SAVERS[plan.format](image, plan.encoding))


def _jpg(image: Any, quality: Any) -> Any:
    """Huffman tables of its own; line by line where it is small, and getting finer where that is worth its time.

    The small ones by Pillow's libjpeg-turbo: the same bytes but for their tables, in half to two thirds of the time
    that libvips's binary build takes, whose encoder is made for small files and not for speed.
    """
    subsampled, progressive = (quality or 0) <= FINE, image.width * image.height >= PROGRESSIVE_FROM
    if subsampled and not progressive and image.bands in {1, 3}:
        image = image.copy_memory()
        with suppress(OSError):  # it has room for so many bytes a pixel, of which noise takes more
            return _by_turbo(image, quality)
    return image.jpegsave_buffer(
        Q=quality,
        keep="none",
        subsample_mode="on" if subsampled else "off",
        optimize_coding=True,
        interlace=progressive,
    )


def _by_turbo(image: Any, quality: Any) -> bytes:
    mode, buffer = MODES[image.bands], io.BytesIO()
    pixels = Image.frombuffer(mode, (image.width, image.height), image.write_to_memory(), "raw", mode, 0, 1)
    pixels.save(buffer, "JPEG", quality=quality, optimize=True, subsampling=2)
    return buffer.getvalue()


def _png(image: Any, quality: Any) -> Any:
    """A palette where there are few colours, else gray where all is gray; filtered where that is smaller."""
    if image.bands >= 3 and _is_colourless(image):
        image = image[0].bandjoin(image[3]) if image.hasalpha() else image[0]
        image = image.copy(interpretation="b-w").copy_memory()
    if (few := _of_few_colours(image)) is not None:
        return few
    middle = image.crop(0, max(0, image.height // 2 - 64), image.width, min(image.height, 128))
    sizes = {name: len(middle.pngsave_buffer(compression=1, filter=name, keep="none")) for name in ("none", "paeth")}
    if sizes["none"] <= sizes["paeth"]:
        return image.pngsave_buffer(compression=6, filter="none", keep="none")
    return image.pngsave_buffer(compression=4, filter="paeth", keep="none")


def _of_few_colours(image: Any) -> bytes | None:
    """Of 256 at the most, by 1, 2, 4 or 8 bits; None where there are more."""
    import numpy  # not before the fork: it starts threads, and is large

    mode = MODES[image.bands]
    pixels = Image.frombuffer(mode, (image.width, image.height), image.write_to_memory(), "raw", mode, 0, 1)
    found = pixels.getcolors(_PALETTE)
    if found is None or (image.bands == 1 and len(found) > _FEW_GRAYS):
        return None
    colours = numpy.array(sorted(_channels(colour) for _, colour in found), "uint8")
    weights = (256 ** numpy.arange(image.bands)[::-1]).astype("uint32")
    wide = numpy.asarray(pixels).reshape(-1, image.bands).astype("uint32") @ weights
    indices = numpy.searchsorted(colours.astype("uint32") @ weights, wide).astype("uint8")
    picture = Image.fromarray(indices.reshape(image.height, image.width), "P")
    shown = colours[:, :3] if image.bands >= 3 else colours[:, :1].repeat(3, axis=1)
    picture.putpalette(shown.tobytes())
    options = {"transparency": colours[:, -1].tobytes()} if image.hasalpha() else {}
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=6, **options)
    return buffer.getvalue()


def _channels(colour: object) -> tuple[int, ...]:
    return colour if isinstance(colour, tuple) else (colour,)


def _is_colourless(image: Any) -> bool:
    return bool(((image[0] == image[1]) & (image[1] == image[2])).min() == 255)


def _bmp(image: Any, quality: Any) -> Any:
    """Of 8-bit gray (1 band) or RGB (3 bands), which libvips's binary builds leave out."""
    buffer = io.BytesIO()
    mode = "L" if image.bands == 1 else "RGB"
    Image.frombytes(mode, (image.width, image.height), image.write_to_memory()).save(buffer, "BMP")
    return buffer.getvalue()


def _jxl(image: Any, quality: Any) -> Any:
    """Quality as libjxl's own tools mean it: 100 keeps every pixel. In a child only."""
    import numpy
    import pyjpegxl

    pyjpegxl.set_num_threads(1)
    shape = image.height, image.width, image.bands
    pixels = numpy.frombuffer(image.write_to_memory(), "uint8").reshape(shape)
    if quality >= 100:
        return pyjpegxl.encode_from_numpy(pixels, lossless=True, speed=pyjpegxl.EncoderSpeed.Falcon)
    distance = 0.1 + (100 - quality) * 0.09 if quality >= 30 else min(6.4 + (30 - quality) * 0.28, 15.0)
    return pyjpegxl.encode_from_numpy(pixels, quality=distance, speed=pyjpegxl.EncoderSpeed.Cheetah)


def _by_pillow(name: str, options: Callable[[Any, Any], dict[str, Any]]) -> Callable[[Any, Any], bytes]:
    """What others write less well, or not at all. In a child only."""

    def save(image: Any, quality: Any) -> bytes:
        buffer, size = io.BytesIO(), (image.width, image.height)
        picture = Image.frombytes(MODES[image.bands], size, image.write_to_memory())
        picture.save(buffer, name, **options(image, quality))
        return buffer.getvalue()

    return save


def _jp2_options(image: Any, quality: Any) -> dict[str, Any]:
    """Quality as a ratio of signal to noise: 80 is 41 dB, 100 keeps every pixel."""
    if quality >= 100:
        return {"irreversible": False}
    return {"irreversible": True, "quality_mode": "dB", "quality_layers": [25 + quality / 5]}


SAVERS: dict[Format, Callable[[Any, Any], Any]] = {
    Format.JPG: _jpg,
    Format.PNG: _png,
    Format.WEBP: lambda image, quality: image.webpsave_buffer(Q=quality, effort=4, keep="none"),
    Format.AVIF: lambda image, quality: image.heifsave_buffer(
        Q=quality, compression="av1", effort=2, keep="none", subsample_mode="off"
    ),
    Format.GIF: lambda image, quality: image.gifsave_buffer(effort=3, keep="none"),
    Format.TIF: lambda image, quality: image.tiffsave_buffer(
        compression="deflate", predictor="horizontal", keep="none"
    ),
    Format.BMP: _bmp,
    Format.JXL: _jxl,
    Format.JP2: _by_pillow("JPEG2000", _jp2_options),
    Format.PPM: _by_pillow("PPM", lambda image, quality: {}),
    Format.ICO: _by_pillow("ICO", lambda image, quality: {"sizes": [(image.width, image.height)]}),
    Format.PDF: _by_pillow(
        "PDF", lambda image, quality: {"quality": quality, "creationDate": time.gmtime(0), "modDate": time.gmtime(0)}
    ),
}
