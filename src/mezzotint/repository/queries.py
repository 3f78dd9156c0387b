"""Reading the repository: filters, search, order, pages. Only what is live."""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db import DataError, connection
from django.db.models import Model, Q, QuerySet
from django.db.models.expressions import RawSQL

from mezzotint.errors import InvalidInput, NotFound
from mezzotint.names import parse_ident
from mezzotint.repository import references
from mezzotint.repository.metadata import FIELDS, SEARCHED, beginning, clean_captured, clean_text, less_precise
from mezzotint.repository.models import Collection, Image, SessionChange, UpdateSession
from mezzotint.repository.patience import patient
from mezzotint.wiring import engine

ORDERINGS = ("added", *(name for name, field in FIELDS.items() if field.ordered), "bytes", "width", "height")
DEFAULT_PAGE, MAX_PAGE = 50, 500
MAX_WORDS = 16
"""of a search, each of which is looked for by itself"""
_RANGES = {"width": "width", "height": "height", "bytes": "bytes"}
FILTERS = (
    "search", "collection", "tag", "format", "creator", "captured_after", "captured_before",
    *(f"{side}_{name}" for name in _RANGES for side in ("min", "max")),
)  # fmt: skip

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class ResultPage(Generic[M]):
    items: list[M]
    next: str | None
    """the cursor of the next page"""


def image(ident: str) -> Image:
    """Raises NotFound, InvalidName."""
    found = Image.objects.filter(ident=parse_ident(ident)).first()
    if found is None:
        raise NotFound(f"there is no image {ident}")
    return found


def collection(slug: str) -> Collection:
    """Raises NotFound."""
    found = find_collection(slug)
    if found is None:
        raise NotFound(f"there is no collection {slug}")
    return found


def find_collection(slug: str) -> Collection | None:
    if "\x00" in slug:  # which PostgreSQL cannot even ask for
        return None
    return Collection.objects.filter(slug=slug).first()


def session(pk: Any) -> UpdateSession:
    """Raises NotFound."""
    found = UpdateSession.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound(f"there is no session {pk}")
    return found


def live_idents(idents: Iterable[str]) -> set[str]:
    return set(Image.objects.only("ident").in_bulk(list(idents), field_name="ident"))


def is_wanted(ident: str) -> bool:
    """Whether an entry refers to it now, or a session that is open will, or somebody else does."""
    added = SessionChange.objects.filter(
        key=ident,
        kind=SessionChange.Kind.ADD,
        session__state__in=[UpdateSession.State.OPEN, UpdateSession.State.COMMITTING],
    )
    return bool(live_idents([ident])) or added.exists() or references.want(ident)


def images(parameters: Mapping[str, str]) -> QuerySet[Image]:
    """The images that meet all of the given FILTERS. Raises InvalidInput."""
    chosen = Image.objects.all()
    for name in FILTERS:
        value = clean_text(name, parameters.get(name, ""), 1000)
        if value:
            chosen = _filtered(chosen, name, value)
    return chosen


def _filtered(chosen: QuerySet[Image], name: str, value: str) -> QuerySet[Image]:
    side, _, measure = name.partition("_")
    if name == "search":
        return search(chosen, value)
    if name == "collection":
        return chosen.filter(collections__slug=value)
    if name == "tag" and connection.vendor == "postgresql":
        return chosen.filter(tags__contains=[value])
    if name == "tag":
        return chosen.filter(pk__in=RawSQL(_TAGGED, [value]))
    if name == "captured_after":
        value = clean_captured(value, name)
        return chosen.filter(Q(captured__gte=value) | Q(captured__in=less_precise(value)))
    if name == "captured_before":
        return chosen.exclude(captured="").filter(captured__lt=beginning(clean_captured(value, name)))
    if measure in _RANGES:
        if not re.fullmatch(r"[0-9]{1,15}", value):
            raise InvalidInput(name, f"cannot be {value!r}", "a whole number")
        return chosen.filter(**{f"{measure}__{'gte' if side == 'min' else 'lte'}": int(value)})
    return chosen.filter(**{f"{name}__iexact": value})


