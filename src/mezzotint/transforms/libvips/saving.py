"""Finished pixels into a derivative's bytes. Nothing of a base's metadata goes along."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from PIL import Image

from mezzotint.names import Format
from mezzotint.transforms.geometry import FINE, Plan


def encode(image: Any, plan: Plan) -> bytes:
    return bytes(SAVERS[plan.format](image, plan.encoding))


def _jpg(image: Any, quality: Any) -> Any:
    subsample = "on" if (quality or 0) <= FINE else "off"
    return image.jpegsave_buffer(Q=quality, keep="none", subsample_mode=subsample)


def _bmp(image: Any, quality: Any) -> Any:
    """Of 8-bit gray (1 band) or RGB (3 bands), which libvips's binary builds leave out."""
    buffer = io.BytesIO()
    mode = "L" if image.bands == 1 else "RGB"
    Image.frombytes(mode, (image.width, image.height), image.write_to_memory()).save(buffer, "BMP")
    return buffer.getvalue()


def _jxl(image: Any, quality: Any) -> Any:
    """Quality as libjxl's own tools mean it: 100 keeps every pixel. In a child only."""
    import pylibjxl

    pixels = image.numpy()
    if quality >= 100:
        return pylibjxl.encode(pixels, effort=3, lossless=True)
    distance = 0.1 + (100 - quality) * 0.09 if quality >= 30 else min(6.4 + (30 - quality) * 0.28, 15.0)
    return pylibjxl.encode(pixels, effort=4, distance=distance)


SAVERS: dict[Format, Callable[[Any, Any], Any]] = {
    Format.JPG: _jpg,
    Format.PNG: lambda image, quality: image.pngsave_buffer(compression=1, filter="sub", keep="none"),
    Format.WEBP: lambda image, quality: image.webpsave_buffer(Q=quality, effort=3, keep="none"),
    Format.AVIF: lambda image, quality: image.heifsave_buffer(Q=quality, compression="av1", effort=2, keep="none"),
    Format.GIF: lambda image, quality: image.gifsave_buffer(effort=3, keep="none"),
    Format.TIF: lambda image, quality: image.tiffsave_buffer(
        compression="deflate", predictor="horizontal", keep="none"
    ),
    Format.BMP: _bmp,
    Format.JXL: _jxl,
}
