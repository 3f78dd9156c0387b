"""How files are put together: whether all of a picture is there, what is in the way of decoding it, which colours it
has.

Decoding every base when it comes in would cost more than everything else together; a file that was cut off shows in its
structure.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any
from xml.parsers import expat

from mezzotint.errors import DamagedImage
from mezzotint.transforms.structure import bitmap, boxes, gif, jpeg, png, riff, tiff

Buffer = mmap.mmap


class Verdict(Enum):
    WHOLE = "whole"
    DOUBTFUL = "doubtful"
    """only decoding it tells"""
    BROKEN = "broken"


def _plain(check: Callable[[Buffer], bool]) -> Callable[[Buffer], Verdict]:
    return lambda data: Verdict.WHOLE if check(data) else Verdict.BROKEN


def _either(check: Callable[[Buffer], bool | None]) -> Callable[[Buffer], Verdict]:
    return lambda data: {True: Verdict.WHOLE, None: Verdict.DOUBTFUL, False: Verdict.BROKEN}[check(data)]


def _svg(data: Buffer) -> bool:
    return bool(expat.ParserCreate().Parse(data[:], True))


CHECKS: dict[str, Callable[[Buffer], Verdict]] = {
    "jpg": _either(jpeg.check),
    "png": _either(png.check),
    "gif": _plain(gif.check),
    "webp": _plain(riff.check),
    "avif": _plain(boxes.check_heif),
    "heic": _plain(boxes.check_heif),
    "jxl": _either(boxes.check_jxl),
    "jp2": _either(boxes.check_jp2),
    "bmp": _either(bitmap.check),
    "tif": _plain(tiff.check),
    "svg": _plain(_svg),
}
MENDED: dict[str, Callable[[Any], bytes]] = {
    "jpg": jpeg.mended,
    "png": png.mended,
    "gif": gif.mended,
    "webp": riff.mended,
}
"""what strict decoders want of a file that is whole to everybody else; the others have nothing to mend"""


CONFINED = {"bmp", "jp2", "heic", "jxl", "svg"}
"""bases whose decoders are not trusted with this process"""
BARE: dict[str, Callable[[bytes], bytes | None]] = {"jpg": jpeg.bare, "png": png.bare}
"""the same picture without anything that is said of it"""


def bare(data: bytes, image_format: str) -> bytes | None:
    """Or None where that is not known of its format, or of this file."""
    try:
        return BARE[image_format](data) if image_format in BARE else None
    except (struct.error, IndexError, ValueError):
        return None


def check(path: Path, image_format: str) -> Verdict:
    """WHOLE or DOUBTFUL. Raises DamagedImage where the file ends before its picture does."""
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            verdict = CHECKS[image_format](data)
        except (struct.error, IndexError, ValueError, OverflowError, zlib.error, expat.ExpatError):
            verdict = Verdict.BROKEN
    if verdict is Verdict.BROKEN:
        raise DamagedImage("file", f"the {image_format} data is cut off or damaged", "a complete picture")
    return verdict


def mended(data: mmap.mmap | bytes, image_format: str) -> bytes:
    """`data` without what is in a strict decoder's way, or as it is. Of a PNG, which may be large, nothing is copied
    before."""
    mend = MENDED.get(image_format)
    try:
        return mend(data if image_format == "png" else data[:]) if mend is not None else data[:]
    except (struct.error, IndexError, ValueError):
        return data[:]


def is_confined(path: Path, image_format: str) -> bool:
    """Whether a base is decoded in a child from the start."""
    if image_format in CONFINED:
        return True
    if image_format not in {"gif", "tif"}:
        return False
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return gif.is_uncovered(data) if image_format == "gif" else tiff.survey(data).rare
