"""A wrapper that bounds how many connections to a store there are at once: backpressure for all who use it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mezzotint.errors import StoreUnavailable
from mezzotint.objects.protocol import ObjectInfo, ObjectReader, ObjectStore


class Bounded(ObjectStore):
    """As `store`; whoever is one too many waits, for `patience` seconds at the most.

    A reader counts until it is closed. Raises StoreUnavailable where nobody made room.
    """

    def __init__(self, store: ObjectStore, connections: int, patience: float) -> None:
        self._store, self._patience = store, patience
        self._room = threading.BoundedSemaphore(connections)

    def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
        with self._connection():
            self._store.put(key, body, content_type)

    def put_if_absent(self, key: str, body: bytes | Path, content_type: str | None = None) -> bool:
        with self._connection():
            return self._store.put_if_absent(key, body, content_type)

    def arbitrates(self) -> bool:
        return self._store.arbitrates()

    def get(self, key: str, start: int = 0, length: int | None = None) -> ObjectReader:
        self._enter()
        try:
            return _Counted(self._store.get(key, start, length), self._room)
        except BaseException:
            self._room.release()
            raise

    def stat(self, key: str) -> ObjectInfo:
        with self._connection():
            return self._store.stat(key)

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ObjectInfo]:
        return self._store.list(prefix, start_after)  # which asks for a page now and then

    def delete(self, key: str) -> None:
        with self._connection():
            self._store.delete(key)

    def move(self, source: str, target: str) -> None:
        with self._connection():
            self._store.move(source, target)

    def local_path(self, key: str) -> Path | None:
        return self._store.local_path(key)

    @contextmanager
    def _connection(self) -> Iterator[None]:
        self._enter()
        try:
            yield
        finally:
            self._room.release()

    def _enter(self) -> None:
        if not self._room.acquire(timeout=self._patience):
            raise StoreUnavailable("all connections to the store are busy")


class _Counted(ObjectReader):
    def __init__(self, reader: ObjectReader, room: threading.BoundedSemaphore) -> None:
        self._reader, self._room = reader, room
        self.size, self.version, self.descriptor = reader.size, reader.version, reader.descriptor
        self._open = True

    def chunks(self) -> Iterator[bytes]:
        return self._reader.chunks()

    def close(self) -> None:
        if self._open:
            self._open = False
            try:
                self._reader.close()
            finally:
                self._room.release()
