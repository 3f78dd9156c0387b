"""What time it is for a store. Ages of objects are reckoned by it, never by a local clock."""

from __future__ import annotations

from mezzotint.objects.protocol import ObjectStore

_KEY = "trash/clock"


def store_time(store: ObjectStore) -> float:
    """Now, in seconds since the epoch, as the store dates its objects. Writes a small object."""
    store.put(_KEY, b"now\n", "text/plain")
    return store.stat(_KEY).modified
