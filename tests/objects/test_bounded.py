"""No more connections than there may be, and none lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mezzotint.errors import InvalidInput, NotFound, StoreUnavailable
from mezzotint.objects import Bounded, MemoryStore
from tests.contracts.stores import KEY, OTHER, got, keys
from tests.faults import FaultyStore, Rates
from tests.waiting import HANGS, IN_TIME


class Crowded(MemoryStore):
    """Takes its time, and remembers how many were in it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._counting = threading.Lock()

    @contextmanager
    def _inside(self) -> Iterator[None]:
        with self._counting:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.002)
        yield
        with self._counting:
            self.now -= 1

    def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
        with self._inside():
            super().put(key, body)

    def put_if_absent(self, key: str, body: bytes | Path, content_type: str | None = None) -> bool:
        with self._inside():
            return super().put_if_absent(key, body)

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        with self._inside():
            return super().get(key, start, length)

    def read(self, key: str) -> bytes:
        with self._inside():
            return super().read(key)

    def stat(self, key: str) -> Any:
        with self._inside():
            return super().stat(key)

    def delete(self, key: str) -> None:
        with self._inside():
            super().delete(key)

    def move(self, source: str, target: str) -> None:
        with self._inside():
            super().move(source, target)


def test_never_more_than_so_many_are_let_through_at_once() -> None:
    crowded = Crowded()
    crowded.put(OTHER, b"x")
    store = Bounded(crowded, connections=3, patience=60)

    def ask_everything(n: int) -> None:
        key = f"images/{n:04d}"
        store.put(key, b"x")
        store.put_if_absent(key, b"x")
        got(store, key)
        store.read(key)
        store.stat(key)
        store.move(key, f"trash/{key}")
        store.delete(f"trash/{key}")

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(ask_everything, range(60)))
    assert crowded.most == 3
    assert keys(store) == [OTHER]


def test_an_open_reader_is_one_of_them_until_it_is_closed() -> None:
    store = Bounded(MemoryStore(), connections=2, patience=0.05)
    store.put(KEY, b"x")
    first, second = store.get(KEY), store.get(KEY)
    began = time.monotonic()
    for ask in (store.get, store.read, store.stat, store.delete):
        with pytest.raises(StoreUnavailable, match="busy"):
            ask(KEY)
    assert 0.2 <= time.monotonic() - began < IN_TIME
    first.close()
    assert store.read(KEY) == b"x"
    first.close()
    with store.get(KEY), pytest.raises(StoreUnavailable):
        store.read(KEY)
    second.close()


def test_who_waits_goes_on_as_soon_as_there_is_room() -> None:
    store = Bounded(MemoryStore(), connections=1, patience=HANGS)
    store.put(KEY, b"x")
    reader, began = store.get(KEY), time.monotonic()
    closing = threading.Timer(0.1, reader.close)
    closing.start()
    assert store.read(KEY) == b"x"
    assert time.monotonic() - began >= 0.1
    closing.join()


def test_nothing_leaks_whatever_goes_wrong() -> None:
    memory = MemoryStore()
    memory.put(OTHER, b"0123456789")
    faulty = FaultyStore(memory, Rates(refused=0.2, lost=0.2, half=0.4), seed=2)
    store = Bounded(faulty, connections=1, patience=0.01)
    for n in range(300):
        with suppress(StoreUnavailable, NotFound):
            got(store, OTHER)
        for ask in (partial(got, store), store.read, store.stat, store.delete):
            with suppress(StoreUnavailable, NotFound):
                ask(KEY)
            with suppress(InvalidInput):
                ask("no key")
        with suppress(StoreUnavailable):
            store.put(KEY, b"x") if n % 2 else store.put_if_absent(KEY, b"x")
        with suppress(StoreUnavailable, NotFound):
            store.move(KEY, "trash/" + KEY)
        with suppress(ZeroDivisionError, StoreUnavailable), store.get(OTHER):
            _ = 1 / 0
        with faulty.calm():
            assert store.read(OTHER) == b"0123456789"
    assert min(faulty.injected[fault] for fault in ("refused", "lost", "half")) > 20


def test_who_goes_through_a_listing_can_ask_about_what_it_finds() -> None:
    """Reconciling does so, and one connection has to be enough."""
    store = Bounded(MemoryStore(), connections=1, patience=0.01)
    for n in range(5):
        store.put(f"images/{n:04d}", b"x")
    assert [store.stat(info.key) for info in store.list()] == list(store.list())
