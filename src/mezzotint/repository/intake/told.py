"""What a file that comes in says of itself, as fields: cut to their limits, and left out where it is none."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath

from mezzotint.derivatives import Base
from mezzotint.errors import InvalidInput
from mezzotint.repository import metadata
from mezzotint.transforms.exif import captured


def fields(base: Base) -> metadata.Fields:
    exif, described = base.exif, base.described
    return {
        "captured": _valid_date(captured(exif)) or _valid_date(described.get("captured", "")),
        "creator": short(exif.get("Artist"), "creator"),
        "rights": short(exif.get("Copyright"), "rights"),
        "description": short(exif.get("ImageDescription"), "description"),
        **{name: short(said, name) for name, said in described.items() if name not in {"captured", "tags"}},
        "tags": _short_tags(described.get("tags", [])),
    }


def _valid_date(text: str) -> str:
    """Cameras without a clock write dates that are none."""
    try:
        return metadata.clean_captured(text)
    except InvalidInput:
        return ""


def _short_tags(said: Sequence[str]) -> list[str]:
    plain = ("".join(c for c in tag if c.isprintable()).strip()[: metadata.MAX_TAG].strip() for tag in said)
    return list(dict.fromkeys(unicodedata.normalize("NFC", tag) for tag in plain if tag))[: metadata.MAX_TAGS]


def with_name(fields: metadata.Fields, name: str) -> metadata.Fields:
    """An addition's fields with the name of the file that it comes from, where they say nothing of it."""
    return {"file_name": short(name.replace("\\", "/").rsplit("/", 1)[-1], "file_name")} | fields


def titled(file_name: str) -> metadata.Fields:
    """What a picture is called of which nobody says it, nor it itself: its file's name, without the ending."""
    title = short(PurePosixPath(file_name).stem.replace("_", " "), "title")
    return {"title": title} if title else {}


def short(value: object, field: str) -> str:
    text = unicodedata.normalize("NFC", "".join(c for c in str(value or "") if c.isprintable()))
    return text[: metadata.TEXT_LIMITS[field]].strip()
