"""The kinds of object store. A new store, or a wrapper of one, joins `STORES` and passes the whole suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mezzotint.objects import DirectoryStore, MemoryStore, ObjectStore

KEY = "images/" + "ab" * 32
OTHER = "images/" + "cd" * 32
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Kind:
    """A kind of store: how one is opened on an empty directory, and whether it keeps its objects in memory."""

    name: str
    open: Callable[[Path], ObjectStore]
    in_memory: bool = False


STORES = [
    Kind("directory", lambda directory: DirectoryStore(directory / "store")),
    Kind("memory", lambda directory: MemoryStore(), in_memory=True),
]


def got(store: ObjectStore, key: str, start: int = 0, length: int | None = None) -> bytes:
    with store.get(key, start, length) as reader:
        return b"".join(reader.chunks())


def keys(store: ObjectStore, prefix: str = "", start_after: str = "") -> list[str]:
    return [info.key for info in store.list(prefix, start_after)]