_TAGGED = "SELECT i.id FROM repository_image i, json_each(i.tags) t WHERE t.value = %s"
_MATCHED = "SELECT rowid FROM repository_image_search WHERE repository_image_search MATCH %s"
_MATCHED_ON_POSTGRESQL = (
    "SELECT id FROM repository_image WHERE repository_search_words("
    + ", ".join(f"{name}::text" if FIELDS[name].many else name for name in SEARCHED)
    + ") @@ to_tsquery('simple', %s)"
)


def search(chosen: QuerySet[Image], text: str) -> QuerySet[Image]:
    """Every word of `text` begins a word of a field that is searched; or `text` begins the ident."""
    found = re.findall(r"\w+", text) if connection.vendor == "sqlite" else _unaccented([text])
    words = list({word.casefold(): word for word in found}.values())
    if not words:
        return chosen.none()
    if len(words) > MAX_WORDS:
        raise InvalidInput("search", f"has {len(words)} words", f"{MAX_WORDS} different ones")
    if connection.vendor == "postgresql":
        matched = Q(pk__in=RawSQL(_MATCHED_ON_POSTGRESQL, [" & ".join(f"{word}:*" for word in words)]))
    else:
        matched = Q(pk__in=RawSQL(_MATCHED, [" ".join(f'"{word}"*' for word in words)]))
    if re.fullmatch(r"[0-9a-f]{6,64}", text):
        matched |= Q(ident__startswith=text)
    return chosen.filter(matched)


def _unaccented(words: list[str]) -> list[str]:
    """Words as PostgreSQL's index has them: see the migration that makes it."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", " ".join(words)) if not unicodedata.combining(c))
    return re.findall(r"[^\W_]+", plain.lower())


def page(chosen: QuerySet[M], ordering: str, cursor: str, size: int, tie: str = "ident") -> ResultPage[M]:
    """The page that begins at `cursor`; `ordering` is a field, with `-` for the largest first.

    Keyset pagination: a page costs the same at any depth, and images that come
    or go between two pages make none appear twice or not at all. Raises InvalidInput, GivenUp.
    """
    field, descending = ordering.removeprefix("-"), ordering.startswith("-")
    sign = "-" if descending else ""
    try:
        if cursor:
            value, key = _read_cursor(cursor)
            later = "lt" if descending else "gt"
            chosen = chosen.filter(Q(**{f"{field}__{later}": value}) | Q(**{field: value, f"{tie}__{later}": key}))
        with patient(engine().settings.search_timeout, "MEZZOTINT_SEARCH_TIMEOUT"):
            items = list(chosen.order_by(f"{sign}{field}", f"{sign}{tie}")[: size + 1])
    except (ValidationError, ValueError, TypeError, RecursionError, OverflowError, DataError):
        raise InvalidInput("cursor", "is not one that this service gave out", "next of a page") from None
    if len(items) <= size:
        return ResultPage(items, None)
    last = items[size - 1]
    return ResultPage(items[:size], _write_cursor(getattr(last, field), getattr(last, tie)))


def page_size(text: str) -> int:
    if not text:
        return DEFAULT_PAGE
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_PAGE:
        raise InvalidInput("page_size", f"cannot be {text!r}", f"1 to {MAX_PAGE}")
    return int(text)


def ordering(text: str) -> str:
    if text and text.removeprefix("-") not in ORDERINGS:
        raise InvalidInput("ordering", f"cannot be {text!r}", " ".join(ORDERINGS) + ", with - for the largest first")
    return text or "-added"


def _write_cursor(value: Any, key: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([value, key], default=str).encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[str | int, str | int]:
    """Raises ValueError, and what `json` raises."""
    value, key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    for part in (value, key):
        if isinstance(part, bool) or not isinstance(part, str | int) or (isinstance(part, int) and abs(part) >= 2**63):
            raise ValueError("neither a text nor a number of the database's")
    return value, key
