"""What is beside the pictures that were found: how many, what narrows them down, what was asked, and their order."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.utils.translation import gettext

from mezzotint.errors import GivenUp
from mezzotint.repository import facets, image_fields
from mezzotint.repository.models import Image
from mezzotint.repository.readers import Reader

Asked = dict[str, str]
_FIRST = "-added"
_ORDERS = {
    _FIRST: "newest first",
    "added": "oldest first",
    "title": "by title",
    "captured": "by date",
    "-captured": "latest date first",
    "-width": "widest first",
}
_LABELS = {
    "search": "words",
    "captured_after": "from",
    "captured_before": "before",
    "min_width": "at least so wide",
    "min_height": "at least so high",
}


def context(asked: Asked, order: str, chosen: QuerySet[Image], reader: Reader) -> dict[str, Any]:
    """Without numbers, where finding them takes too long."""
    try:
        found = facets.of(chosen, reader)
    except GivenUp:
        found = None
    return {
        "count": _count(found.count) if found is not None else "",
        "facets": _facets(asked, order, found) if found is not None else [],
        "chosen": [
            (
                _label(name),
                _in_words(name, value),
                _query({other: asked[other] for other in asked if other != name}, order),
            )
            for name, value in asked.items()
        ],
        "asked": [(name, value) for name, value in asked.items() if name != "search"],
        "orders": [(name, gettext(label), name == order) for name, label in _ORDERS.items()],
    }


def _label(name: str) -> str:
    """Of a filter, in the visitor's language."""
    own = image_fields.own().get(name)
    return image_fields.called(own) if own is not None else gettext(_LABELS.get(name, name))


def _count(number: int) -> str:
    if number > facets.MOST:
        return gettext("more than %(most)s") % {"most": f"{facets.MOST:,}"}
    return f"{number:,}"


def _in_words(name: str, value: str) -> str:
    """What is one of few words, in the visitor's language."""
    return gettext(value) if name == "orientation" else value


def _facets(asked: Asked, order: str, found: facets.Facets) -> list[dict[str, Any]]:
    """Each with its values: what they are called, how many, and the query that they lead to."""

    def narrowed(name: str, values: facets.Values, titles: dict[str, str] | None = None) -> list[tuple[str, int, str]]:
        return [
            ((titles or {}).get(value) or _in_words(name, value), number, _query(asked | {name: value}, order))
            for value, number in values
        ]

    years = [
        (year, number, _query(asked | {"captured_after": year, "captured_before": f"{int(year) + 1:04d}"}, order))
        for year, number in found.years
        if year.isdecimal() and int(year) < 9999
    ]
    groups = [
        ("Collections", "collection", narrowed("collection", found.collections, found.titles)),
        ("Tags", "tag", narrowed("tag", found.tags)),
        ("Creators", "creator", narrowed("creator", found.creators)),
        ("Years", "captured_after", years),
        ("Shape", "orientation", narrowed("orientation", found.orientations)),
        ("Format", "format", narrowed("format", found.formats)),
    ]
    own = [(_label(name), name, narrowed(name, values)) for name, values in found.own.items()]
    return [
        {"label": label, "values": values}
        for label, name, values in [*((gettext(label), *rest) for label, *rest in groups), *own]
        if name not in asked and len(values) > 1
    ]


def kept(asked: Asked, order: str) -> Asked:
    """What an address has to say to ask the same in the same order."""
    return asked | ({"ordering": order} if order != _FIRST else {})


def _query(asked: Asked, order: str) -> str:
    return urlencode(kept(asked, order))
