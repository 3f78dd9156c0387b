"""Why there is nothing under an address, and until when nobody asks again: of the last ones, for all of a host."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from mezzotint.errors import (
    MezzotintError,
    OriginBusy,
    OriginError,
    OriginFailed,
    OriginLacks,
    OriginRefuses,
    OriginTimedOut,
    StorageFull,
    printable,
)
from mezzotint.host import HostDatabase

MOST = 20_000
"""that are remembered; a stranger can have any number of addresses fail"""
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS failures (
    n INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, until REAL NOT NULL
);
CREATE TRIGGER IF NOT EXISTS failures_bounded AFTER INSERT ON failures BEGIN
    DELETE FROM failures WHERE n <= NEW.n - {MOST};
END;
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """`until` is in seconds since the epoch."""

    kind: str
    reason: str
    until: float

    @classmethod
    def of(cls, error: MezzotintError, until: float) -> Failure:
        status = f" {error.status}" if isinstance(error, OriginRefuses) else ""
        return cls(f"{type(error).__name__}{status}", getattr(error, "reason", str(error))[:500], until)

    def error(self, now: float) -> OriginError:
        kind, _, status = self.kind.partition(" ")
        match kind:
            case "OriginBusy":
                return OriginBusy("it", max(1.0, self.until - now))
            case "OriginLacks":
                return OriginLacks(int(status or 404))
            case "OriginRefuses":
                return OriginRefuses(int(status))
            case "OriginTimedOut":
                return OriginTimedOut(self.reason)
        return OriginFailed(self.reason)


class Failures:
    """By key, the sha256 of an address."""

    def __init__(self, database: HostDatabase) -> None:
        self._database = database
        database.use(_SCHEMA)

    def find(self, key: str) -> Failure | None:
        rows = self._database.query("SELECT kind, reason, until FROM failures WHERE key = ?", key)
        return Failure(*rows[0]) if rows else None

    def remember(self, key: str, failure: Failure) -> None:
        row = key, failure.kind, printable(failure.reason), failure.until
        with suppress(StorageFull):
            self._database.change("REPLACE INTO failures (key, kind, reason, until) VALUES (?, ?, ?, ?)", [row])

    def forget(self, key: str) -> None:
        with suppress(StorageFull):
            if self.find(key) is not None:
                self._database.change("DELETE FROM failures WHERE key = ?", [(key,)])
