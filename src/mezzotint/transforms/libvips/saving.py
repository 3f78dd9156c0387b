"""Finished pixels into a derivative's bytes. Nothing of a base's metadata goes along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mezzotint.names import Format
from mezzotint.transforms import pillow
from mezzotint.transforms.geometry import LEVEL_QUALITY, Plan


def encode(image: Any, plan: Plan) -> bytes:
    return bytes(SAVERS[plan.format](image, plan.encoding))


def _jpg(image: Any, quality: Any) -> Any:
    subsample = "on" if (quality or 0) <= LEVEL_QUALITY else "off"
    return image.jpegsave_buffer(Q=quality, keep="none", subsample_mode=subsample)


def _bmp(image: Any, quality: Any) -> Any:
    return pillow.encode_bmp(image.width, image.height, image.bands, image.write_to_memory())


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
}
