"""A file of rows, edited by people, held against what is there: what would change, and what is wrong with it.

A column that is not there changes nothing; a cell that is empty empties its field. A row that is wrong costs only
itself.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db.models import Count

from mezzotint.errors import InvalidInput
from mezzotint.names.ident import is_ident
from mezzotint.repository import image_fields, metadata, services
from mezzotint.repository.intake.table import decoded, separator_of
from mezzotint.repository.models import Commit, Image, Membership
from mezzotint.repository.spreadsheets.exporting import as_cell, columns

BY = ("ident", "title", "source")
_AT_ONCE = 500
_MOST, _MOST_OF_A_CELL = 512 << 20, 16 << 20
"""bytes of a file, which is held, and characters"""


@dataclass(frozen=True, slots=True)
class Edit:
    """What a row changes: the old values and the new ones of the fields that differ."""

    line: int
    ident: str
    title: str
    version: int
    old: metadata.Fields
    new: metadata.Fields


@dataclass
class Plan:
    """`wrong`: sentences that begin with their line; `same` rows say what is there already."""

    edits: list[Edit] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    same: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    values: dict[str, Any]


def plan(data: bytes, name: str, by: str = "ident") -> Plan:
    """What a file would change; `by` is the column by which its rows are found. Raises InvalidInput for a file that is
    no such table."""
    found, described, any_row = Plan(), dict[str, int](), False
    rows = _read(data, name, by)
    while some := list(itertools.islice(rows, _AT_ONCE)):
        any_row = True
        _look(some, by, found, described)
    if not any_row:
        raise InvalidInput("file", f"{name} has no rows", "a line of column names, and a line for each image")
    return found


def put_in(plan: Plan, by: str, note: str) -> Commit | None:
    """Commit what is planned, all of it at once. Raises Conflict where somebody else was quicker."""
    if not plan.edits:
        return None
    _, done = services.at_once(by, lambda session: services.edit_images(session, steps(plan.edits)), note)
    return done


def steps(edits: Sequence[Edit]) -> list[tuple[str, int, metadata.Fields]]:
    return [(edit.ident, edit.version, edit.new) for edit in edits]


def _look(rows: Sequence[_Row], by: str, found: Plan, described: dict[str, int]) -> None:
    keys, refused = dict[int, str](), dict[int, InvalidInput]()
    for row in rows:
        try:
            keys[row.line] = _key(row, by)
        except InvalidInput as error:
            refused[row.line] = error
    asked = Image.objects.filter(**{f"{by}__in": set(keys.values())})
    counts = dict(asked.order_by().values_list(by).annotate(Count("pk")))
    alone = [key for key, count in counts.items() if count == 1]
    images = {getattr(image, by): image for image in Image.objects.filter(**{f"{by}__in": alone})}
    slugs = _slugs(image.pk for image in images.values()) if any("collections" in row.values for row in rows) else {}
    for row in rows:
        if (key := keys.get(row.line)) is None:
            found.wrong.append(f"line {row.line}: {refused[row.line]}")
        elif (image := images.get(key)) is None:
            found.wrong.append(f"line {row.line}: {_why(by, key, counts.get(key, 0))}")
        elif image.ident in described:
            found.wrong.append(f"line {row.line}: {key!r:.80} was described in line {described[image.ident]}")
        else:
            described[image.ident] = row.line
            _compare(row, image, slugs.get(image.pk, []), found)


def _key(row: _Row, by: str) -> str:
    """Raises InvalidInput."""
    if by not in row.values:
        raise InvalidInput(by, "is missing", f"the image's own {by}")
    if by != "ident":
        key: str = metadata.FIELDS[by].clean(row.values[by])
        if not key:
            raise InvalidInput(by, "is empty", f"the image's own {by}")
        return key
    ident = row.values[by]
    if not isinstance(ident, str) or not is_ident(ident.strip()):
        raise InvalidInput(by, f"cannot be {ident!r:.80}", "64 lowercase hexadecimal digits")
    return ident.strip()


def _slugs(images: Iterable[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    through = Membership.objects.filter(image__in=list(images)).order_by("collection__slug")
    for image, slug in through.values_list("image", "collection__slug"):
        found[image].append(slug)
    return found


def _why(by: str, key: str, count: int) -> str:
    return f"{by} {key!r:.80} is that of {count:,} images" if count else f"there is no image of {by} {key!r:.80}"


def _compare(row: _Row, image: Image, slugs: list[str], found: Plan) -> None:
    old, new = metadata.Fields(), metadata.Fields()
    wrong: list[str] = []
    seen = _version(row, image, wrong)
    for name, value in row.values.items() if seen is not None else ():
        if name not in image_fields.known():
            if name not in {"ident", "version"} and _differs(name, value, image, slugs):
                wrong.append(f"{name} is not changed by describe; left out")
            continue
        try:
            cleaned = image_fields.clean({name: value})[name]
        except InvalidInput as error:
            wrong.append(f"{error}; left out")
            continue
        before = image_fields.value(image, name)
        if _same(cleaned) == _same(before):
            continue
        if image.field_versions.get(name, 1) > (seen or 0):
            wrong.append(f"{name} was changed by somebody else since; left out")
            continue
        old[name], new[name] = before, cleaned
    found.wrong += [f"line {row.line}: {why}" for why in wrong]
    if new:
        found.edits.append(Edit(row.line, image.ident, image.title, image.version, old, new))
    elif not wrong:
        found.same += 1


def _differs(name: str, value: Any, image: Image, slugs: list[str]) -> bool:
    """Of what an export has and nobody changes so; an empty cell says nothing of it."""
    is_now: Any = (
        slugs if name == "collections" else image.added.isoformat() if name == "added" else getattr(image, name)
    )
    return value not in ("", None) and value != is_now and as_cell(value) != as_cell(is_now)


def _same(value: Any) -> Any:
    """Programs for tables write other ends of lines, and other spellings of the same letters."""
    if not isinstance(value, str):
        return value
    return unicodedata.normalize("NFC", value.replace("\r\n", "\n").replace("\r", "\n").strip())


def _version(row: _Row, image: Image, wrong: list[str]) -> int | None:
    """That the row was made of; today's where it says none."""
    given = row.values.get("version", "")
    if given in ("", None):
        return image.version
    try:
        return metadata.clean_version(given)
    except InvalidInput as error:
        wrong.append(str(error))
        return None


