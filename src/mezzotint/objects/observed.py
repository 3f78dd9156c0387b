"""A wrapper that tells whoever counts of each request to a store: how long it took, and whether it failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from mezzotint import tracing
from mezzotint.errors import StorageFull, StoreUnavailable
from mezzotint.objects.protocol import ObjectInfo, ObjectReader, ObjectStore

T = TypeVar("T")
Observe = Callable[[str, float, bool], None]
"""told of an operation, how many seconds it took, and whether it failed"""


class Observed(ObjectStore):
    """As `store`. Of reading and listing the time counts until the first is there; what breaks off later has failed."""

    def __init__(self, store: ObjectStore, observe: Observe) -> None:
        self._store, self._observe = store, observe

    def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
        with self._observed("put"):
            self._store.put(key, body, content_type)

    def put_if_absent(self, key: str, body: bytes | Path, content_type: str | None = None) -> bool:
        with self._observed("put"):
            return self._store.put_if_absent(key, body, content_type)

    def arbitrates(self) -> bool:
        return self._store.arbitrates()

    def get(self, key: str, start: int = 0, length: int | None = None) -> ObjectReader:
        with self._observed("get"):
            reader = self._store.get(key, start, length)
        return _Observed(reader, self._observe)

    def stat(self, key: str) -> ObjectInfo:
        with self._observed("stat"):
            return self._store.stat(key)

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ObjectInfo]:
        found = self._store.list(prefix, start_after)
        with self._observed("list"):
            first = next(found, None)
        if first is not None:
            yield first
            yield from _to_the_end(found, "list", self._observe)

    def delete(self, key: str) -> None:
        with self._observed("delete"):
            self._store.delete(key)

    def move(self, source: str, target: str) -> None:
        with self._observed("move"):
            self._store.move(source, target)

    def local_path(self, key: str) -> Path | None:
        return self._store.local_path(key)

    @contextmanager
    def _observed(self, operation: str) -> Iterator[None]:
        begun, failed = time.perf_counter(), False
        try:
            with tracing.span(f"store {operation}"):
                yield
        except (StoreUnavailable, StorageFull):
            failed = True
            raise
        finally:
            self._observe(operation, time.perf_counter() - begun, failed)


class _Observed(ObjectReader):
    def __init__(self, reader: ObjectReader, observe: Observe) -> None:
        self._reader, self._observe = reader, observe
        self.size, self.version, self.descriptor = reader.size, reader.version, reader.descriptor

    def chunks(self) -> Iterator[bytes]:
        return _to_the_end(self._reader.chunks(), "read", self._observe)

    def close(self) -> None:
        self._reader.close()


def _to_the_end(found: Iterator[T], operation: str, observe: Observe) -> Iterator[T]:
    """Told of only where it breaks off: how long it takes is up to whoever reads."""
    begun = time.perf_counter()
    try:
        yield from found
    except StoreUnavailable:
        observe(operation, time.perf_counter() - begun, True)
        raise
