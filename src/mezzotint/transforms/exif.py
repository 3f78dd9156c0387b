"""The part of a base's EXIF that describes the picture. Never where it was taken."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from PIL import ExifTags, Image

_MAIN = {
    "Make": ExifTags.Base.Make,
    "Model": ExifTags.Base.Model,
    "Artist": ExifTags.Base.Artist,
    "Copyright": ExifTags.Base.Copyright,
    "ImageDescription": ExifTags.Base.ImageDescription,
}
_CAMERA = {
    "DateTimeOriginal": ExifTags.Base.DateTimeOriginal,
    "ExposureTime": ExifTags.Base.ExposureTime,
    "FNumber": ExifTags.Base.FNumber,
    "ISO": ExifTags.Base.ISOSpeedRatings,
    "FocalLength": ExifTags.Base.FocalLength,
    "LensModel": ExifTags.Base.LensModel,
}
_MAX_TEXT = 500


def read_exif(block: bytes | None) -> dict[str, str | float]:
    """The described tags by their EXIF names; an unreadable block has none."""
    if not block:
        return {}
    exif = Image.Exif()
    try:
        exif.load(block)
        camera = exif.get_ifd(ExifTags.IFD.Exif)
        found = [(name, exif.get(tag)) for name, tag in _MAIN.items()]
        found += [(name, camera.get(tag)) for name, tag in _CAMERA.items()]
    except Exception:  # whatever Pillow makes of a malformed block, it costs nobody the picture
        return {}
    values = ((name, _plain(value)) for name, value in found)
    return {name: value for name, value in values if value not in (None, "")}


def captured(exif: dict[str, str | float]) -> str:
    """DateTimeOriginal as ISO 8601 without a zone, or nothing."""
    match = re.fullmatch(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)", str(exif.get("DateTimeOriginal", "")), re.ASCII)
    if not match or match[1] == "0000":
        return ""
    return f"{match[1]}-{match[2]}-{match[3]}T{match[4]}:{match[5]}:{match[6]}"


def decoded(value: bytes, otherwise: str = "cp1252") -> str:
    """Text whose encoding nobody says: cameras write ASCII, programs UTF-8, older ones what Windows had."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode(otherwise, "replace")


def _plain(value: Any) -> str | float | None:
    if isinstance(value, str):
        with suppress(UnicodeEncodeError):
            value = value.encode("latin-1")  # Pillow takes every byte for a letter
    if isinstance(value, bytes):
        value = decoded(value)
    if isinstance(value, str):
        return "".join(c for c in value if c.isprintable()).strip()[:_MAX_TEXT]
    if isinstance(value, tuple):
        value = value[0] if value else None
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return round(number, 6) if number == number and abs(number) < 1e12 else None
