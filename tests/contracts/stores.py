"""The kinds of object store. A new store, or a wrapper of one, joins `STORES` and passes the whole suite."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

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


class Pouring(io.RawIOBase):
    """A stream of `size` bytes that come a few at a time and are never together in memory."""

    def __init__(self, size: int, fails_at: int | None = None) -> None:
        self.left, self.fails_at = size, fails_at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        if self.fails_at is not None and self.left <= self.fails_at:
            raise ConnectionResetError("the sender went away")
        count = min(len(buffer), self.left, 10_007)
        buffer[:count] = b"x" * count
        self.left -= count
        return count


def pouring(size: int, fails_at: int | None = None) -> BinaryIO:
    return cast(BinaryIO, Pouring(size, fails_at))


def got(store: ObjectStore, key: str, start: int = 0, length: int | None = None) -> bytes:
    with store.get(key, start, length) as reader:
        return b"".join(reader.chunks())


def keys(store: ObjectStore, prefix: str = "", start_after: str = "") -> list[str]:
    return [info.key for info in store.list(prefix, start_after)]
