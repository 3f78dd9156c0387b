"""Pages of a list by keyset: a page costs the same at any depth, and what comes or goes between two pages makes nothing
appear twice or not at all."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs, urlencode

from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import BooleanField, F, Func, Model, QuerySet, Value

from mezzotint.errors import InvalidInput
from mezzotint.repository.patience import patient
from mezzotint.wiring import engine

DEFAULT_PAGE, MAX_PAGE = 50, 500
_BACK = "back"

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class ResultPage(Generic[M]):
    items: list[M]
    next: str | None
    """the cursor of the next page"""
    previous: str | None = None

    def around(self, asked: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
        """The queries that lead to the pages beside this one, with all that was asked; empty where there is none."""
        cursors = {"next": self.next, "previous": self.previous}
        return {name: urlencode({**asked, "cursor": cursor}) if cursor else "" for name, cursor in cursors.items()}


class _Beyond(Func):
    """`(field, tie) > (value, key)`, a row value: both databases find it by an index over the two."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, field: F, tie: F, value: Value, key: Value, sign: str) -> None:
        super().__init__(field, tie, value, key)
        self._sign = sign

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        parts = [compiler.compile(part) for part in self.source_expressions]
        (field, a), (tie, b), (value, c), (key, d) = parts
        return f"({field}, {tie}) {self._sign} ({value}, {key})", [*a, *b, *c, *d]


def page(chosen: QuerySet[M], ordering: str, cursor: str, size: int, tie: str = "ident") -> ResultPage[M]:
    """The page that begins at `cursor`, or ends there; `ordering` is a field, with `-` for the largest first.

    Raises InvalidInput, GivenUp.
    """
    field, descending = ordering.removeprefix("-"), ordering.startswith("-")
    try:
        where, back = _read_cursor(cursor) if cursor else (None, False)
        sign = "-" if descending != back else ""
        if where is not None:
            chosen = chosen.filter(_beyond(chosen.model, field, tie, where, "<" if sign else ">"))
        with patient(engine().settings.search_timeout, "MEZZOTINT_SEARCH_TIMEOUT"):
            items = list(chosen.order_by(f"{sign}{field}", f"{sign}{tie}")[: size + 1])
    except (ValidationError, ValueError, TypeError, RecursionError, OverflowError, DataError):
        raise InvalidInput("cursor", "is not one that this service gave out", "next of a page") from None
    more, items = len(items) > size, items[:size]
    if back:
        items.reverse()

    def at(item: M, *way: str) -> str:
        return _write_cursor(getattr(item, field), getattr(item, tie), *way)

    following = at(items[-1]) if items and (more or back) else None
    before = at(items[0], _BACK) if items and (more if back else where is not None) else None
    return ResultPage(items, following, before)


def page_size(text: str) -> int:
    if not text:
        return DEFAULT_PAGE
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_PAGE:
        raise InvalidInput("page_size", f"cannot be {text!r}", f"1 to {MAX_PAGE}")
    return int(text)


def cursor_of(text: str) -> str:
    """A cursor as it was given: by itself, as it stands in `next`, or as the whole of `next`."""
    return parse_qs(text.partition("?")[2]).get("cursor", [text])[0] if "://" in text else text


def _beyond(model: type[Model], field: str, tie: str, where: tuple[str | int, str | int], sign: str) -> _Beyond:
    columns: list[Any] = [model._meta.pk if name == "pk" else model._meta.get_field(name) for name in (field, tie)]
    value, key = (Value(column.to_python(part), column) for column, part in zip(columns, where, strict=True))
    return _Beyond(F(columns[0].name), F(columns[1].name), value, key, sign)


def _write_cursor(value: Any, key: Any, *way: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([value, key, *way], default=str).encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[tuple[str | int, str | int], bool]:
    """Where it is, and whether the page ends there. Raises ValueError, and what `json` raises."""
    value, key, *way = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    if way not in ([], [_BACK]):
        raise ValueError("another way")
    for part in (value, key):
        if isinstance(part, bool) or not isinstance(part, str | int) or (isinstance(part, int) and abs(part) >= 2**63):
            raise ValueError("neither a text nor a number of the database's")
    return (value, key), bool(way)
