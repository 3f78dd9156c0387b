"""Uploads that may be broken off and gone on with: what has come so far, in files of this host.

A file's size is how much has come, whatever an earlier request was told, so a killed process or a browser that went
away costs no more than what it was sending. One that is whole is taken into its session, and what became of it can be
asked for until it is forgotten.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from mezzotint.derivatives import Base
from mezzotint.errors import Conflict, InvalidInput, NotAnImage, NotFound, TooManyBytes
from mezzotint.host.files import CHUNK, full_is_told, make_directory, place, temporary
from mezzotint.wiring import engine

KEPT = 7 * 86_400
"""seconds after its last byte until an upload is forgotten"""
_ABOUT, _BYTES = ".json", ".bytes"


@dataclass(frozen=True, slots=True)
class Partial:
    """An upload to `session`: `length` bytes in all, `offset` of them here; `became` is what was made of it."""

    id: uuid.UUID
    session: str
    name: str
    length: int
    offset: int
    fields: dict[str, Any]
    collections: dict[str, str]
    became: dict[str, Any] | None = None

    @property
    def expires(self) -> float:
        with suppress(FileNotFoundError):
            return _path(self.id, _ABOUT).stat().st_mtime + KEPT
        return time.time()


def begin(session: uuid.UUID, name: str, length: int, fields: dict[str, Any], collections: dict[str, str]) -> Partial:
    """Raises NotAnImage, TooManyBytes, StorageFull."""
    if length == 0:
        raise NotAnImage("file", "is empty", "a picture")
    most = engine().settings.max_upload
    if length > most:
        raise TooManyBytes("Upload-Length", f"is {length}", f"{most} bytes, MEZZOTINT_MAX_UPLOAD")
    forget_old()
    begun = Partial(uuid.uuid4(), str(session), name, length, 0, fields, collections)
    _write_down(begun)
    return begun


def find(session: uuid.UUID, upload: uuid.UUID) -> Partial:
    """Raises NotFound."""
    with suppress(FileNotFoundError):
        about = json.loads(_path(upload, _ABOUT).read_bytes())
        if about["session"] == str(session):
            offset = about["length"] if about["became"] else _size(_path(upload, _BYTES))
            return Partial(**about | {"id": upload, "offset": offset})
    raise NotFound(f"there is no upload {upload} in session {session}")


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def append(found: Partial, offset: int, stream: Readable) -> Partial:
    """What `stream` has, from `offset` on. Raises Conflict, InvalidInput, StorageFull."""
    with _alone(found):
        found = find(uuid.UUID(found.session), found.id)
        if offset != found.offset:
            raise Conflict(f"the upload is at byte {found.offset}, and this begins at {offset}", {"offset": []})
        if found.became is not None:
            return found
        with full_is_told("an upload"), open(_path(found.id, _BYTES), "ab") as written:
            while chunk := stream.read(CHUNK):
                if offset + len(chunk) > found.length:
                    raise InvalidInput("body", "has more than the upload's length", f"{found.length} bytes in all")
                written.write(chunk)
                offset += len(chunk)
        os.utime(_path(found.id, _ABOUT))
        return replace(found, offset=offset)


def finish(found: Partial, take: Callable[[Base], dict[str, Any]]) -> Partial:
    """Make a base of one that is whole, for `take` to put into its session. One that is refused is forgotten.

    Raises what its bytes deserve.
    """
    with _alone(found):
        found = find(uuid.UUID(found.session), found.id)
        if found.became is not None:
            return found
        try:
            became = take(_kept(found))
        except InvalidInput:
            forget(found)
            raise
        done = replace(found, offset=found.length, became=became)
        _write_down(done)
        _path(found.id, _BYTES).unlink(missing_ok=True)
        return done


def forget(found: Partial) -> None:
    for end in (_ABOUT, _BYTES):
        _path(found.id, end).unlink(missing_ok=True)


def forget_old(now: float | None = None) -> None:
    """What nobody has gone on with for `KEPT` seconds."""
    until = (time.time() if now is None else now) - KEPT
    with suppress(FileNotFoundError):
        for entry in os.scandir(_directory()):
            with suppress(FileNotFoundError):
                if entry.stat().st_mtime < until:
                    Path(entry.path).unlink()


def waiting(session: uuid.UUID) -> Iterator[Partial]:
    """Those of a session that are not whole yet."""
    with suppress(FileNotFoundError):
        for path in sorted(_directory().glob(f"*{_ABOUT}")):
            with suppress(NotFound, ValueError):
                found = find(session, uuid.UUID(path.stem))
                if found.became is None:
                    yield found


def _kept(found: Partial) -> Base:
    with engine().bases.spool() as spool, suppress(FileNotFoundError), open(_path(found.id, _BYTES), "rb") as stream:
        while chunk := stream.read(CHUNK):
            spool.write(chunk)
        return engine().bases.keep(spool)
    raise InvalidInput("file", "is empty", "a picture")


@contextmanager
def _alone(found: Partial) -> Iterator[None]:
    """Raises Conflict."""
    with engine().host.locks.attempt(f"upload {found.id}") as held:
        if not held:
            raise Conflict("this upload is being sent already: ask how far it is, and go on then")
        yield


def _write_down(found: Partial) -> None:
    about = {name: value for name, value in asdict(found).items() if name not in {"id", "offset"}}
    with full_is_told("an upload"), temporary(_directory(), durable=False) as (part, stream):
        stream.write(json.dumps(about).encode())
        stream.flush()
        place(part, _path(found.id, _ABOUT), durable=False)


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _path(upload: uuid.UUID, end: str) -> Path:
    return _directory() / f"{upload}{end}"


def _directory() -> Path:
    directory = engine().settings.data / "uploads"
    make_directory(directory, durable=False)
    return directory
