"""Small facts of this host that cost something to find out again. They may be forgotten at any time."""

from __future__ import annotations

import threading

from mezzotint.host.database import HostDatabase

_SCHEMA = "CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
_REMEMBER = "REPLACE INTO facts VALUES (?, ?)"
_AT_ONCE = 200


class HostFacts:
    def __init__(self, database: HostDatabase) -> None:
        self._database = database
        self._database.use(_SCHEMA)
        self._lock = threading.Lock()
        self._soon: dict[str, str] = {}

    def remember(self, key: str, value: str) -> None:
        """Raises StorageFull."""
        self._database.change(_REMEMBER, [(key, value)])

    def remember_soon(self, key: str, value: str) -> None:
        """The same, without haste: with others at once, at the next `flush` at the latest; here at once."""
        with self._lock:
            self._soon[key] = value
            full = len(self._soon) >= _AT_ONCE
        if full:
            self.flush()

    def flush(self) -> None:
        """Have everything that is to be remembered soon. Raises StorageFull; then it is forgotten."""
        with self._lock:
            soon, self._soon = self._soon, {}
        if soon:
            self._database.change(_REMEMBER, soon.items())

    def recall(self, key: str) -> str | None:
        if (value := self._soon.get(key)) is not None:
            return value
        rows = self._database.query("SELECT value FROM facts WHERE key = ?", key)
        return rows[0][0] if rows else None

    def forget(self, key: str) -> None:
        """Raises StorageFull."""
        with self._lock:
            self._soon.pop(key, None)
        self._database.change("DELETE FROM facts WHERE key = ?", [(key,)])
