"""All images, or those that are chosen, as rows: of CSV for spreadsheets, of JSON for programs. Some rows are held,
however many there are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Prefetch, QuerySet

from mezzotint.repository import image_fields
from mezzotint.repository.models import Image
from mezzotint.repository.patience import patient
from mezzotint.repository.readers import EVERYTHING, Reader

FORMS = ("csv", "json")
_FACTS = ("width", "height", "format", "bytes")
_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""at the beginning, by which spreadsheets know UTF-8"""
_AT_ONCE, _PIECE, _SECONDS = 1000, 1 << 16, 30.0


def lines(form: str, chosen: QuerySet[Image], reader: Reader = EVERYTHING) -> Iterator[str]:
    """The file in pieces of some 64 kB: `csv`, or `json`, a list with an object in each line."""
    gathered, size = [], 0
    for line in _csv(chosen, reader) if form == "csv" else _json(chosen, reader):
        gathered.append(line)
        size += len(line)
        if size > _PIECE:
            yield "".join(gathered)
            gathered, size = [], 0
    yield "".join(gathered)


def columns() -> list[str]:
    return ["ident", *image_fields.known(), "collections", *_FACTS, "added", "version"]


def rows(chosen: QuerySet[Image], reader: Reader = EVERYTHING) -> Iterator[dict[str, Any]]:
    """By ident, with the collections that the reader sees. What is added or removed meanwhile may be there or not."""
    slugs = Prefetch("collections", reader.collections().order_by("slug").only("slug"))
    after, said, named = "", list(image_fields.known()), columns()
    while True:
        with patient(_SECONDS, "for 1,000 rows of an export"):
            following = chosen.filter(ident__gt=after).order_by("ident").defer("exif", "field_versions")
            some = list(following.prefetch_related(slugs)[:_AT_ONCE])
        for image in some:
            row: dict[str, Any] = {name: getattr(image, name) for name in ("ident", *_FACTS, "version")}
            row |= image_fields.values(image, said)
            row["collections"] = [one.slug for one in image.collections.all()]
            row["added"] = image.added.isoformat()
            yield {name: row[name] for name in named}
        if len(some) < _AT_ONCE:
            return
        after = some[-1].ident


def as_cell(value: Any) -> str:
    """A list as one text with commas; as JSON where one of its texts has a comma or would be taken for JSON."""
    if not isinstance(value, list):
        return str(value)
    plain = ", ".join(value)
    return json.dumps(value, ensure_ascii=False) if any("," in one for one in value) or plain.startswith("[") else plain


def _csv(chosen: QuerySet[Image], reader: Reader) -> Iterator[str]:
    yield _MARK + _line(columns())
    for row in rows(chosen, reader):
        yield _line([as_cell(value) for value in row.values()])


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def _json(chosen: QuerySet[Image], reader: Reader) -> Iterator[str]:
    between = "[\n"
    for row in rows(chosen, reader):
        yield between + json.dumps(row, ensure_ascii=False)
        between = ",\n"
    yield "[]\n" if between == "[\n" else "\n]\n"
