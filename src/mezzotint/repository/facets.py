"""What the found images have in common, and how many they are: of the first `MOST` of them, so that it costs the same
for a million."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet
from django.db.models.fields.json import KeyTransform

from mezzotint.repository import dates, image_fields
from mezzotint.repository.models import Image, Membership
from mezzotint.repository.patience import patient
from mezzotint.repository.readers import Reader
from mezzotint.wiring import engine

MOST = 5_000
SHOWN = 12
"""values of each facet, the most frequent ones"""

_VAGUE = 100
"""years; who knows no better than that says nothing of a year"""

Values = list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Facets:
    """`count` is at most MOST + 1, which means more. Values, the frequent ones first, years in order, with how many
    images have each; `collections` are slugs, with their `titles`."""

    count: int
    collections: Values
    titles: dict[str, str]
    tags: Values
    creators: Values
    years: Values
    formats: Values
    orientations: Values
    own: dict[str, Values]
    """of those of the installation's own fields that are facets"""


def of(chosen: QuerySet[Image], reader: Reader) -> Facets:
    """Raises GivenUp."""
    with patient(engine().settings.search_timeout, "MEZZOTINT_SEARCH_TIMEOUT"):
        columns = ("pk", "creator", "captured_first", "format", "width", "height", "tags", "captured_last")
        own = [(name, KeyTransform(field.name, "custom")) for name, field in image_fields.own().items() if field.facet]
        rows = list(chosen.order_by("-added", "-ident").values_list(*columns, *(key for _, key in own))[: MOST + 1])
        total, rows = len(rows), rows[:MOST]
        slugs, titles = _collections([row[0] for row in rows], reader)
    return Facets(
        total,
        slugs,
        titles,
        _frequent(str(tag) for row in rows for tag in row[6]),
        _frequent(row[1] for row in rows if row[1]),
        sorted(_frequent(year for row in rows for year in _years(row[2], row[7]))),
        _frequent(row[3] for row in rows),
        _frequent(orientation(row[4], row[5]) for row in rows),
        {
            name: _frequent(text for row in rows for text in _texts(row[place]))
            for place, (name, _) in enumerate(own, len(columns))
        },
    )


def orientation(width: int, height: int) -> str:
    """One of `filters.ORIENTATIONS`."""
    return "landscape" if width > height else "portrait" if width < height else "square"


def _years(first: str, last: str) -> list[str]:
    """Those that a picture may be of, where that is not anything; of four digits."""
    found = dates.years((first, last))
    return [f"{year:04d}" for year in found if 0 <= year <= 9999] if len(found) <= _VAGUE else []


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def _frequent(values: Iterable[str]) -> Values:
    return sorted(Counter(values).items(), key=lambda one: (-one[1], one[0]))[:SHOWN]


def _collections(keys: Sequence[int], reader: Reader) -> tuple[Values, dict[str, str]]:
    joined = Membership.objects.filter(image__in=keys, collection__in=reader.collections()).order_by()
    counted = joined.values_list("collection__slug", "collection__title").annotate(number=Count("pk"))
    rows = [(str(row[0]), str(row[1]), int(row[2])) for row in counted.order_by("-number", "collection__slug")[:SHOWN]]
    return [(slug, number) for slug, _, number in rows], {slug: title for slug, title, _ in rows}
