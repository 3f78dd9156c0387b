"""The fields that people edit, in one table: what may stand in them. Pure.

The API, its documentation, CSV files, the admin, search and sessions derive from it. A new field is a row here, a
column of `models.Image`, and a migration. What an installation adds to them is in `image_fields`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from mezzotint.errors import InvalidInput
from mezzotint.names import is_ident
from mezzotint.repository import dates

MAX_TAGS, MAX_TAG = 100, 100
MAX_SLUG = 100
MAX_RANGES, MAX_LEVEL = 2000, 10
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
PUBLIC, LOGIN, GROUP = "public", "login", "group:"
_VISIBILITY = "public, login, group:NAME, or the day from which on it is public, YYYY-MM-DD (UTC)"

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


def clean_tags(value: object) -> list[str]:
    """As `clean_several`, of texts."""
    return clean_several("tags", value, partial(clean_text, "tags", limit=MAX_TAG))


def clean_several(field: str, value: object, clean_one: Callable[[object], str]) -> list[str]:
    """A list of texts, or one text with commas, or with JSON, as a text has it some of whose parts have commas; without
    doubles, in order. Raises InvalidInput."""
    if isinstance(value, str):
        is_json = value.startswith(('["', "[\u201c", "[\u201e"))
        value = _list_of_json(field, value) if is_json else [part for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise InvalidInput(field, f"is {_kind(value)}", "a list of texts, or one text with commas")
    if len(value) > MAX_TAGS:
        raise InvalidInput(field, f"has {len(value)} entries", f"up to {MAX_TAGS}")
    return list(dict.fromkeys(text for text in map(clean_one, value) if text))


def _list_of_json(field: str, text: str) -> object:
    """Raises InvalidInput for what looks like it and is not."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        detail = f"looks like JSON, and is none: {text!r:.80}"
        raise InvalidInput(field, detail, 'a, b, or ["a", "b, c"]') from None


def clean_captured(value: object, name: str = "captured") -> str:
    """A date or a span of EDTF, of any precision from a century to a second; or nothing."""
    text = clean_text(name, value, 32)
    try:
        return dates.clean(text)
    except ValueError:
        raise InvalidInput(name, f"cannot be {text!r}", dates.FORMS) from None


def clean_visibility(value: object) -> str:
    """Who sees a collection: `public`, `login`, `group:NAME`, or everybody from a day on. Nothing is `public`."""
    text = clean_text("visibility", value, 200)
    if text in {"", PUBLIC}:
        return PUBLIC
    if text == LOGIN or (text.startswith(GROUP) and text.removeprefix(GROUP).strip()):
        return text
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise InvalidInput("visibility", f"cannot be {text!r:.80}", _VISIBILITY) from None
    return text


def clean_cover(value: object) -> str:
    """The ident of the picture that stands for a collection; nothing is its first."""
    text = clean_text("cover", value, 64)
    if text and not is_ident(text):
        raise InvalidInput("cover", f"cannot be {text!r:.80}", "an ident, or nothing")
    return text


def clean_parent(value: object) -> str:
    """The slug of the collection that one is in; or nothing."""
    text = clean_text("parent", value, MAX_SLUG)
    if text and not _SLUG.fullmatch(text):
        raise InvalidInput("parent", f"cannot be {text!r:.80}", "the slug of a collection, or nothing")
    return text


def clean_document(value: object) -> str:
    """The SHA-256 of the document that a collection's pages are of; or nothing."""
    text = clean_text("document", value, 64)
    if text and not is_ident(text):
        raise InvalidInput("document", f"cannot be {text!r:.80}", "the SHA-256 of a document that was rasterised here")
    return text


def clean_ranges(value: object) -> list[dict[str, Any]]:
    """A collection's headings, in order: each a label, the ident of the picture where it begins, and how deep it is
    within others, from 1."""
    if value in ("", None):
        return []
    if not isinstance(value, list) or len(value) > MAX_RANGES or not all(isinstance(one, dict) for one in value):
        raise InvalidInput("ranges", "cannot be that", f"a list of up to {MAX_RANGES} objects: label, ident, level")
    return [_clean_range(f"ranges[{number}]", one) for number, one in enumerate(value)]


def _clean_range(name: str, one: Mapping[str, object]) -> dict[str, Any]:
    if unknown := sorted(one.keys() - {"label", "ident", "level"}):
        raise InvalidInput(f"{name}.{unknown[0]:.40}", "is not known", "label, ident, level")
    label, ident, level = clean_text(f"{name}.label", one.get("label"), 500), one.get("ident"), one.get("level", 1)
    if not label:
        raise InvalidInput(f"{name}.label", "is empty", "what the part is called")
    if not isinstance(ident, str) or not is_ident(ident):
        raise InvalidInput(f"{name}.ident", f"cannot be {ident!r:.80}", "the ident of a picture of the collection")
    if isinstance(level, bool) or not isinstance(level, int) or not 1 <= level <= MAX_LEVEL:
        raise InvalidInput(f"{name}.level", f"cannot be {level!r:.40}", f"a whole number from 1 to {MAX_LEVEL}")
    return {"label": label, "ident": ident, "level": level}


