"""Which images are meant: filters and search, at a cost that does not grow with the repository.

SQLite knows nothing of how many images a condition is true of, and has to be told the way. Where they are few, they are
gathered by the condition's own index and put into order. Where they are many, images are gone through in the order that
is asked for, and each is looked at, until the page is full. PostgreSQL finds that out by itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from mezzotint.errors import InvalidInput
from mezzotint.repository import dates, image_fields
from mezzotint.repository.fulltext import WORDS_OF, folded
from mezzotint.repository.metadata import clean_captured, clean_text
from mezzotint.repository.models import Image
from mezzotint.repository.patience import patient
from mezzotint.repository.readers import EVERYTHING, Reader
from mezzotint.wiring import engine

MAX_WORDS = 16
"""of a search, each of which is looked for by itself"""
_FEW = 2000
"""images that are gathered one by one"""
_NONE = 0
"""no image has this id"""
_RANGES = ("width", "height", "bytes")
ORIENTATIONS = {"landscape": ">", "portrait": "<", "square": "="}
"""width against height"""
FILTERS = (
    "search", "collection", "tag", "format", "creator", "orientation", "captured_after", "captured_before",
    *(f"{side}_{name}" for name in _RANGES for side in ("min", "max")),
)  # fmt: skip


def names() -> list[str]:
    """All filters there are here: those of the installation's own fields are called as the fields are."""
    return [*FILTERS, *image_fields.own()]


@dataclass(frozen=True, slots=True)
class Condition:
    """In SQL: `ids` gives the images that meet it, `each` says of one whether it does; both with the same `values`.
    SQLite uses no index for a column behind a plus sign (its documentation of the query planner)."""

    ids: str
    each: str
    values: tuple[Any, ...]

    @classmethod
    def of(cls, column: str, test: str, *values: Any) -> Condition:
        """`test` has the column as `{}`."""
        where, each = (test.replace("{}", f"{plus}repository_image.{column}") for plus in ("", "+"))
        return cls(f"SELECT id FROM repository_image WHERE {where}", each, values)

    @classmethod
    def among(cls, ids: str, *values: Any) -> Condition:
        """Whose ids a query gives, which is done once."""
        return cls(ids, f"+repository_image.id IN ({ids})", values)

    @classmethod
    def listed(cls, ids: str, *values: Any) -> Condition:
        """Whose `image_id` a table has, where each can be looked up."""
        return cls(ids, f"EXISTS ({ids} AND image_id = repository_image.id)", values)


