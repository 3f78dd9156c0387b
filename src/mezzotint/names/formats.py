"""The table of formats: what bases may be, and what derivatives come in. Whatever is known of a format stands here; how
it is recognised, read and written stands in `transforms`, by the same names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """Formats that a derivative can be asked in. AUTO lets the client's Accept decide."""

    JPG = "jpg"
    PNG = "png"
    WEBP = "webp"
    AVIF = "avif"
    GIF = "gif"
    TIF = "tif"
    BMP = "bmp"
    JXL = "jxl"
    JP2 = "jp2"
    PPM = "ppm"
    ICO = "ico"
    PDF = "pdf"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Output:
    """As what derivatives come in. `quality` is the encoder's default, None where it has none; `preferred` its place
    among the formats that `auto` chooses where a client names them, 0 for none of them; `exact`, that it keeps every
    pixel as it was made, so it is made of what is lossless."""

    max_side: int
    quality: int | None = None
    alpha: bool = False
    animation: bool = False
    preferred: int = 0
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """`extensions` are those of files, the usual one first; `words` what else it is called; `lossless`, that
    it kept every pixel, so whoever stored it cares for single pixels. `base` False: it is only given out."""

    media_type: str
    extensions: tuple[str, ...]
    words: tuple[str, ...] = ()
    lossless: bool = False
    output: Output | None = None
    base: bool = True


FORMATS: dict[str, Known] = {
    "jpg": Known("image/jpeg", ("jpg", "jpeg", "jpe"), ("jpeg",), output=Output(65_500, 80)),
    "png": Known("image/png", ("png",), lossless=True, output=Output(65_535, alpha=True, exact=True)),
    "webp": Known("image/webp", ("webp",), output=Output(16_383, 80, alpha=True, animation=True, preferred=3)),
    "avif": Known("image/avif", ("avif",), output=Output(16_384, 45, alpha=True, preferred=2)),
    "jxl": Known("image/jxl", ("jxl",), output=Output(65_535, 75, alpha=True, preferred=1)),
    "heic": Known("image/heic", ("heic", "heif")),
    "gif": Known("image/gif", ("gif",), lossless=True, output=Output(65_535, alpha=True, animation=True)),
    "tif": Known(
        "image/tiff", ("tif", "tiff"), ("tiff",), lossless=True, output=Output(65_535, alpha=True, exact=True)
    ),
    "bmp": Known("image/bmp", ("bmp",), lossless=True, output=Output(32_767, exact=True)),
    "jp2": Known("image/jp2", ("jp2", "j2k", "jpf", "jpx"), ("jpeg2000",), output=Output(65_535, 80, alpha=True)),
    "svg": Known("image/svg+xml", ("svg",), lossless=True),
    "ppm": Known("image/x-portable-pixmap", ("ppm",), base=False, output=Output(65_535, exact=True)),
    "ico": Known("image/vnd.microsoft.icon", ("ico",), base=False, output=Output(256, alpha=True, exact=True)),
    "pdf": Known("application/pdf", ("pdf",), base=False, output=Output(14_400, 80)),
}

OUTPUTS: dict[Format, Output] = {
    Format(name): known.output for name, known in FORMATS.items() if known.output is not None
}
WORDS: dict[str, Format] = {str(word): output for output in OUTPUTS for word in (output, *FORMATS[output].words)}
"""what an output may be called"""
BASES = {name: known for name, known in FORMATS.items() if known.base}
EXTENSIONS = {extension: name for name, known in BASES.items() for extension in known.extensions}
"""the format that a file is of by its name"""
PREFERRED = tuple(sorted((one for one in OUTPUTS if OUTPUTS[one].preferred), key=lambda one: OUTPUTS[one].preferred))
