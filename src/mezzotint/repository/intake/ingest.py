"""Folders of pictures into the repository: in parallel, in batches, one broken file costing only itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mezzotint.errors import InvalidInput
from mezzotint.host.files import CHUNK
from mezzotint.names import Ident
from mezzotint.names.formats import EXTENSIONS
from mezzotint.repository import image_fields, metadata, services, slugs
from mezzotint.repository.intake import told
from mezzotint.repository.intake.table import Described, File
from mezzotint.repository.models import Image, UpdateSession
from mezzotint.repository.services import Addition
from mezzotint.settings import Settings
from mezzotint.wiring import engine

BATCH = 500
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Refusal:
    path: Path
    why: str


@dataclass
class IngestReport:
    """`idents` has every file that is in now; `wrong` is what is wrong with its table; `changed` counts those that were
    known and are described anew."""

    new: int = 0
    known: int = 0
    changed: int = 0
    refused: list[Refusal] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    idents: dict[Path, Ident] = field(default_factory=dict)
    commits: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Taken:
    path: Path
    addition: Addition
    described: metadata.Fields
    wrong: list[str]


def find_files(paths: Sequence[Path]) -> tuple[list[File], list[Refusal]]:
    """Each picture below `paths` with the folder it was found in, and what was left out, and why. Files that are named
    themselves are taken whatever they are called."""
    found: list[File] = []
    left: list[Refusal] = []
    accepted = Settings.read().accepted

    def unreadable(error: OSError) -> None:
        left.append(Refusal(Path(error.filename), f"a folder that cannot be read: {error.strerror}"))

    for path in paths:
        if not path.is_dir():
            found.append((path, path.parent))
            continue
        for folder, folders, files in os.walk(path, onerror=unreadable):
            links = [name for name in folders if Path(folder, name).is_symlink()]
            left += [Refusal(Path(folder, name), "a link to a folder") for name in sorted(links)]
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                file = Path(folder, name)
                if not name.startswith("."):
                    why = _left_out(file, accepted)
                    found += [(file, path)] if why is None else []
                    left += [Refusal(file, why)] if why is not None else []
    return found, left


def _left_out(file: Path, accepted: Collection[str]) -> str | None:
    """Why a file of a folder is not looked at; None where it is."""
    if not file.is_file():
        return "no file: a link that leads nowhere, or something else"
    named = EXTENSIONS.get(file.suffix.lower().removeprefix("."))
    if named is None:
        return "not called like a picture"
    return None if named in accepted else f"called like {named}, which is switched off here"


def ingest(
    files: Sequence[File],
    by: str,
    collection: str | None = None,
    described: Described | None = None,
    progress: Callable[[int], None] = lambda count: None,
    *,
    update: bool = False,
) -> IngestReport:
    """Add `files`, committing every BATCH of them. Stopped and started again it goes on:
    what is in already is known by its hash. `progress` is told of bytes read. With `update` those that are known get
    what the table says of them, too.

    Raises StorageFull and the like, which concern every file; what concerns one
    file is in the report.
    """
    collections = slugs.joined([collection] if collection else [])
    described = described or Described()
    report = IngestReport(wrong=list(described.wrong))
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="ingest") as threads:
        for start in range(0, len(files), BATCH):
            batch = [path for path, _ in files[start : start + BATCH]]
            taken = threads.map(lambda path: _take(path, described, collections, progress), batch)
            _commit(list(taken), by, report, update=update)
    return report


def _take(
    path: Path, described: Described, collections: dict[str, str], progress: Callable[[int], None]
) -> Taken | Refusal:
    """Store one file's bytes and check its metadata."""
    try:
        fields, wrong = described.fields(path)
        with open(path, "rb") as stream:
            base = engine().bases.add(_chunks(stream, progress))
    except InvalidInput as error:
        return Refusal(path, str(error))
    except OSError as error:
        return Refusal(path, f"file: cannot be read, {error.strerror}")
    return Taken(path, Addition(base, told.with_name(fields, path.name), collections), fields, wrong)


def _chunks(stream: BinaryIO, progress: Callable[[int], None]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        progress(len(chunk))
        yield chunk


def _commit(taken: list[Taken | Refusal], by: str, report: IngestReport, *, update: bool) -> None:
    report.refused += [one for one in taken if isinstance(one, Refusal)]
    files = [one for one in taken if isinstance(one, Taken)]
    report.wrong += [wrong for one in files for wrong in one.wrong]
    report.idents |= {one.path: one.addition.base.ident for one in files}
    live = Image.objects.in_bulk([one.addition.base.ident for one in files], field_name="ident")
    edits = {
        one.addition.base.ident: one.described
        for one in files
        if update and (image := live.get(one.addition.base.ident)) and _differs(image, one.described)
    }
    additions = [one.addition for one in files if one.addition.base.ident not in live or one.addition.collections]
    report.known += sum(one.addition.base.ident in live for one in files)
    if not additions and not edits:
        return

    def work(session: UpdateSession) -> list[services.Upload]:
        for ident, fields in edits.items():
            services.edit_image(session, ident, live[ident].version, fields)
        return services.add_images(session, additions)

    uploads, done = services.at_once(by, work, "ingest")
    new = {upload.ident for upload in uploads if not upload.known}
    report.new += len(new)
    report.known += sum(not upload.known for upload in uploads) - len(new)  # the same bytes twice
    report.changed += len(edits)
    report.commits.append(done.seq)


def _differs(image: Image, fields: metadata.Fields) -> bool:
    return any(image_fields.value(image, name) != value for name, value in fields.items())
