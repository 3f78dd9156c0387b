"""What an object store is. `tests/contracts/` has the suite that each one passes.

The protocol is what Swift, S3 and a directory have in common: whole objects
under flat keys. A range is read, never written; nothing is changed in place.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from mezzotint.errors import NotFound


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """`size` in bytes; `modified` in seconds since the epoch by the store's own clock;
    `version` is another one whenever other bytes have been stored."""

    key: str
    size: int
    modified: float
    version: str = ""


class ObjectReader(Protocol):
    """An open object. Close it, or use it as a context manager."""

    size: int
    """of the whole object, in bytes"""
    version: str
    """as in ObjectInfo"""
    descriptor: int | None = None
    """of the file that is the object, where it is one, until it is closed"""

    @abstractmethod
    def chunks(self) -> Iterator[bytes]:
        """The bytes that were asked for, in order, about a megabyte at a time.

        Raises StoreUnavailable where they break off.
        """

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class ObjectStore(Protocol):
    """Every method raises InvalidInput for a key that is none, StorageFull when
    there is no room, StoreUnavailable when the store does not answer: then it is
    not known whether a write was done. A write that returns is durable.

    A body is bytes, or the path of a file on local disk, whose content must not
    change afterwards: the store may take the file over where that saves a copy.
    """

    @abstractmethod
    def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
        """Store the whole of `body` under `key`, replacing what was there, all at once."""

    @abstractmethod
    def put_if_absent(self, key: str, body: bytes | Path, content_type: str | None = None) -> bool:
        """As `put`, but False, and nothing changed, where `key` exists.

        False may mean this very call, where it was repeated after a lost answer:
        who needs to know looks at what is there. Of racers exactly one is told
        True where the store `arbitrates`.
        """

    def arbitrates(self) -> bool:
        """Whether several may create the same key at once and exactly one succeeds. May try it out."""
        return False

    @abstractmethod
    def get(self, key: str, start: int = 0, length: int | None = None) -> ObjectReader:
        """Open `key` for reading `length` bytes from `start`; to the end without a length.

        A range that reaches past the end is cut to it. Raises NotFound.
        """

    def read(self, key: str) -> bytes:
        """The whole of a small object. Raises NotFound."""
        with self.get(key) as reader:
            return b"".join(reader.chunks())

    @abstractmethod
    def stat(self, key: str) -> ObjectInfo:
        """Raises NotFound, and only on the store's own definite word."""

    @abstractmethod
    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ObjectInfo]:
        """What begins with `prefix` and comes after `start_after`, in the order of
        the keys' code points, in memory that does not grow with the whole.

        A remote store may be late to show what was put or deleted a moment ago.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Gone when it returns; deleting what is not there is no error."""

    @abstractmethod
    def move(self, source: str, target: str) -> None:
        """Rename; `target` is replaced and counts as modified now. Raises NotFound
        where `source` does not exist.

        Where a store cannot do it in one step it copies before it deletes, so
        at no moment is the object under neither key.
        """

    def local_path(self, key: str) -> Path | None:
        """Where the object lies on local disk, if this store keeps it there. Need not exist."""
        return None


def find(store: ObjectStore, key: str) -> ObjectInfo | None:
    """What `stat` says; None on the store's own word that there is no such object."""
    try:
        return store.stat(key)
    except NotFound:
        return None


def digest_of(store: ObjectStore, key: str) -> str | None:
    """The sha256 of what the store gives for `key`, 64 hex digits; None where there is no such object."""
    digest = hashlib.sha256()
    try:
        with store.get(key) as reader:
            for chunk in reader.chunks():
                digest.update(chunk)
    except NotFound:
        return None
    return digest.hexdigest()


def clip(start: int, length: int | None, size: int) -> tuple[int, int]:
    """The part of `size` bytes that a range means: where it begins, and how many."""
    start = min(start, size)
    return start, size - start if length is None else min(length, size - start)
