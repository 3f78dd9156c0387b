"""Who else refers to bases, beside the repository itself. The rooms above register what they know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from django.db.models import QuerySet

_PAGE = 5000


class References(Protocol):
    def refresh(self) -> None:
        """Know of everything that there is now, before a plan is made."""

    def complete(self) -> None:
        """Know of everything that there was when this database began, which may be all that it knows nothing of."""

    def want(self, ident: str) -> bool: ...

    def idents(self) -> Iterator[str]:
        """In order, each once, in memory that does not grow."""


_others: list[References] = []


def each_ident(rows: QuerySet[Any]) -> Iterator[str]:
    """Of these rows, in order, each once. In pages: a cursor that stays open would keep others' writes out."""
    idents, last = rows.order_by("ident").values_list("ident", flat=True).distinct(), ""
    while page := list(idents.filter(ident__gt=last)[:_PAGE]):
        yield from page
        last = page[-1]


def register(references: References) -> None:
    _others.append(references)


def refresh() -> None:
    for one in _others:
        one.refresh()


def complete() -> None:
    for one in _others:
        one.complete()


def want(ident: str) -> bool:
    return any(one.want(ident) for one in _others)


def idents() -> list[Iterator[str]]:
    """One iterator of each."""
    return [one.idents() for one in _others]
