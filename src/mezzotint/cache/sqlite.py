"""The cache's index in one SQLite file: one host, any number of processes."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mezzotint.cache.index import Entry, Totals
from mezzotint.errors import StorageFull
from mezzotint.files import make_directory

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    path TEXT PRIMARY KEY, kind TEXT NOT NULL, "group" TEXT NOT NULL,
    size INTEGER NOT NULL, used INTEGER NOT NULL, digest TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_used ON entries (used);
CREATE INDEX IF NOT EXISTS entries_group ON entries ("group");
CREATE TABLE IF NOT EXISTS totals (kind TEXT PRIMARY KEY, files INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS entries_added AFTER INSERT ON entries BEGIN
    INSERT INTO totals VALUES (NEW.kind, 1, NEW.size)
    ON CONFLICT (kind) DO UPDATE SET files = files + 1, bytes = bytes + NEW.size;
END;
CREATE TRIGGER IF NOT EXISTS entries_removed AFTER DELETE ON entries BEGIN
    UPDATE totals SET files = files - 1, bytes = bytes - OLD.size WHERE kind = OLD.kind;
END;
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP}
_AT_ONCE = 200
_COMPLETE = "complete"
_COLUMNS = 'path, kind, "group", size, used, digest'


class SqliteIndex:
    """Safe for threads. What it holds can be lost: `Cache.rescan` finds it again,
    so it is not synced to disk at each change."""

    kind = "sqlite"
    available = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock, self._reading, self._soon_lock = threading.Lock(), threading.Lock(), threading.Lock()
        self._soon: dict[str, str] = {}
        self._open()

    def _open(self) -> None:
        path = self._path
        make_directory(path.parent, durable=False)
        try:
            self._connect()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode in _NO_ROOM:
                raise StorageFull("no space left to open the cache's index") from error
            if error.sqlite_errorcode not in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
                raise
            log.warning("the cache's index was damaged and begins anew; `mezzotint cache rescan` fills it")
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._connect()

    def _connect(self) -> None:
        self._connection = _connect(self._path)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA recursive_triggers = ON")  # so that REPLACE counts what it removes
        self._connection.executescript(_SCHEMA)
        self._reader = _connect(self._path)  # so that no reader waits for a writer
        self._file = _identity(self._path)

    def look(self) -> None:
        """Begin anew where the file was removed."""
        if _identity(self._path) != self._file:
            with self._lock, self._reading:
                old = self._reader, self._connection
                self._open()
                for connection in old:
                    connection.close()

    def is_complete(self, directories: str) -> bool:
        return self.recall(_COMPLETE) == directories

    def begin_completing(self) -> None:
        """Nothing is ever missed."""

    def set_complete(self, directories: str) -> None:
        self.remember(_COMPLETE, directories)

    def lead(self) -> bool:
        """Who cleans has the host's lock, and no other host has this index."""
        return True

    def resign(self) -> None: ...

    def close(self) -> None:
        with suppress(StorageFull):
            self.flush()
        self._reader.close()
        self._connection.close()

    def find(self, path: str) -> Entry | None:
        rows = self._query(f"SELECT {_COLUMNS} FROM entries WHERE path = ?", path)
        return Entry(*rows[0]) if rows else None

    def add(self, entry: Entry) -> None:
        with self._transaction() as run:
            run.execute(
                "REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?)",
                (entry.path, entry.kind, entry.group, entry.size, entry.used, entry.digest),
            )

    def touch(self, used: Iterable[tuple[str, int]]) -> None:
        with self._transaction() as run:
            run.executemany("UPDATE entries SET used = ?2 WHERE path = ?1 AND used < ?2", used)

    def least_recently_used(self, count: int) -> list[Entry]:
        return [Entry(*row) for row in self._query(f"SELECT {_COLUMNS} FROM entries ORDER BY used LIMIT ?", count)]

    def of_group(self, group: str) -> list[Entry]:
        return [Entry(*row) for row in self._query(f'SELECT {_COLUMNS} FROM entries WHERE "group" = ?', group)]

    def remove(self, paths: Iterable[str]) -> None:
        with self._transaction() as run:
            run.executemany("DELETE FROM entries WHERE path = ?", ((path,) for path in paths))

    def totals(self) -> Totals:
        return Totals(*self._query("SELECT coalesce(sum(files), 0), coalesce(sum(bytes), 0) FROM totals")[0])

    def totals_by_kind(self) -> dict[str, Totals]:
        return {
            kind: Totals(*rest) for kind, *rest in self._query("SELECT kind, files, bytes FROM totals ORDER BY kind")
        }

    def batches(self, count: int) -> Iterator[list[Entry]]:
        last, page = "", f"SELECT {_COLUMNS} FROM entries WHERE path > ? ORDER BY path LIMIT ?"
        while rows := self._query(page, last, count):
            yield [Entry(*row) for row in rows]
            last = rows[-1][0]

    def remember(self, key: str, value: str) -> None:
        with self._transaction() as run:
            run.execute("REPLACE INTO facts VALUES (?, ?)", (key, value))

    def remember_soon(self, key: str, value: str) -> None:
        with self._soon_lock:
            self._soon[key] = value
            full = len(self._soon) >= _AT_ONCE
        if full:
            self.flush()

    def flush(self) -> None:
        with self._soon_lock:
            soon, self._soon = self._soon, {}
        if soon:
            with self._transaction() as run:
                run.executemany("REPLACE INTO facts VALUES (?, ?)", soon.items())

    def recall(self, key: str) -> str | None:
        if (value := self._soon.get(key)) is not None:
            return value
        rows = self._query("SELECT value FROM facts WHERE key = ?", key)
        return rows[0][0] if rows else None

    def forget(self, key: str) -> None:
        with self._soon_lock:
            self._soon.pop(key, None)
        with self._transaction() as run:
            run.execute("DELETE FROM facts WHERE key = ?", (key,))

    def _query(self, statement: str, *parameters: object) -> list[tuple]:  # type: ignore[type-arg]
        with self._reading:
            return self._reader.execute(statement, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Raises StorageFull."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                    raise StorageFull("no space left for the cache's index") from error
                raise


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)


def _identity(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
