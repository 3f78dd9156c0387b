"""The cache's index in one SQLite file: one host, any number of processes."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cache
from pathlib import Path

from mezzotint.cache.index import Entry, Totals
from mezzotint.cache.losing import (
    alone_with,
    code_of,
    inodes_of,
    is_damage,
    is_lack_of_room,
    is_loss,
    is_read_only,
    is_torn,
    remove,
)
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
_TRIES, _PAUSE = 10, 0.005
_AT_ONCE = 200
_COMPLETE, _COMPLETING = "complete", "completing"
_COLUMNS = 'path, kind, "group", size, used, digest'


class SqliteIndex:
    """Safe for threads. What it holds can be lost: `Cache.rescan` finds it again,
    so it is not synced to disk at each change."""

    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock, self._reading, self._soon_lock = threading.RLock(), threading.Lock(), threading.Lock()
        self._soon: dict[str, str] = {}
        self._token = ""
        self.available = True
        """False while its files are removed as fast as they are made: changes are dropped, until `look`"""
        with alone_with(self._path):
            self._open()

    def _open(self) -> None:
        """Raises StorageFull."""
        for attempt in range(1, _TRIES + 1):
            try:
                make_directory(self._path.parent, durable=False)
                with _lack_of_room_is_told():
                    self._connect()
                return
            except FileNotFoundError:  # somebody removes all of it at this very moment
                if attempt == _TRIES:
                    raise
            except sqlite3.DatabaseError as error:
                if attempt == _TRIES or not (is_loss(error) or code_of(error) & 0xFF == sqlite3.SQLITE_BUSY):
                    raise
                if is_damage(error) or (is_torn(error) and attempt >= _TRIES // 2):
                    remove(self._path, error)
            time.sleep(_PAUSE * attempt)

    def _connect(self) -> None:
        with ExitStack() as stack:  # two, so that no reader waits for a writer
            connection, reader = (stack.enter_context(closing(_connect(self._path))) for _ in range(2))
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA recursive_triggers = ON")  # so that REPLACE counts what it removes
            connection.executescript(_SCHEMA)
            reader.execute("SELECT * FROM totals").fetchall()  # it opens by their names what it needs later
            self._connection, self._reader, self._inodes = connection, reader, inodes_of(self._path)
            stack.pop_all()

    def look(self) -> None:
        """Begin anew where its files were removed. What was told to the ones that were is not in the ones that are."""
        held = self._inodes
        if not self.available or inodes_of(self._path) != held:
            self._begin_anew(held)

    def _begin_anew(self, held: list[int | None], error: sqlite3.DatabaseError | None = None) -> None:
        """Unless another thread has done it, since these files were `held`."""
        with self._lock, self._reading:
            if self._inodes is not held:
                return
            try:
                with alone_with(self._path), _lack_of_room_is_told():
                    self._reopen(held, error)
                self.available = True
            except FileNotFoundError as lost:
                self._give_up(lost)
            except StorageFull as lost:
                self._give_up(lost)
                raise
            except sqlite3.DatabaseError as lost:
                self._give_up(lost)
                if is_read_only(lost) or not is_loss(lost):
                    raise

    def _give_up(self, why: Exception | None) -> None:
        if self.available:
            log.warning("the cache's index is unavailable, a rescan completes it when it is back: %s", why)
        self.available = False

    def _reopen(self, held: list[int | None], error: sqlite3.DatabaseError | None) -> None:
        database, *beside = inodes_of(self._path)
        if database is not None and database == held[0]:
            if beside != held[1:]:
                remove(self._path, "some of its files were removed")
            elif error is not None and is_damage(error):
                remove(self._path, error)
        old = self._reader, self._connection
        self._open()
        for connection in old:
            connection.close()
        self._connection.execute("DELETE FROM facts WHERE key IN (?, ?)", (_COMPLETE, _COMPLETING))

    def is_complete(self, directories: str) -> bool:
        return self.available and self.recall(_COMPLETE) == _of_this_boot(directories)

    def begin_completing(self) -> bool:
        self._token = uuid.uuid4().hex
        self.forget(_COMPLETE)
        self.remember(_COMPLETING, self._token)
        return True

    def set_complete(self, directories: str) -> None:
        self._change(
            "INSERT OR REPLACE INTO facts SELECT ?, ? FROM facts WHERE key = ? AND value = ?",
            [(_COMPLETE, _of_this_boot(directories), _COMPLETING, self._token)],
        )

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
        row = entry.path, entry.kind, entry.group, entry.size, entry.used, entry.digest
        self._change("REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?)", [row])

    def touch(self, used: Iterable[tuple[str, int]]) -> None:
        self._change("UPDATE entries SET used = ?2 WHERE path = ?1 AND used < ?2", used)

    def least_recently_used(self, count: int) -> list[Entry]:
        return [Entry(*row) for row in self._query(f"SELECT {_COLUMNS} FROM entries ORDER BY used LIMIT ?", count)]

    def of_group(self, group: str) -> list[Entry]:
        return [Entry(*row) for row in self._query(f'SELECT {_COLUMNS} FROM entries WHERE "group" = ?', group)]

    def remove(self, paths: Iterable[str]) -> None:
        self._change("DELETE FROM entries WHERE path = ?", ((path,) for path in paths))

    def totals(self) -> Totals:
        rows = self._query("SELECT coalesce(sum(files), 0), coalesce(sum(bytes), 0) FROM totals")
        return Totals(*rows[0]) if rows else Totals(0, 0)

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
        self._change("REPLACE INTO facts VALUES (?, ?)", [(key, value)])

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
            self._change("REPLACE INTO facts VALUES (?, ?)", soon.items())

    def recall(self, key: str) -> str | None:
        if (value := self._soon.get(key)) is not None:
            return value
        rows = self._query("SELECT value FROM facts WHERE key = ?", key)
        return rows[0][0] if rows else None

    def forget(self, key: str) -> None:
        with self._soon_lock:
            self._soon.pop(key, None)
        self._change("DELETE FROM facts WHERE key = ?", [(key,)])

    def _query(self, statement: str, *parameters: object) -> list[tuple]:  # type: ignore[type-arg]
        lost: sqlite3.DatabaseError | None = None
        for _ in range(_TRIES):
            if not self.available:
                return []
            held = self._inodes
            try:
                with self._reading:
                    return self._reader.execute(statement, parameters).fetchall()
            except sqlite3.DatabaseError as error:
                if not is_loss(error):
                    raise
                lost = error
                with suppress(StorageFull):  # nobody who only asks is to fail of it
                    self._begin_anew(held, error)
        self._give_up(lost)
        return []

    def _change(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        """One transaction. Raises StorageFull. Drops the change while the index is unavailable."""
        rows, lost = list(rows), None
        with self._lock:
            for _ in range(_TRIES):
                if not self.available:
                    return
                try:
                    with _lack_of_room_is_told():
                        self._transact(statement, rows)
                    return
                except sqlite3.DatabaseError as error:
                    if not is_loss(error):
                        raise
                    lost = error
                    self._begin_anew(self._inodes, error)
            self._give_up(lost)

    def _transact(self, statement: str, rows: list[tuple[object, ...]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(statement, rows)
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise


@contextmanager
def _lack_of_room_is_told() -> Iterator[None]:
    """Raises StorageFull."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if is_lack_of_room(error):
            raise StorageFull("no space left for the cache's index") from error
        raise


def _of_this_boot(directories: str) -> str:
    """What was not synced may be lost when the machine goes down, and nobody is told."""
    return f"{directories} {_boot_id()}"


@cache
def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
