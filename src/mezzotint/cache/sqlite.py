"""The cache's index in one SQLite file: one host, any number of processes."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
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
_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_REMOVED = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
_TRIES, _PAUSE = 10, 0.005
_AT_ONCE = 200
_COMPLETE, _COMPLETING = "complete", "completing"
_COLUMNS = 'path, kind, "group", size, used, digest'


class SqliteIndex:
    """Safe for threads. What it holds can be lost: `Cache.rescan` finds it again,
    so it is not synced to disk at each change."""

    kind = "sqlite"
    available = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock, self._reading, self._soon_lock = threading.RLock(), threading.Lock(), threading.Lock()
        self._soon: dict[str, str] = {}
        self._token = ""
        self._open()

    def _open(self) -> None:
        """Raises StorageFull."""
        for attempt in range(1, _TRIES + 1):
            try:
                make_directory(self._path.parent, durable=False)
                self._connect()
                return
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode in _NO_ROOM:
                    raise StorageFull("no space left to open the cache's index") from error
                if attempt == _TRIES or not (_is_loss(error) or error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY):
                    raise
                if _is_damage(error) or (_is_torn(error) and attempt >= _TRIES // 2):
                    self._remove(error)
                time.sleep(_PAUSE * attempt)

    def _connect(self) -> None:
        connection, reader = _connect(self._path), _connect(self._path)  # so that no reader waits for a writer
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA recursive_triggers = ON")  # so that REPLACE counts what it removes
        connection.executescript(_SCHEMA)
        reader.execute("SELECT * FROM totals").fetchall()  # it opens by their names what it needs later
        self._connection, self._reader, self._inodes = connection, reader, _inodes(self._path)

    def _remove(self, why: object) -> None:
        log.warning("the cache's index was damaged and begins anew: %s", why)
        for file in _files(self._path):
            file.unlink(missing_ok=True)

    def look(self) -> None:
        """Begin anew where its files were removed. What was told to the ones that were is not in the ones that are."""
        if _inodes(self._path) != self._inodes:
            self._begin_anew()

    def _begin_anew(self, error: sqlite3.DatabaseError | None = None) -> None:
        with self._lock, self._reading:
            database, *beside = _inodes(self._path)
            if database is not None and database == self._inodes[0]:
                if beside != self._inodes[1:]:
                    self._remove("some of its files were removed")
                elif error is not None and _is_damage(error):
                    self._remove(error)
            old = self._reader, self._connection
            self._open()
            for connection in old:
                connection.close()
        for key in (_COMPLETE, _COMPLETING):
            self.forget(key)

    def is_complete(self, directories: str) -> bool:
        return self.recall(_COMPLETE) == _of_this_boot(directories)

    def begin_completing(self) -> bool:
        self._token = uuid.uuid4().hex
        self.forget(_COMPLETE)
        self.remember(_COMPLETING, self._token)
        return True

    def set_complete(self, directories: str) -> None:
        with self._transaction() as run:
            row = run.execute("SELECT value FROM facts WHERE key = ?", (_COMPLETING,)).fetchone()
            if (row[0] if row else "") == self._token:
                run.execute("REPLACE INTO facts VALUES (?, ?)", (_COMPLETE, _of_this_boot(directories)))

    def is_believed(self) -> bool:
        return True

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
        for _ in range(_TRIES):
            try:
                with self._reading:
                    return self._reader.execute(statement, parameters).fetchall()
            except sqlite3.DatabaseError as error:
                if not _is_loss(error):
                    raise
                self._begin_anew(error)
        return []

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Raises StorageFull. Where the index is lost meanwhile, what is done in it is lost too."""
        with self._lock:
            self._begin()
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                if not isinstance(error, sqlite3.DatabaseError):
                    raise
                self._pass_over(error)

    def _begin(self) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.DatabaseError as error:
                if attempt == _TRIES:
                    raise
                self._pass_over(error)

    def _pass_over(self, error: sqlite3.DatabaseError) -> None:
        """Begin anew where the index is lost. Raises StorageFull, or what else it is."""
        if error.sqlite_errorcode in _NO_ROOM:
            raise StorageFull("no space left for the cache's index") from error
        if not _is_loss(error):
            raise error
        self._begin_anew(error)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return error.sqlite_errorcode & 0xFF in _DAMAGED


def _is_loss(error: sqlite3.DatabaseError) -> bool:
    """The file is damaged, or was removed under it."""
    return _is_damage(error) or error.sqlite_errorcode & 0xFF in _REMOVED or "no such table" in str(error)


def _is_torn(error: sqlite3.DatabaseError) -> bool:
    """One of the files was removed, and another process holds the rest to what they were."""
    return error.sqlite_errorcode == sqlite3.SQLITE_IOERR_SHORT_READ


def _of_this_boot(directories: str) -> str:
    """What was not synced may be lost when the machine goes down, and nobody is told."""
    return f"{directories} {_boot_id()}"


@cache
def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)


def _files(path: Path) -> list[Path]:
    """The three that SQLite keeps as long as a connection is open."""
    return [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]


def _inodes(path: Path) -> list[int | None]:
    found: list[int | None] = []
    for file in _files(path):
        try:
            found.append(file.stat().st_ino)
        except FileNotFoundError:
            found.append(None)
    return found
