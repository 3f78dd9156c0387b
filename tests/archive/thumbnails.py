"""The archive's own thumbnails, which nobody else would make alike."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image

from tests import pictures

SIZES = (250, 500, 1200)


@lru_cache(maxsize=8192)
def thumbnail(data: bytes, size: int) -> bytes:
    """A JPEG within `size` x `size`, never enlarged, whose comment is `thumb250`, `thumb500` or `thumb1200`.

    What Pillow does not open, as a PDF, has a thumbnail of a fixed picture.
    """
    picture = _opened(data)
    picture.thumbnail((size, size))
    return pictures.encoded(picture, quality=75, comment=f"thumb{size}".encode())


def comment(data: bytes) -> str:
    """That of a JPEG: by it a thumbnail of the archive's is told from one made of its original."""
    found = pictures.opened(data).info.get("comment", b"")
    return bytes(found).decode()


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data)).convert("RGB")
    except OSError:
        return pictures.drawing(900, 1300)
