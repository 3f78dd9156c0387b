"""Descriptions from a CSV file, row by file."""

from __future__ import annotations

import codecs
import csv
import io
import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mezzotint.errors import InvalidInput
from mezzotint.repository import image_fields, metadata

_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")
_SEPARATORS = ",;\t"
File = tuple[Path, Path]
"""and the folder it was found in"""


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    file: str
    fields: dict[str, str]


@dataclass
class Described:
    """Which row is whose, and what is wrong with rows, each a sentence that begins with its line."""

    rows: dict[Path, Row] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def fields(self, path: Path) -> tuple[metadata.Fields, list[str]]:
        """The checked fields for a file, and why others are left out: a date that is uncertain costs only itself."""
        row, fields, wrong = self.rows.get(path), metadata.Fields(), []
        for name, value in (row.fields if row is not None else {}).items():
            try:
                fields |= image_fields.clean({name: value}) if value else {}
            except InvalidInput as error:
                assert row is not None
                wrong.append(f"line {row.line}: {error}; left out")
        return fields, wrong


class Table:
    """A column `file`, and columns that are named as fields. Comma, semicolon or tab; UTF-8, UTF-16 or Windows-1252."""

    def __init__(self, path: Path) -> None:
        """Raises InvalidInput for a file that is no such table."""
        try:
            text = decoded(path.read_bytes())
            self._rows = list(_rows(text))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InvalidInput("metadata", f"{path} cannot be read: {error}", "CSV with a header line") from None

    def match(self, files: Sequence[File]) -> Described:
        """By its path; by its name alone only where that is one file's and one row's."""
        found, by_path, by_name = Described(), defaultdict[str, set[Path]](set), defaultdict[str, set[Path]](set)
        same: dict[Path, Path] = {}
        """a file that is found twice is one"""
        for file, root in files:
            first = same.setdefault(file.resolve(), file)
            for spelling in _spellings(file, root):
                by_path[spelling].add(first)
            by_name[_plain(file.name)].add(first)
        rows_of_name = defaultdict[str, int](int)
        for row in self._rows:
            rows_of_name[_plain(row.file)] += 1
        for row in self._rows:
            plain = _plain(row.file)
            meant = by_path[plain]
            if not meant and "/" not in plain and rows_of_name[plain] == 1:
                meant = by_name[plain]
            path = next(iter(meant)) if len(meant) == 1 else None
            if path is None:
                many = max(len(meant), len(by_name[plain]))
                why = f"may be any of {many} files; give its path" if many > 1 else "is none of these files"
                found.wrong.append(f"line {row.line}: {row.file!r} {why}")
            elif path in found.rows:
                found.wrong.append(f"line {row.line}: {row.file!r} was described in line {found.rows[path].line}")
            else:
                found.rows[path] = row
        return found


def _spellings(path: Path, root: Path) -> set[str]:
    """Below the folder that was named, with that folder's own name, as it was given, and absolute."""
    below = path.relative_to(root)
    return {_plain(str(one)) for one in (below, Path(root.resolve().name) / below, path, path.resolve())}


def _plain(name: str) -> str:
    """One spelling for `./a.jpg`, `a.jpg` and `.\\a.jpg`, composed and decomposed."""
    return posixpath.normpath(unicodedata.normalize("NFC", name.strip()).replace("\\", "/"))


def decoded(data: bytes, *, guessed: bool = True) -> str:
    """Text as people's programs write it: UTF-8, UTF-16, and, unless that is not to be `guessed`, Windows-1252. Raises
    UnicodeDecodeError."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    if b"\0" in data[:1000]:
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be")
    try:
        return data.decode()
    except UnicodeDecodeError:
        if not guessed:
            raise
        return data.decode("cp1252")


def separator_of(text: str) -> str:
    """Of CSV: what its first line has most of."""
    return max(_SEPARATORS, key=text.lstrip("\r\n").partition("\n")[0].count)


def _rows(text: str) -> list[Row]:
    separator = separator_of(text)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    columns = [name.strip().lower() for name in reader.fieldnames or []]
    _check_columns(columns)
    reader.fieldnames = columns
    rows = []
    for values in reader:
        if None in values:
            detail = f"line {reader.line_num} has more columns than the header"
            raise InvalidInput("metadata", detail, f"quote what has {separator!r} in it")
        fields = {name: (value or "").strip() for name, value in values.items()}
        rows.append(Row(reader.line_num, fields.pop("file"), fields))
    return rows


def _check_columns(columns: list[str]) -> None:
    known = {"file", *image_fields.known()}
    unknown = [name for name in columns if name not in known]
    if "file" not in columns or unknown:
        detail = f"has the unknown column {unknown[0]!r}" if unknown else "has no column `file`"
        raise InvalidInput("metadata", detail, "file " + " ".join(image_fields.known()))
