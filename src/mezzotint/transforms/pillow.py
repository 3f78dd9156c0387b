"""BMP and JPEG 2000, which libvips's binary builds leave out. The only importer of Pillow's codecs."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from mezzotint.errors import DamagedImage
from mezzotint.names import Facts

FORMATS = {"bmp": "BMP", "jp2": "JPEG2000"}

Image.MAX_IMAGE_PIXELS = None  # MEZZOTINT_MAX_PIXELS is checked from the header, before any decoding


def read_facts(path: Path, image_format: str) -> Facts:
    """From the header alone. Raises DamagedImage."""
    try:
        with Image.open(path, formats=[FORMATS[image_format]]) as image:
            return Facts(
                width=image.width,
                height=image.height,
                format=image_format,
                bytes=path.stat().st_size,
                alpha=image.mode in {"RGBA", "LA"},
                gray=image.mode in {"1", "L", "LA", "I;16", "I"},
            )
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DamagedImage("file", f"the {image_format} header cannot be read", str(error)[:200]) from error


def decode(path: Path) -> tuple[int, int, int, bytes]:
    """Width, height, bands and 8-bit pixels, row by row. Raises DamagedImage."""
    try:
        with Image.open(path, formats=list(FORMATS.values())) as image:
            converted = _to_8_bit(image)
            return converted.width, converted.height, len(converted.getbands()), converted.tobytes()
    except (OSError, SyntaxError, ValueError) as error:
        raise DamagedImage("image", "cannot be decoded", str(error)[:200]) from error


def encode_bmp(width: int, height: int, bands: int, pixels: bytes) -> bytes:
    """A BMP of 8-bit gray (1 band) or RGB (3 bands)."""
    buffer = io.BytesIO()
    Image.frombytes("L" if bands == 1 else "RGB", (width, height), pixels).save(buffer, "BMP")
    return buffer.getvalue()


def _to_8_bit(image: Image.Image) -> Image.Image:
    if image.mode in {"I;16", "I"}:
        return image.point(lambda value: value / 256).convert("L")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in {"L", "LA", "RGB", "RGBA"} else image.convert("RGB")
