"""Folders of pictures into the repository: in parallel, in batches, one broken file costing only itself."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mezzotint.errors import InvalidInput
from mezzotint.host.files import CHUNK
from mezzotint.names.formats import EXTENSIONS
from mezzotint.repository import metadata, queries, services
from mezzotint.repository.services import Addition
from mezzotint.wiring import engine

BATCH = 500
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Refusal:
    path: Path
    why: str


@dataclass
class IngestReport:
    new: int = 0
    known: int = 0
    refused: list[Refusal] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)


class Table:
    """Metadata from a CSV file: a `file` column (name, or path below the folder) and columns named as fields."""

    def __init__(self, path: Path) -> None:
        """Raises InvalidInput for a file that is no such table."""
        try:
            with open(path, newline="", encoding="utf-8-sig") as stream:
                reader = csv.DictReader(stream, strict=True)
                columns = [name.strip().lower() for name in reader.fieldnames or []]
                self._check_columns(columns)
                reader.fieldnames = columns
                self._rows: dict[str, dict[str, str]] = {}
                for values in reader:
                    if None in values:
                        raise InvalidInput(
                            "metadata",
                            f"line {reader.line_num} has more columns than the header",
                            "quote what has commas in it",
                        )
                    row = {name: (value or "").strip() for name, value in values.items()}
                    self._rows[row.pop("file", "")] = row
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InvalidInput(
                "metadata", f"{path} cannot be read: {error}", "CSV in UTF-8 with a header line"
            ) from None

    def fields(self, path: Path, root: Path) -> metadata.Fields:
        """The checked fields for a file; none where the table has no row for it. Raises InvalidInput."""
        relative = str(path.relative_to(root)) if path.is_relative_to(root) else path.name
        row = self._rows.get(relative, self._rows.get(path.name, {}))
        return metadata.clean_image({name: value for name, value in row.items() if value})

    @staticmethod
    def _check_columns(columns: list[str]) -> None:
        known = {"file", *metadata.IMAGE_FIELDS}
        unknown = [name for name in columns if name not in known]
        if "file" not in columns or unknown:
            detail = f"has the unknown column {unknown[0]!r}" if unknown else "has no column `file`"
            raise InvalidInput("metadata", detail, "file " + " ".join(metadata.IMAGE_FIELDS))


def find_files(paths: Sequence[Path]) -> tuple[list[tuple[Path, Path]], int]:
    """(file, the folder it was found in) for each picture below `paths`, and how many
    other files were left out. Files that are named themselves are taken whatever they are called."""
    found: list[tuple[Path, Path]] = []
    others = 0
    for path in paths:
        if not path.is_dir():
            found.append((path, path.parent))
            continue
        for file in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if hidden or not file.is_file():
                continue
            if file.suffix.lower().removeprefix(".") in EXTENSIONS:
                found.append((file, path))
            else:
                others += 1
    return found, others


def ingest(
    files: Sequence[tuple[Path, Path]],
    by: str,
    collection: str | None = None,
    table: Table | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> IngestReport:
    """Add `files`, committing every BATCH of them. Stopped and started again it goes on:
    what is in already is known by its hash. `progress` is told of bytes read.

    Raises StorageFull and the like, which concern every file; what concerns one
    file is in the report.
    """
    collections = {collection.strip(): collection.strip()} if collection and metadata.clean_slug(collection) else {}
    report = IngestReport()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="ingest") as threads:
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            taken = threads.map(lambda file: _take(file[0], file[1], table, collections, progress), batch)
            _commit(list(taken), by, report)
    return report


def _take(
    path: Path, root: Path, table: Table | None, collections: dict[str, str], progress: Callable[[int], None]
) -> Addition | Refusal:
    """Store one file's bytes and check its metadata."""
    try:
        named = {"title": services.short(path.stem.replace("_", " "), "title")}
        fields = named | (table.fields(path, root) if table else {})
        with open(path, "rb") as stream:
            base = engine().bases.add(_chunks(stream, progress))
    except InvalidInput as error:
        return Refusal(path, str(error))
    except OSError as error:
        return Refusal(path, f"file: cannot be read, {error.strerror}")
    return Addition(base, fields, collections)


def _chunks(stream: BinaryIO, progress: Callable[[int], None]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        progress(len(chunk))
        yield chunk


def _commit(taken: list[Addition | Refusal], by: str, report: IngestReport) -> None:
    report.refused += [one for one in taken if isinstance(one, Refusal)]
    additions = [one for one in taken if isinstance(one, Addition)]
    live = queries.live_idents(addition.base.ident for addition in additions)
    if all(addition.base.ident in live and not addition.collections for addition in additions):
        report.known += len(additions)
        return
    uploads, done = services.at_once(by, lambda session: services.add_images(session, additions), "ingest")
    idents = {upload.ident for upload in uploads if not upload.known}
    report.new += len(idents)
    report.known += len(uploads) - len(idents)
    report.commits.append(done.seq)
