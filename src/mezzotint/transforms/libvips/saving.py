"""Finished pixels into a derivative's bytes. Nothing of a base's metadata goes along."""

from __future__ import annotations

from typing import Any

from mezzotint.names import Format
from mezzotint.transforms import pillow
from mezzotint.transforms.geometry import LEVEL_QUALITY, Plan


def encode(image: Any, plan: Plan) -> bytes:
    encoding = plan.encoding
    match plan.format:
        case Format.JPG:
            subsample = "on" if (encoding or 0) <= LEVEL_QUALITY else "off"
            return _bytes(image.jpegsave_buffer(Q=encoding, keep="none", subsample_mode=subsample))
        case Format.PNG:
            return _bytes(image.pngsave_buffer(compression=1, filter="sub", keep="none"))
        case Format.WEBP:
            return _bytes(image.webpsave_buffer(Q=encoding, effort=3, keep="none"))
        case Format.AVIF:
            return _bytes(image.heifsave_buffer(Q=encoding, compression="av1", effort=2, keep="none"))
        case Format.GIF:
            return _bytes(image.gifsave_buffer(effort=3, keep="none"))
        case Format.TIF:
            return _bytes(image.tiffsave_buffer(compression="deflate", predictor="horizontal", keep="none"))
    return pillow.encode_bmp(image.width, image.height, image.bands, image.write_to_memory())


def _bytes(buffer: Any) -> bytes:
    return bytes(buffer)
