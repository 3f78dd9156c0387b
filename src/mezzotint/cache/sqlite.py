"""The cache's index in the host's database: one host, any number of processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mezzotint.cache.index import Entry, Totals
from mezzotint.host import HostDatabase

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    path TEXT PRIMARY KEY, kind TEXT NOT NULL, "group" TEXT NOT NULL, size INTEGER NOT NULL, used INTEGER NOT NULL
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
"""
_COLUMNS = 'path, kind, "group", size, used'


class SqliteIndex:
    """Safe for threads."""

    kind = "sqlite"

    def __init__(self, database: HostDatabase) -> None:
        self._database = database
        database.use(_SCHEMA)

    @property
    def available(self) -> bool:
        return self._database.available

    @property
    def identity(self) -> str:
        return self._database.identity

    def look(self) -> None:
        self._database.look()

    def lead(self) -> bool:
        """Who cleans has the host's lock, and no other host has this index."""
        return True

    def resign(self) -> None: ...

    def close(self) -> None: ...

    def find(self, path: str) -> Entry | None:
        rows = self._database.query(f"SELECT {_COLUMNS} FROM entries WHERE path = ?", path)
        return Entry(*rows[0]) if rows else None

    def add(self, entry: Entry) -> bool:
        row = entry.path, entry.kind, entry.group, entry.size, entry.used
        return self._database.change("REPLACE INTO entries VALUES (?, ?, ?, ?, ?)", [row])

    def touch(self, used: Iterable[tuple[str, int]]) -> None:
        self._database.change("UPDATE entries SET used = ?2 WHERE path = ?1 AND used < ?2", used)

    def least_recently_used(self, count: int) -> list[Entry]:
        return self._entries("ORDER BY used LIMIT ?", count)

    def of_group(self, group: str) -> list[Entry]:
        return self._entries('WHERE "group" = ?', group)

    def remove(self, paths: Iterable[str]) -> bool:
        return self._database.change("DELETE FROM entries WHERE path = ?", ((path,) for path in paths))

    def totals(self) -> Totals:
        rows = self._database.query("SELECT coalesce(sum(files), 0), coalesce(sum(bytes), 0) FROM totals")
        return Totals(*rows[0]) if rows else Totals(0, 0)

    def totals_by_kind(self) -> dict[str, Totals]:
        rows = self._database.query("SELECT kind, files, bytes FROM totals ORDER BY kind")
        return {kind: Totals(*rest) for kind, *rest in rows}

    def batches(self, count: int) -> Iterator[list[Entry]]:
        last = ""
        while entries := self._entries("WHERE path > ? ORDER BY path LIMIT ?", last, count):
            yield entries
            last = entries[-1].path

    def _entries(self, which: str, *parameters: object) -> list[Entry]:
        return [Entry(*row) for row in self._database.query(f"SELECT {_COLUMNS} FROM entries {which}", *parameters)]
