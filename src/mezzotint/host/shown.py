"""Which pictures are for everybody, where that is asked: what the repository last said here, for who gives bytes out.

It may be lost: then nothing is for everybody until the repository has said it again.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from mezzotint.host.database import HostDatabase

_SCHEMA = """
CREATE TABLE IF NOT EXISTS shown (ident TEXT, collection TEXT, PRIMARY KEY (ident, collection)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shown_collection ON shown (collection);
CREATE TABLE IF NOT EXISTS shown_in (collection TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_REMEMBERED, _SECONDS = 20_000, 1.0

Pair = tuple[str, str]
"""an ident, and a collection that everybody sees"""


class Shown:
    def __init__(self, database: HostDatabase) -> None:
        self._database = database
        self._database.use(_SCHEMA)
        self._known: dict[str, tuple[bool, float]] = {}

    def has(self, ident: str) -> bool:
        """As it was a second ago at most. A read of some microseconds."""
        now = time.monotonic()
        known, until = self._known.get(ident, (False, 0.0))
        if now < until:
            return known
        known = bool(self._database.query("SELECT 1 FROM shown WHERE ident = ? LIMIT 1", ident))
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[ident] = known, now + _SECONDS
        return known

    def collections(self) -> set[str]:
        """Those that everybody sees."""
        return {slug for (slug,) in self._database.query("SELECT collection FROM shown_in")}

    def clear(self) -> None:
        """Nothing is for everybody. Raises StorageFull."""
        for table in ("shown", "shown_in"):
            self._database.change(f"DELETE FROM {table}", [()])

    def hide(self, collection: str) -> None:
        """All that is shown because of it. Raises StorageFull."""
        self._database.change("DELETE FROM shown_in WHERE collection = ?", [(collection,)])
        self._database.change("DELETE FROM shown WHERE collection = ?", [(collection,)])

    def show(self, collection: str, idents: Iterable[str]) -> None:
        """A collection with all that it holds. Raises StorageFull."""
        self._database.change("REPLACE INTO shown VALUES (?, ?)", ((ident, collection) for ident in idents))
        self._database.change("REPLACE INTO shown_in VALUES (?)", [(collection,)])

    def update(self, idents: Collection[str], pairs: Collection[Pair]) -> None:
        """Some hundred images are in these collections of those that everybody sees, and in no others. Raises
        StorageFull."""
        marks = ", ".join("?" * len(idents))
        found = self._database.query(f"SELECT ident, collection FROM shown WHERE ident IN ({marks})", *idents)
        was, wanted = set(map(tuple, found)), set(pairs)
        self._database.change("DELETE FROM shown WHERE ident = ? AND collection = ?", was - wanted)
        self._database.change("REPLACE INTO shown VALUES (?, ?)", wanted - was)
