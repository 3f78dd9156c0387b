"""A file of rows, edited by people, held against what is there: what would change, and what is wrong with it.

A column that is not there changes nothing; a cell that is empty empties its field. A row that is wrong costs only
itself.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mezzotint.errors import InvalidInput
from mezzotint.names.ident import is_ident
from mezzotint.repository import metadata, services
from mezzotint.repository.intake.table import decoded, separator_of
from mezzotint.repository.models import Commit, Image
from mezzotint.repository.spreadsheets.exporting import COLUMNS

BY = ("ident", "title", "source")
_AT_ONCE = 500


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
    rows, columns = _read(data, name)
    if by not in columns:
        raise InvalidInput("file", f"has no column {by!r}", " ".join(COLUMNS))
    found = Plan()
    described: dict[str, int] = {}
    for start in range(0, len(rows), _AT_ONCE):
        _look(rows[start : start + _AT_ONCE], by, found, described)
    return found


def put_in(plan: Plan, by: str, note: str) -> Commit | None:
    """Commit what is planned, all of it at once. Raises Conflict where somebody else was quicker."""
    if not plan.edits:
        return None
    _, done = services.at_once(by, lambda session: services.edit_images(session, _steps(plan.edits)), note)
    return done


def _steps(edits: Sequence[Edit]) -> list[tuple[str, int, metadata.Fields]]:
    return [(edit.ident, edit.version, edit.new) for edit in edits]


def _look(rows: Sequence[_Row], by: str, found: Plan, described: dict[str, int]) -> None:
    keys = {str(row.values[by]) for row in rows if row.values[by]}
    meant: dict[str, list[Image]] = {}
    for image in Image.objects.filter(**{f"{by}__in": keys}):
        meant.setdefault(getattr(image, by), []).append(image)
    for row in rows:
        key = str(row.values[by])
        images = meant.get(key, [])
        if len(images) != 1:
            found.wrong.append(f"line {row.line}: {_why(by, key, len(images))}")
        elif (image := images[0]).ident in described:
            found.wrong.append(f"line {row.line}: {key!r:.80} was described in line {described[image.ident]}")
        else:
            described[image.ident] = row.line
            _compare(row, image, found)


def _why(by: str, key: str, count: int) -> str:
    if count:
        return f"{by} {key!r:.80} is that of {count} images"
    if not key:
        return f"{by} is empty"
    if by == "ident" and not is_ident(key):
        return f"ident {key!r:.80} is none: 64 lowercase hexadecimal digits"
    return f"there is no image of {by} {key!r:.80}"


def _compare(row: _Row, image: Image, found: Plan) -> None:
    old, new = metadata.Fields(), metadata.Fields()
    seen = _version(row, image, found)
    if seen is None:
        return
    for name, value in row.values.items():
        if name not in metadata.IMAGE_FIELDS:
            continue
        try:
            cleaned = metadata.clean_image({name: value})[name]
        except InvalidInput as error:
            found.wrong.append(f"line {row.line}: {error}; left out")
            continue
        before = getattr(image, name)
        if cleaned == before:
            continue
        if image.field_versions.get(name, 1) > seen:
            found.wrong.append(f"line {row.line}: {name} was changed by somebody else since; left out")
            continue
        old[name], new[name] = before, cleaned
    if new:
        found.edits.append(Edit(row.line, image.ident, image.title, image.version, old, new))
    else:
        found.same += 1


def _version(row: _Row, image: Image, found: Plan) -> int | None:
    """That the row was made of; today's where it says none."""
    given = row.values.get("version", "")
    if given in ("", None):
        return image.version
    try:
        return metadata.clean_version(given)
    except InvalidInput as error:
        found.wrong.append(f"line {row.line}: {error}")
        return None


def read_file(path: Path) -> bytes:
    """Raises InvalidInput."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput("file", f"{path} cannot be read: {error.strerror}", "CSV or JSON") from None


def _read(data: bytes, name: str) -> tuple[list[_Row], list[str]]:
    try:
        text = decoded(data)
    except UnicodeDecodeError as error:
        raise InvalidInput("file", f"is not of UTF-8, UTF-16 or Windows-1252: {error}", "CSV or JSON") from None
    looks_like_json = text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE} \r\n\t").startswith(("[", "{"))
    rows = list(_json_rows(text) if looks_like_json else _csv_rows(text))
    columns = list(dict.fromkeys(name for row in rows for name in row.values))
    unknown = [name for name in columns if name not in {*COLUMNS}]
    if unknown:
        raise InvalidInput("file", f"{name} has the unknown column {unknown[0]!r:.80}", " ".join(COLUMNS))
    if not rows:
        raise InvalidInput("file", f"{name} has no rows", "a line of column names, and a line for each image")
    return rows, columns


def _csv_rows(text: str) -> Iterator[_Row]:
    text = text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator_of(text))
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        double = next((name for name in columns if columns.count(name) > 1), None)
        if double is not None:
            raise InvalidInput("file", f"has the column {double!r:.80} twice", "each once")
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if len(values) != len(columns):
                detail = f"line {reader.line_num} has {len(values)} columns, the first line {len(columns)}"
                raise InvalidInput("file", detail, "as many in each; quote what has the separator in it")
            yield _Row(reader.line_num, {name: _cell(name, value) for name, value in zip(columns, values, strict=True)})
    except csv.Error as error:
        raise InvalidInput("file", f"is no CSV: line {reader.line_num}: {error}", "CSV or JSON") from None


def _cell(name: str, value: str) -> Any:
    """Tags with commas in them are written as JSON."""
    text = value.strip()
    if name in metadata.FIELDS and metadata.FIELDS[name].many and text.startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _json_rows(text: str) -> Iterator[_Row]:
    try:
        found = json.loads(text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput("file", f"is no JSON: {error}", "a list of objects") from None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidInput("file", "is JSON, but no list of objects", "a list of objects, as an export has it")
    for number, one in enumerate(found, 1):
        yield _Row(number, {str(name): value for name, value in one.items()})
