"""What making a rendition may take of memory at most, known from headers before a pixel is decoded.

The figures are bytes for each pixel, measured with libvips 8.18 and Pillow on 24 megapixels of noise and rounded up
(`docs/decisions/0023-what-a-render-takes.md`).
"""

from __future__ import annotations

from pathlib import Path

import pyvips

from mezzotint.names import Format
from mezzotint.names.iiif import TILE
from mezzotint.transforms.geometry import Plan, Stored
from mezzotint.transforms.libvips.loading import field, open_image
from mezzotint.transforms.libvips.running import Source
from mezzotint.transforms.structure import is_confined

ALWAYS = 16 << 20
ROW = {"png": 9000, "tif": 13_000}
ROW_OF_BYTES = 5000
"""What is held of a picture that goes through line by line, for each pixel of its width: more where a sample may have
more than 8 bits."""
HEADERS_FROM = 2_000_000
"""Pixels from which a header is worth a look: whether the decoder needs all of them at once."""

DECODING = {"webp": 12, "avif": 18, "heic": 24, "jxl": 40, "gif": 7, "bmp": 14, "jp2": 25, "svg": 8}
"""Of the source, where the decoder always holds all of it."""
RARE = 14
"""Of a TIFF that Pillow decodes."""
HOLDING = {"jpg": 3, "png": 2, "tif": 4}
"""Of formats that come line by line unless their header says otherwise: for each byte of the pixels that are held."""
FRAMES = 20
"""Of all frames of an animation that moves on, which are held and premultiplied."""
ENCODING = {
    Format.JPG: 4,
    Format.PNG: 9,
    Format.WEBP: 15,
    Format.AVIF: 30,
    Format.GIF: 18,
    Format.TIF: 9,
    Format.BMP: 14,
    Format.JXL: 60,
    Format.JP2: 50,
    Format.PPM: 14,
    Format.ICO: 20,
    Format.PDF: 20,
}
"""Of what comes out, with alpha, and its bytes."""
SAMPLE = {"ushort": 2, "short": 2, "uint": 4, "int": 4, "float": 4, "complex": 8, "double": 8, "dpcomplex": 16}
"""Of a sample that is no byte."""
STRIPS = 6
"""Of the full size, that are held at once: two of them, their halves, and what is decoded and on its way."""
TURNING = 8
"""Of what comes out, where it is turned: all of it is held, before and after."""


def memory(source: Source, plan: Plan, frames: int) -> int:
    """Bytes that `plan` takes, made of `source`, which has so many frames."""
    if not isinstance(source.data, Path):
        return memory_of_pixels(source.stored, plan)
    frames = frames if plan.animated else 1
    return decoding(source.data, source.stored, source.format, frames) + _making(plan, frames)


def memory_of_pixels(stored: Stored, plan: Plan) -> int:
    """The same of pixels in memory."""
    return ALWAYS + stored.width * stored.height * 4 + _making(plan, 1)


def _making(plan: Plan, frames: int) -> int:
    each = ENCODING[plan.format] + (TURNING if plan.orientation != 1 or plan.rotation is not None else 0)
    made = max(plan.width * plan.height, plan.canvas.width * plan.canvas.height if plan.canvas else 0) * frames
    if plan.rotation is not None and plan.rotation.hundredths % 9000:
        made *= 2  # what is around it, at most
    return ROW_OF_BYTES * plan.width + each * made


def memory_of_sweep(source: Source, plan: Plan) -> int:
    """Bytes that it takes to go through all that `plan` describes, strip by strip."""
    stored = source.stored
    assert isinstance(source.data, Path)
    whole = 0 if not is_confined(source.data, source.format) else 8 * stored.width * stored.height
    across = plan.height if plan.orientation >= 5 else plan.width
    return decoding(source.data, stored, source.format) + whole + STRIPS * TILE * 4 * across


def decoding(path: Path, stored: Stored, image_format: str, frames: int = 1) -> int:
    """Bytes that it takes to decode the file at `path`, whatever size is asked for."""
    lines = ROW.get(image_format, ROW_OF_BYTES) * stored.width
    return ALWAYS + max(lines, _decoder(path, stored, image_format, frames))


def _decoder(path: Path, stored: Stored, image_format: str, frames: int) -> int:
    pixels = stored.width * stored.height
    if frames > 1:
        return FRAMES * pixels * frames
    if image_format == "tif" and is_confined(path, image_format):
        return RARE * pixels
    if image_format in HOLDING:
        held = _held(path, image_format) if pixels > HEADERS_FROM else 4 * pixels
        return HOLDING[image_format] * held
    return DECODING[image_format] * pixels


def _held(path: Path, image_format: str) -> int:
    """Bytes of pixels that the decoder holds at once: none, all where they get finer with time, or a row of tiles."""
    try:
        header = open_image(path, image_format)
    except pyvips.Error:
        return 0  # decoding it will say so
    each = header.bands * SAMPLE.get(header.format, 1)
    if field(header, "interlaced", 0):
        return int(header.width * header.height * each)
    return int(field(header, "tile-height", 0) * (header.width + field(header, "tile-width", 0)) * each)
