"""What may stand in an image's and a collection's fields. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from mezzotint.errors import InvalidInput

TEXT_LIMITS = {"title": 500, "description": 20_000, "creator": 500, "rights": 2_000, "source": 2_000}
MAX_TAGS, MAX_TAG = 100, 100
MAX_SLUG = 100
_CAPTURED = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d)?)?)?)?", re.ASCII)
_CAPTURED_FORMATS = {4: "%Y", 7: "%Y-%m", 10: "%Y-%m-%d", 16: "%Y-%m-%dT%H:%M", 19: "%Y-%m-%dT%H:%M:%S"}

Fields = dict[str, Any]


def clean_text(field: str, value: object, limit: int) -> str:
    """`value` as text, normalised to NFC. Raises InvalidInput."""
    if not isinstance(value, str):
        raise InvalidInput(field, f"is {_kind(value)}, not text", f"up to {limit} characters")
    text = unicodedata.normalize("NFC", value.strip())
    if len(text) > limit:
        raise InvalidInput(field, f"has {len(text)} characters", f"up to {limit} characters")
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\r\t" for c in text):
        raise InvalidInput(field, "contains control characters", "printable text")
    return text


def _limited(field: str, value: object) -> str:
    return clean_text(field, value, TEXT_LIMITS[field])


def clean_tags(value: object) -> list[str]:
    """A list of texts, or one text with commas; without doubles, in order."""
    if isinstance(value, str):
        value = [tag for tag in value.split(",") if tag.strip()]
    if not isinstance(value, list | tuple):
        raise InvalidInput("tags", f"is {_kind(value)}", "a list of texts, or one text with commas")
    if len(value) > MAX_TAGS:
        raise InvalidInput("tags", f"has {len(value)} entries", f"up to {MAX_TAGS}")
    return list(dict.fromkeys(tag for tag in (clean_text("tags", item, MAX_TAG) for item in value) if tag))


def clean_captured(value: object) -> str:
    """ISO 8601 of any precision from a year to a second, without a zone; or nothing."""
    text = clean_text("captured", value, 32)
    if text:
        try:
            if not _CAPTURED.fullmatch(text):
                raise ValueError
            datetime.strptime(text, _CAPTURED_FORMATS[len(text)])
        except ValueError:
            raise InvalidInput(
                "captured", f"cannot be {text!r}", "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS"
            ) from None
    return text


IMAGE_FIELDS: dict[str, Callable[[object], Any]] = {
    **{name: partial(_limited, name) for name in TEXT_LIMITS},
    "tags": clean_tags,
    "captured": clean_captured,
}
COLLECTION_FIELDS: dict[str, Callable[[object], Any]] = {
    "title": partial(_limited, "title"),
    "description": partial(_limited, "description"),
}


def clean_image(fields: Mapping[str, object]) -> Fields:
    """The editable fields of an image, checked. Raises InvalidInput, for unknown fields too."""
    return _clean(fields, IMAGE_FIELDS)


def clean_collection(fields: Mapping[str, object]) -> Fields:
    return _clean(fields, COLLECTION_FIELDS)


def clean_slug(name: object) -> str:
    """A collection's slug from its name or slug: lowercase letters, digits, hyphens. Raises InvalidInput."""
    text = clean_text("collection", name, TEXT_LIMITS["title"])
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG].strip("-")
    if not slug:
        raise InvalidInput("collection", f"cannot be {text!r}", "a name with a letter a-z or a digit in it")
    return slug


def clean_version(value: object) -> int:
    """The version that an edit saw. Raises InvalidInput."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        given = "is missing" if value is None else f"cannot be {value!r}"
        raise InvalidInput("version", given, "the version that this edit is based on, a whole number from 1")
    return value


def _clean(fields: Mapping[str, object], known: Mapping[str, Callable[[object], Any]]) -> Fields:
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise InvalidInput(unknown[0][:100], "is not a field that can be set", " ".join(known))
    return {name: known[name](value) for name, value in fields.items()}


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", type(None): "null", bool: "true or false", int: "a number"}
    return kinds.get(type(value), "a number" if isinstance(value, float) else type(value).__name__)