def read_file(path: Path) -> bytes:
    """Raises InvalidInput."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(_MOST + 1)
    except OSError as error:
        raise InvalidInput("file", f"{path} cannot be read: {error.strerror}", "CSV or JSON") from None
    if len(data) > _MOST:
        raise InvalidInput("file", f"{path} is larger than that", f"{_MOST >> 20} MB; several files")
    return data


def _read(data: bytes, name: str, by: str) -> Iterator[_Row]:
    head = data[:100].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \r\n\t")
    is_json = head.startswith((b"[", b"{"))
    try:
        text = decoded(data, guessed=not is_json).lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")
    except UnicodeDecodeError as error:
        raise InvalidInput("file", f"{name} is no text: {error}", "CSV or JSON in UTF-8 or UTF-16") from None
    return _json_rows(text, name, by) if is_json else _csv_rows(text, name, by)


def _csv_rows(text: str, name: str, by: str) -> Iterator[_Row]:
    csv.field_size_limit(_MOST_OF_A_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator_of(text))
    try:
        columns = [column.strip().lower() for column in next(reader, [])]
        _check(columns, name, by)
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if len(values) != len(columns):
                detail = f"line {reader.line_num} has {len(values)} columns, the first line {len(columns)}"
                raise InvalidInput("file", detail, "as many in each; quote what has the separator in it")
            yield _Row(reader.line_num, {one: value.strip() for one, value in zip(columns, values, strict=True)})
    except csv.Error as error:
        raise InvalidInput("file", f"is no CSV: line {reader.line_num}: {error}", "CSV or JSON") from None


def _json_rows(text: str, name: str, by: str) -> Iterator[_Row]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("file", f"is no JSON: {error}", "a list of objects") from None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidInput("file", "is JSON, but no list of objects", "a list of objects, as an export has it")
    _check(list(dict.fromkeys(str(column) for one in found for column in one)), name, by)
    for number, one in enumerate(found, 1):
        yield _Row(number, one)


def _check(given: list[str], name: str, by: str) -> None:
    """Raises InvalidInput."""
    double = next((column for column in given if given.count(column) > 1), None)
    if double is not None:
        raise InvalidInput("file", f"{name} has the column {double!r:.80} twice", "each once")
    known = columns()
    unknown = next((column for column in given if column not in known), None)
    if unknown is not None:
        raise InvalidInput("file", f"{name} has the unknown column {unknown!r:.80}", " ".join(known))
    if given and by not in given:
        raise InvalidInput("file", f"{name} has no column {by!r}", " ".join(known))
