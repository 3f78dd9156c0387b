"""A wrapper that retries, with exponential backoff and full jitter, where a store does not answer."""

from __future__ import annotations

import logging
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from mezzotint.errors import NotFound, StoreRefused, StoreUnavailable
from mezzotint.objects.protocol import ObjectInfo, ObjectReader, ObjectStore

log = logging.getLogger(__name__)
T = TypeVar("T")
_REFUSALS = 2
_REMEMBERED, _SETTLES, _LATE = 10_000, 60.0, 3
"""keys, seconds in which what was put may not be seen yet, and how often it is looked for again"""
_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_ASKED = 0.1, 5.0, 10.0
"""seconds; the last of what a store may ask for"""


class Retrying(ObjectStore):
    """As `store`, asking up to `attempts` times, and not again once `patience` seconds have gone. Every operation may
    be repeated: see the protocol on what `put_if_absent` then says, and a `move` whose source is gone the second time
    has been done. What breaks off as it is read goes on where it stopped. What was put from here a moment ago and is
    not there is looked for again: Swift is eventually consistent."""

    def __init__(
        self,
        store: ObjectStore,
        attempts: int = 5,
        pause: Callable[[float], None] = time.sleep,
        patience: float = math.inf,
    ) -> None:
        self._store, self._attempts, self._pause, self._patience = store, attempts, pause, patience
        self._put: OrderedDict[str, float] = OrderedDict()
        """when, by the monotonic clock, a key was put"""

    def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
        self._try(lambda: self._store.put(key, body, content_type))
        self._note(key)

    def put_if_absent(self, key: str, body: bytes | Path, content_type: str | None = None) -> bool:
        new = self._try(lambda: self._store.put_if_absent(key, body, content_type))
        self._note(key)
        return new

    def arbitrates(self) -> bool:
        return self._try(self._store.arbitrates)

    def get(self, key: str, start: int = 0, length: int | None = None) -> ObjectReader:
        return _Resuming(self, key, start, length, self.opened(key, start, length))

    def opened(self, key: str, start: int, length: int | None) -> ObjectReader:
        return self._look(key, lambda: self._store.get(key, start, length))

    def read(self, key: str) -> bytes:
        return self._look(key, lambda: self._store.read(key))

    def stat(self, key: str) -> ObjectInfo:
        return self._look(key, lambda: self._store.stat(key))

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ObjectInfo]:
        failures = 0
        while True:
            try:
                for info in self._store.list(prefix, start_after):
                    failures, start_after = 0, info.key
                    yield info
                return
            except StoreUnavailable as error:
                failures += 1
                self.rest(failures, error)

    def delete(self, key: str) -> None:
        self._put.pop(key, None)
        self._try(lambda: self._store.delete(key))

    def move(self, source: str, target: str) -> None:
        repeated = False

        def once() -> None:
            nonlocal repeated
            try:
                self._store.move(source, target)
            except StoreUnavailable:
                repeated = True
                raise
            except NotFound:
                if not repeated:
                    raise
                self._store.stat(target)

        self._put.pop(source, None)
        self._try(once)
        self._note(target)

    def local_path(self, key: str) -> Path | None:
        return self._store.local_path(key)

    def rest(self, failures: int, error: StoreUnavailable, until: float = math.inf) -> None:
        """Pause after this many failures in a row, at least for as long as the store has asked for. Raises the error
        where it was the last attempt, or another would come after `until`."""
        refused = isinstance(error, StoreRefused)  # seldom for a moment only: while Keystone restarts, say
        if failures >= (_REFUSALS if refused else self._attempts):
            raise error
        pause = min(error.pause, _LONGEST_ASKED)
        pause += random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**failures))
        if time.monotonic() + pause > until:
            raise error
        log.log(logging.DEBUG if refused else logging.INFO, "asking the store again: %s", error)
        self._pause(pause)

    def _note(self, key: str) -> None:
        self._put[key] = time.monotonic()
        if len(self._put) > _REMEMBERED:
            with suppress(KeyError):  # another thread was quicker
                self._put.popitem(last=False)

    def _look(self, key: str, work: Callable[[], T]) -> T:
        for failures in range(1, _LATE + 1):
            try:
                return self._try(work)
            except NotFound:
                if self._put.get(key, -math.inf) + _SETTLES < time.monotonic():
                    raise
            self._pause(random.uniform(0, _FIRST_PAUSE * 2**failures))
        return self._try(work)

    def _try(self, work: Callable[[], T]) -> T:
        failures, until = 0, time.monotonic() + self._patience
        while True:
            try:
                return work()
            except StoreUnavailable as error:
                failures += 1
                self.rest(failures, error, until)


class _Resuming(ObjectReader):
    def __init__(self, store: Retrying, key: str, start: int, length: int | None, reader: ObjectReader) -> None:
        self._store, self._key, self._at, self._length, self._reader = store, key, start, length, reader
        self.size, self.version, self.descriptor = reader.size, reader.version, reader.descriptor

    def chunks(self) -> Iterator[bytes]:
        failures = 0
        while True:
            try:
                for chunk in self._reader.chunks():
                    failures = 0
                    self._at += len(chunk)
                    if self._length is not None:
                        self._length -= len(chunk)
                    yield chunk
                return
            except StoreUnavailable as error:
                failures += 1
                self._reader.close()
                self._store.rest(failures, error)
                try:
                    self._reader = self._store.opened(self._key, self._at, self._length)
                except NotFound:
                    raise StoreUnavailable(f"{self._key} was deleted as it was read") from error
                if self._reader.version != self.version:
                    raise StoreUnavailable(f"{self._key} was replaced as it was read") from error

    def close(self) -> None:
        self._reader.close()
