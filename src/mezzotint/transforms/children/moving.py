"""GIFs whose empty canvas shows, put together as browsers do (GIF 89a, 23: disposal)."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy
import pyvips
from PIL import Image

from mezzotint.errors import DamagedImage
from mezzotint.transforms.structure import gif

_TO_BACKGROUND, _TO_PREVIOUS = 2, 3


def composed(data: bytes, count: int) -> Any:
    """Its first `count` frames (all for -1), one below the other, with what libvips says of their times."""
    about = pyvips.Image.gifload_buffer(gif.mended(data), n=-1)
    width, height = struct.unpack_from("<2H", data, 6)
    canvas = numpy.zeros((height, width, 4), "uint8")
    shown: list[Any] = []
    for frame in gif.frames(data):
        if len(shown) == count:
            break
        before = canvas.copy() if frame.disposal == _TO_PREVIOUS else None
        _draw(canvas, frame, data)
        shown.append(canvas.copy())
        if before is not None:
            canvas = before
        elif frame.disposal == _TO_BACKGROUND:
            canvas[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width] = 0
    image = pyvips.Image.new_from_memory(numpy.concatenate(shown).tobytes(), width, height * len(shown), 4, "uchar")
    image = image.copy(interpretation="srgb")
    if count != 1:
        image.set_type(pyvips.GValue.gint_type, "page-height", height)
        for name, kind in (("delay", pyvips.GValue.array_int_type), ("loop", pyvips.GValue.gint_type)):
            if about.get_typeof(name):
                image.set_type(kind, name, about.get(name))
    image.set_type(pyvips.GValue.gint_type, "n-pages", about.get("n-pages"))
    return image


def _draw(canvas: Any, frame: gif.Frame, data: bytes) -> None:
    indices = _indices(frame, data)
    table = _table(frame, data)
    place = canvas[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
    indices = indices[: place.shape[0], : place.shape[1]]
    drawn = indices != frame.transparent if frame.transparent is not None else numpy.ones(indices.shape, bool)
    place[drawn] = table[indices[drawn]]


def _indices(frame: gif.Frame, data: bytes) -> Any:
    """A frame's own, decoded as a picture by itself."""
    size = struct.pack("<2H", frame.width, frame.height)
    alone = b"GIF89a" + size + data[10:13] + _global_table(data)
    alone += b"\x2c" + bytes(4) + size + data[frame.start + 9 : frame.end] + b"\x3b"
    try:
        with Image.open(io.BytesIO(alone), formats=["GIF"]) as image:
            return numpy.asarray(image)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise DamagedImage("image", "cannot be decoded", str(error)[:200]) from error


def _global_table(data: bytes) -> bytes:
    return data[13 : 13 + 3 * (2 << (data[10] & 7))] if data[10] & 0x80 else b""


def _table(frame: gif.Frame, data: bytes) -> Any:
    """256 colours; those that the file does not have are black."""
    flags = data[frame.start + 9]
    own = data[frame.start + 10 : frame.start + 10 + 3 * (2 << (flags & 7))] if flags & 0x80 else _global_table(data)
    colours = numpy.frombuffer(own.ljust(768, b"\0")[:768], "uint8").reshape(256, 3)
    return numpy.concatenate([colours, numpy.full((256, 1), 255, "uint8")], axis=1)