def given(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Of an address's parameters those that are filters and say something."""
    return {name: value for name in names() if (value := str(parameters.get(name, "")).strip())}


def images(parameters: Mapping[str, str], reader: Reader = EVERYTHING) -> QuerySet[Image]:
    """Those that the reader sees and that meet all of the given filters. Raises InvalidInput, GivenUp."""
    chosen = reader.images()
    for name in names():
        value = clean_text(name, parameters.get(name, ""), 1000)
        if value:
            chosen = _filtered(chosen, name, value, reader)
    return chosen


def search(chosen: QuerySet[Image], text: str) -> QuerySet[Image]:
    """Every word of `text` begins a word of a field that is searched, one of a single letter or digit is a word of it;
    or `text` begins the ident. Raises InvalidInput, GivenUp."""
    on_postgresql = connection.vendor == "postgresql"
    plain = folded(text)
    found = _unaccented(plain) if on_postgresql else re.findall(r"\w+", plain)
    words = list({word.casefold(): word for word in found}.values())
    if not words:
        return chosen.none()
    if len(words) > MAX_WORDS:
        raise InvalidInput("search", f"has {len(words)} words", f"{MAX_WORDS} different ones")
    if on_postgresql:
        matched, values = _MATCHED_ON_POSTGRESQL, [" & ".join(w if _is_letter(w) else f"{w}:*" for w in words)]
    else:
        matched, values = _MATCHED, [" ".join(f'"{w}"' if _is_letter(w) else f'"{w}"*' for w in words)]
    if re.fullmatch(r"[0-9a-f]{6,64}", text):
        matched, values = f"{matched} UNION {_BEGUN}", [*values, text, f"{text}g"]
    return _narrowed(chosen, Condition.among(matched, *values))


def _filtered(chosen: QuerySet[Image], name: str, value: str, reader: Reader) -> QuerySet[Image]:
    side, _, measure = name.partition("_")
    if name == "search":
        return search(chosen, value)
    if name == "collection":
        pk = reader.collections().filter(slug=value).values_list("pk", flat=True).first()
        return chosen.none() if pk is None else _narrowed(chosen, Condition.listed(_COLLECTED, pk))
    if name in image_fields.own():
        bare = image_fields.bare(name)
        if connection.vendor == "postgresql":
            return chosen.filter(Q(custom__contains={bare: value}) | Q(custom__contains={bare: [value]}))
        return _narrowed(chosen, Condition.listed(_CUSTOM, bare, value))
    if name == "tag" and connection.vendor == "postgresql":
        return chosen.filter(tags__contains=[value])
    if name == "tag":
        return _narrowed(chosen, Condition.listed(_TAGGED, value))
    if measure in _RANGES and not re.fullmatch(r"[0-9]{1,15}", value):
        raise InvalidInput(name, f"cannot be {value!r}", "a whole number")
    if measure in _RANGES:
        return _narrowed(chosen, Condition.of(measure, "{} >= %s" if side == "min" else "{} <= %s", int(value)))
    return _narrowed(chosen, _of_text(name, value))


def _of_text(name: str, value: str) -> Condition:
    if name == "captured_after":
        return Condition.of("captured_last", "{} >= %s", dates.span(clean_captured(value, name))[0])
    if name == "captured_before":
        return Condition.of("captured_first", "({} > '' AND {} < %s)", dates.span(clean_captured(value, name))[0])
    if name == "orientation":
        if value not in ORIENTATIONS:
            raise InvalidInput("orientation", f"cannot be {value!r:.40}", ", ".join(ORIENTATIONS))
        return Condition.of("width", f"{{}} {ORIENTATIONS[value]} repository_image.height")
    if name == "format":
        return Condition.of("format", "{} = %s", value.lower())
    return Condition.of(name, "LOWER({}) = LOWER(%s)", value)


def _narrowed(chosen: QuerySet[Image], condition: Condition) -> QuerySet[Image]:
    if connection.vendor != "sqlite":
        return chosen.filter(pk__in=RawSQL(condition.ids, condition.values))
    with (
        patient(engine().settings.search_timeout, "MEZZOTINT_SEARCH_TIMEOUT"),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"{condition.ids} LIMIT {_FEW + 1}", condition.values)
        few = [pk for (pk,) in cursor.fetchall()]
    if len(few) <= _FEW:
        return chosen.filter(
            pk__in=few or [_NONE]
        )  # asked for all the same: nothing found is no answer of a broken one
    return chosen.filter(RawSQL(condition.each, condition.values, BooleanField()))


_TAGGED = "SELECT image_id FROM repository_image_tag WHERE value = %s"
_CUSTOM = "SELECT image_id FROM repository_image_custom WHERE name = %s AND value = %s"
_COLLECTED = "SELECT image_id FROM repository_membership WHERE collection_id = %s"
_BEGUN = "SELECT id FROM repository_image WHERE ident >= %s AND ident < %s"
_MATCHED = "SELECT rowid FROM repository_image_search WHERE repository_image_search MATCH %s"
_MATCHED_ON_POSTGRESQL = (
    "SELECT id FROM repository_image WHERE repository_search_words(" + WORDS_OF + ") @@ to_tsquery('simple', %s)"
)


def _is_letter(word: str) -> bool:
    """Half of all images have a word that begins with it. A sign of a script without spaces is another matter."""
    return len(word) == 1 and word.isascii()


def _unaccented(text: str) -> list[str]:
    """Words as PostgreSQL's index has them: see the migration that makes it."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return re.findall(r"[^\W_]+", plain.lower())
