"""An LRU cache in memory for small hot things, bounded by their bytes, good for one generation of the cache."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from mezzotint.host.generation import Generation


class Sized(Protocol):
    @property
    def weight(self) -> int:
        """Bytes that it takes."""


V = TypeVar("V", bound=Sized)


class MemoryCache(Generic[V]):
    def __init__(self, generation: Generation, max_bytes: int, share: int = 16) -> None:
        """Nothing is kept that takes more than one `share`th of it."""
        self._current, self._max_bytes, self._largest = generation.now, max_bytes, max_bytes // share
        self._generation = generation.now()
        self._kept: OrderedDict[str, V] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> V | None:
        if self._current() != self._generation:
            self.clear()
        value = self._kept.get(key)
        if value is not None:
            with suppress(KeyError):  # let go by another thread in between
                self._kept.move_to_end(key)
        return value

    def put(self, key: str, value: V, read_in: bytes) -> None:
        """Keep `value`, which was read while the generation was `read_in`."""
        if value.weight > self._largest:
            return
        with self._lock:
            if read_in != self._generation or read_in != self._current():
                return
            before = self._kept.pop(key, None)
            self._bytes += value.weight - (before.weight if before is not None else 0)
            self._kept[key] = value
            while self._bytes > self._max_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.weight

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes = 0
            self._generation = self._current()
