"""How the files of an SQLite database get lost, how that shows, and how they are removed for good."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mezzotint.files import open_shared

log = logging.getLogger(__name__)

_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP}
_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_REMOVED = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


def code_of(error: sqlite3.DatabaseError) -> int:
    """SQLite's extended result code; 0 for an error of the Python module itself, as of a closed connection."""
    return getattr(error, "sqlite_errorcode", 0)


def is_lack_of_room(error: sqlite3.DatabaseError) -> bool:
    return code_of(error) in _NO_ROOM


def is_damage(error: sqlite3.DatabaseError) -> bool:
    return code_of(error) & 0xFF in _DAMAGED


def is_loss(error: sqlite3.DatabaseError) -> bool:
    """The file is damaged, or was removed under it."""
    return is_damage(error) or code_of(error) & 0xFF in _REMOVED or "no such table" in str(error)


def is_read_only(error: sqlite3.DatabaseError) -> bool:
    """Whoever runs this may not write it; another file with its name does not say so."""
    return code_of(error) & 0xFF == sqlite3.SQLITE_READONLY and code_of(error) != sqlite3.SQLITE_READONLY_DBMOVED


def is_torn(error: sqlite3.DatabaseError) -> bool:
    """One of the files was removed, and another process holds the rest to what they were."""
    return code_of(error) == sqlite3.SQLITE_IOERR_SHORT_READ


def files_of(path: Path) -> list[Path]:
    """The three that SQLite keeps as long as a connection is open."""
    return [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]


def inodes_of(path: Path) -> list[int | None]:
    found: list[int | None] = []
    for file in files_of(path):
        try:
            found.append(file.stat().st_ino)
        except FileNotFoundError:
            found.append(None)
    return found


def remove(path: Path, why: object) -> None:
    log.warning("the cache's index was damaged and begins anew: %s", why)
    for file in files_of(path):
        file.unlink(missing_ok=True)


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """No other process opens or removes these files meanwhile."""
    descriptor = open_shared(path.with_name(f"{path.name}.lock"))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
