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
from mezzotint.host.files import CHUNK, full_is_told, place, temporary
from mezzotint.wiring import engine

KEPT = 7 * 86_400
"""seconds after its last byte until an upload is forgotten"""
MOST_UNFINISHED = 1000
"""of a session"""
_ABOUT, _BYTES, _DONE = ".json", ".bytes", "done"
_NOW_AND_THEN = 3600.0
_forgotten = 0.0
"""when old ones are looked for again, on the monotonic clock of this process"""


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

    def path(self, end: str, *, done: bool = False) -> Path:
        return _path(self.session, self.id, end, done=done)

    @property
    def expires(self) -> float:
        with suppress(FileNotFoundError):
            return self.path(_ABOUT, done=self.became is not None).stat().st_mtime + KEPT
        return time.time()


def begin(session: uuid.UUID, name: str, length: int, fields: dict[str, Any], collections: dict[str, str]) -> Partial:
    """Raises NotAnImage, TooManyBytes, Conflict, StorageFull."""
    if length == 0:
        raise NotAnImage("file", "is empty", "a picture")
    most = engine().settings.max_upload
    if length > most:
        raise TooManyBytes("Upload-Length", f"is {length}", f"{most} bytes, MEZZOTINT_MAX_UPLOAD")
    _forget_old_now_and_then()
    if sum(path.suffix == _ABOUT for path in _entries(_directory(session))) >= MOST_UNFINISHED:
        raise Conflict(f"{MOST_UNFINISHED} uploads of this session are not whole yet: finish some, or give them up")
    begun = Partial(uuid.uuid4(), str(session), name, length, 0, fields, collections)
    _write_down(begun)
    return begun


def find(session: uuid.UUID, upload: uuid.UUID) -> Partial:
    """Raises NotFound."""
    for done in (True, False):
        with suppress(FileNotFoundError):
            about = json.loads(_path(session, upload, _ABOUT, done=done).read_bytes())
            offset = about["length"] if done else _size(_path(session, upload, _BYTES))
            return Partial(**about | {"id": upload, "offset": offset})
    raise NotFound(f"there is no upload {upload} in session {session}")


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def append(found: Partial, offset: int, stream: Readable) -> Partial:
    """What `stream` has, from `offset` on. Raises NotFound, Conflict, InvalidInput, StorageFull."""
    with _alone(found):
        found = find(uuid.UUID(found.session), found.id)
        if offset != found.offset:
            raise Conflict(f"the upload is at byte {found.offset}, and this begins at {offset}", {"offset": []})
        if found.became is not None:
            return found
        with full_is_told("an upload"), open(found.path(_BYTES), "ab") as written:
            while chunk := stream.read(CHUNK):
                if offset + len(chunk) > found.length:
                    raise InvalidInput("body", "has more than the upload's length", f"{found.length} bytes in all")
                written.write(chunk)
                offset += len(chunk)
        os.utime(found.path(_ABOUT))
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
            _remove(found)
            raise
        done = replace(found, offset=found.length, became=became)
        _write_down(done)
        _remove(found)
        return done


def forget(found: Partial) -> None:
    """Raises Conflict while it is being sent."""
    with _alone(found):
        _remove(found)
        found.path(_ABOUT, done=True).unlink(missing_ok=True)


def forget_old(now: float | None = None) -> None:
    """What nobody has gone on with for `KEPT` seconds, and what such sessions were."""
    until = (time.time() if now is None else now) - KEPT
    for session in _entries(_root()):
        for directory in (session / _DONE, session):
            for path in _entries(directory):
                with suppress(FileNotFoundError, IsADirectoryError, PermissionError):
                    if path.stat().st_mtime < until:
                        path.unlink()
            with suppress(OSError):  # there is something in it
                directory.rmdir()


def waiting(session: uuid.UUID) -> Iterator[Partial]:
    """Those of a session that are not whole yet."""
    for path in sorted(_entries(_directory(session))):
        if path.suffix == _ABOUT:
            with suppress(NotFound, ValueError):
                yield find(session, uuid.UUID(path.stem))


def _forget_old_now_and_then() -> None:
    global _forgotten
    if time.monotonic() >= _forgotten:
        _forgotten = time.monotonic() + _NOW_AND_THEN
        forget_old()


def _kept(found: Partial) -> Base:
    with engine().bases.spool() as spool:
        try:
            stream = open(found.path(_BYTES), "rb")  # noqa: SIM115  closed below
        except FileNotFoundError:
            raise NotAnImage("file", "is empty", "a picture") from None
        with stream:
            while chunk := stream.read(CHUNK):
                spool.write(chunk)
        return engine().bases.keep(spool)


@contextmanager
def _alone(found: Partial) -> Iterator[None]:
    """Raises Conflict."""
    with engine().host.locks.attempt(f"upload {found.id}") as held:
        if not held:
            raise Conflict("this upload is being sent already: ask how far it is, and go on then")
        yield


def _write_down(found: Partial) -> None:
    about = {name: value for name, value in asdict(found).items() if name not in {"id", "offset"}}
    target = found.path(_ABOUT, done=found.became is not None)
    with full_is_told("an upload"), temporary(target.parent, durable=False) as (part, stream):
        stream.write(json.dumps(about).encode())
        stream.flush()
        place(part, target, durable=False)


def _remove(found: Partial) -> None:
    for end in (_BYTES, _ABOUT):
        found.path(end).unlink(missing_ok=True)


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _entries(directory: Path) -> list[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return list(directory.iterdir())
    return []


def _path(session: uuid.UUID | str, upload: uuid.UUID, end: str, *, done: bool = False) -> Path:
    directory = _directory(session)
    return (directory / _DONE if done else directory) / f"{upload}{end}"


def _directory(session: uuid.UUID | str) -> Path:
    return _root() / str(session)


def _root() -> Path:
    return engine().settings.data / "uploads"