@dataclass(frozen=True, slots=True)
class Field:
    """`clean` makes what is kept of what was given, or raises InvalidInput. A field that is `searched` is found by its
    words; lists can be `ordered` by some; collections have some too; some hold `many` texts, some one of `words`."""

    clean: Callable[[object], Any]
    help: str = ""
    limit: int | None = None
    searched: bool = True
    ordered: bool = False
    of_collections: bool = False
    many: bool = False
    words: tuple[str, ...] = ()


def _text(name: str, limit: int, *, ordered: bool = False, of_collections: bool = False) -> Field:
    clean = partial(clean_text, name, limit=limit)
    return Field(clean, limit=limit, ordered=ordered, of_collections=of_collections)


def _choice(name: str, words: tuple[str, ...]) -> Field:
    def clean(value: object) -> str:
        text = clean_text(name, value, 100)
        if text and text not in words:
            raise InvalidInput(name, f"cannot be {text!r}", f"{', '.join(words)}, or nothing")
        return text

    return Field(clean, help=", ".join(words), searched=False, words=words)


FIELDS = {
    "title": _text("title", 500, ordered=True, of_collections=True),
    "description": _text("description", 20_000, of_collections=True),
    "creator": _text("creator", 500),
    "rights": _text("rights", 2_000),
    "source": _text("source", 2_000),
    "tags": Field(
        clean_tags, f"up to {MAX_TAGS} texts of up to {MAX_TAG} characters, or one text with commas", many=True
    ),
    "captured": Field(clean_captured, help=dates.FORMS, searched=False, ordered=True),
    "alt": _text("alt", 2_000),
    "licence": _text("licence", 500),
    "file_name": _text("file_name", 255),
}
DIRECTIONS = ("left-to-right", "right-to-left", "top-to-bottom", "bottom-to-top")
BEHAVIORS = ("paged", "individuals", "continuous", "unordered")
OF_COLLECTIONS = {name: field for name, field in FIELDS.items() if field.of_collections} | {
    "viewing_direction": _choice("viewing_direction", DIRECTIONS),
    "behavior": _choice("behavior", BEHAVIORS),
    "licence": FIELDS["licence"],
    "cover": Field(clean_cover, help="the ident of the picture that stands for it", limit=64, searched=False),
    "parent": Field(clean_parent, help="the slug of the collection that it is in", limit=MAX_SLUG, searched=False),
    "document": Field(clean_document, help="the SHA-256 of the PDF that its pages are of", limit=64, searched=False),
    "ranges": Field(clean_ranges, help="its headings, in order, each with the picture where it begins", searched=False),
    "visibility": Field(clean_visibility, help=_VISIBILITY, limit=200, searched=False),
}
"""how it is read is as IIIF Presentation 3.0 has it (viewingDirection, 3.4; behavior, 3.5)"""
EMPTY: Fields = {name: [] if field.many else "" for name, field in FIELDS.items()}
"""what an image has that says nothing"""
EMPTY_COLLECTION: Fields = dict.fromkeys(OF_COLLECTIONS, "") | {"ranges": [], "visibility": PUBLIC}
SEARCHED = tuple(name for name, field in FIELDS.items() if field.searched)
TEXT_LIMITS = {name: field.limit for name, field in FIELDS.items() if field.limit is not None}


def clean_collection(fields: Mapping[str, object]) -> Fields:
    """The editable fields of a collection, checked. Raises InvalidInput, for unknown fields too."""
    return clean(fields, OF_COLLECTIONS)


def clean_slug(name: object) -> str:
    """A collection's slug from its name or slug, of whatever script: lowercase letters a-z, digits, hyphens. Raises
    InvalidInput."""
    from anyascii import anyascii

    text = clean_text("collection", name, TEXT_LIMITS["title"])
    plain = unicodedata.normalize("NFKD", text)
    plain = anyascii("".join(c for c in plain if not unicodedata.combining(c))).lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG].strip("-")
    if not slug:
        raise InvalidInput("collection", f"cannot be {text!r}", "a name with a letter or a digit in it")
    return slug


def clean_version(value: object) -> int:
    """The version that an edit saw. Raises InvalidInput."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        given = "is missing" if value is None else f"cannot be {value!r}"
        raise InvalidInput("version", given, "the version that this edit is based on, a whole number from 1")
    return value


def clean(fields: Mapping[str, object], known: Mapping[str, Field]) -> Fields:
    """What is said in known fields, checked. Raises InvalidInput, for unknown ones too."""
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise InvalidInput(unknown[0][:100], "is not a field that can be set", " ".join(known))
    return {name: known[name].clean(value) for name, value in fields.items()}


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", type(None): "null", bool: "true or false", int: "a number"}
    return kinds.get(type(value), "a number" if isinstance(value, float) else type(value).__name__)
