"""One SQLite file for the processes of a host, whose loss costs time and nothing else."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from mezzotint.errors import StorageFull
from mezzotint.host.boots import boot_id
from mezzotint.host.files import lies_at, make_directory, open_shared

log = logging.getLogger(__name__)

_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP}
_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_LOST = _DAMAGED | {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS identity (value TEXT NOT NULL);
INSERT INTO identity SELECT '{}' WHERE NOT EXISTS (SELECT 1 FROM identity);
"""


class HostDatabase:
    """Safe for threads and processes. It is not synced to disk. Where it is damaged or removed it is unavailable, has
    nothing and takes nothing, until `look` begins it anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._schemas = [_SCHEMA]
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._is_damaged = self._is_closed = False
        self.available = True
        with _alone_with(path):
            try:
                self._open()
            except sqlite3.DatabaseError as error:
                if not _is_loss(error):
                    raise
                self._remove(error)
                self._open()

    def use(self, schema: str) -> None:
        """Have these tables, now and when it is begun anew. Raises StorageFull."""
        self._schemas.append(schema)
        try:
            with self._writing, _full_is_told():
                self._connection.executescript(schema)
        except sqlite3.DatabaseError as error:
            self._judge(error)
            self._begin_anew()

    @property
    def identity(self) -> str:
        """Another one whenever something may have been lost: it is begun anew, or the machine was."""
        return self._identity if self.available else ""

    def look(self) -> None:
        """Asked for every few seconds: begin anew where it was lost."""
        if not self._is_closed and not (self.available and self._is_in_place()):
            self._begin_anew()

    def query(self, statement: str, *parameters: object) -> list[Any]:
        """Rows; none while it is unavailable."""
        if not self.available:
            return []
        try:
            with self._reading:
                if not self.available:  # as it may have become meanwhile
                    return []
                return self._reader.execute(statement, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            self._judge(error)
            return []

    def change(self, statement: str, rows: Iterable[Iterable[object]]) -> bool:
        """One transaction; returns whether it was taken in. Raises StorageFull."""
        rows = list(rows)
        with self._writing:
            if not self.available:
                return False
            try:
                with _full_is_told(), self._connection:  # commits, or rolls back
                    self._connection.execute("BEGIN IMMEDIATE")
                    self._connection.executemany(statement, rows)  # type: ignore[arg-type]
            except sqlite3.DatabaseError as error:
                self._judge(error)
                return False
        return True

    def close(self) -> None:
        """When nobody is in the middle of something: SQLite does not survive that. From now on it has nothing."""
        self.available, self._is_closed = False, True
        with self._writing, self._reading:
            self._reader.close()
            self._connection.close()

    def _open(self) -> None:
        """Raises StorageFull."""
        make_directory(self._path.parent, durable=False)
        with _full_is_told(), ExitStack() as stack:  # two connections, so that no reader waits for a writer
            connection, reader = (stack.enter_context(closing(_connect(self._path))) for _ in range(2))
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA recursive_triggers = ON")  # so that REPLACE counts what it removes
            for schema in self._schemas:
                connection.executescript(schema.replace("{}", uuid.uuid4().hex))
            (name,) = reader.execute("SELECT value FROM identity").fetchone()
            self._connection, self._reader, self._identity = connection, reader, f"{name} {boot_id()}"
            self._status = self._path.stat()
            stack.pop_all()

    def _begin_anew(self) -> None:
        with self._writing, self._reading, _alone_with(self._path):
            if self.available and self._is_in_place():
                return  # another thread has done it
            if self._is_damaged and self._is_in_place():
                self._remove("it is damaged")
            old = self._reader, self._connection
            try:
                self._open()
            except (StorageFull, sqlite3.DatabaseError, FileNotFoundError) as error:
                self._give_up(error)
                return
            for connection in old:
                connection.close()
            self.available, self._is_damaged = True, False

    def _is_in_place(self) -> bool:
        return lies_at(self._path, self._status)

    def _judge(self, error: sqlite3.DatabaseError) -> None:
        """It is unavailable from now on where `error` says that it is lost; any other is raised."""
        if not _is_loss(error):
            raise error
        self._is_damaged |= _code(error) & 0xFF in _DAMAGED
        self._give_up(error)

    def _give_up(self, why: Exception) -> None:
        if self.available:
            log.warning("%s is unavailable, and is begun anew: %s", self._path.name, why)
        self.available = False

    def _remove(self, why: object) -> None:
        log.warning("%s was damaged and begins anew: %s", self._path.name, why)
        for end in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + end).unlink(missing_ok=True)


@contextmanager
def _full_is_told() -> Iterator[None]:
    """Raises StorageFull."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if _code(error) in _NO_ROOM:
            raise StorageFull("no space left for what this host remembers") from error
        raise


@contextmanager
def _alone_with(path: Path) -> Iterator[None]:
    """No other process opens or removes these files meanwhile."""
    descriptor = open_shared(path.with_name(f"{path.name}.lock"))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)


def _code(error: sqlite3.DatabaseError) -> int:
    """SQLite's extended result code; 0 for an error of the Python module itself, as of a closed connection."""
    return getattr(error, "sqlite_errorcode", 0)


def _is_loss(error: sqlite3.DatabaseError) -> bool:
    """The file is damaged, or was removed or replaced under it."""
    moved = _code(error) == sqlite3.SQLITE_READONLY_DBMOVED
    return _code(error) & 0xFF in _LOST or moved or "no such table" in str(error)
