"""Whether the database may have changed: what works in the background looks at it when it has, and sleeps otherwise.

SQLite counts what other connections commit (`PRAGMA data_version`), in some microseconds a look. PostgreSQL has nothing
of the kind that costs less than the look itself.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from mezzotint.host.files import lies_at

AT_LATEST = 30.0
"""seconds until it is taken for changed: time makes things due too, and so do other hosts"""
Version = tuple[int, int]
"""which reader says it, and what"""


class Changes:
    """For one loop, in whatever thread it asks; a thread at a time."""

    def __init__(self, at_latest: float = AT_LATEST) -> None:
        self._at_latest = at_latest
        self._reader: sqlite3.Connection | None = None
        self._readers = 0
        self._status: os.stat_result | None = None
        self._seen: Version | None = None
        self._looked = float("-inf")

    def are_there(self) -> bool:
        """Whether there may be any since it was last asked: also at first, and after AT_LATEST seconds."""
        now, version = time.monotonic(), self._version() if connection.vendor == "sqlite" else None
        if version is not None and version == self._seen and now - self._looked < self._at_latest:
            return False
        self._seen, self._looked = version, now
        return True

    def expect(self) -> None:
        """Something waits that no change will tell of: say yes when asked again."""
        self._seen = None

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _version(self) -> Version | None:
        """None where it cannot be known."""
        path = Path(connection.settings_dict["NAME"])
        try:
            if self._reader is None or self._status is None or not lies_at(path, self._status):
                self.close()
                self._status = path.stat()
                self._reader = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, check_same_thread=False)
                self._readers += 1
            return self._readers, self._reader.execute("PRAGMA data_version").fetchone()[0]
        except (OSError, sqlite3.Error):
            with suppress(sqlite3.Error):
                self.close()
            return None
