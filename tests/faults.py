"""A store that fails as real ones do, for tests of what is built on it.

    faulty = FaultyStore(store, Rates(refused=0.1, lost=0.05), seed=7)   # at random, the same way for the same seed
    faulty.fail("lost", at=3, operation="put", key="journal/")           # the third such put from now on
    frozen = faulty.freeze(operation="put_if_absent")                    # the next one stops before the store is asked
    frozen.reached.wait(10); ...; frozen.thaw()
    with faulty.calm(): ...                                              # nothing fails in here: for the oracle
    with faulty.down(): ...                                              # everything is refused in here
    assert faulty.injected["lost"]                                       # a run without a fault has shown nothing

The faults:

    refused      StoreUnavailable, and nothing was done: a 5xx, a refused connection
    lost         a write is done, and then StoreUnavailable: its acknowledgement was lost
    half         a read or a listing breaks off with StoreUnavailable after some of it; a move has copied, not deleted
    double       put_if_absent overwrites what is there and says True, as Swift may to two who race
    late         what a write changed is not to be seen in listings for the next `lateness` operations
    crash        Crash is raised, and nothing was done
    crash-after  Crash is raised when the operation has been done

What a fault does not fit (half a put) is refused instead. Several threads at once share one
sequence of operations, so there the seed alone does not decide who is hit.
"""

from __future__ import annotations

import heapq
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from mezzotint.errors import NotFound, StoreUnavailable
from mezzotint.names import check_key
from mezzotint.objects import ObjectInfo, ObjectReader, ObjectStore
from mezzotint.objects.protocol import clip
from tests.waiting import PATIENCE

T = TypeVar("T")
Fault = Literal["refused", "lost", "half", "double", "crash", "crash-after"]

_FITS: dict[str, tuple[Fault, ...]] = {
    "put": ("refused", "lost"),
    "put_if_absent": ("refused", "lost", "double"),
    "delete": ("refused", "lost"),
    "move": ("refused", "lost", "half"),
    "get": ("refused", "half"),
    "read": ("refused",),
    "stat": ("refused",),
    "list": ("refused", "half"),
}


class Crash(BaseException):
    """The process is gone, as far as everything that handles errors can tell."""


@dataclass(frozen=True)
class Rates:
    """How likely each fault is, from 0 to 1, at each operation that it fits."""

    refused: float = 0
    lost: float = 0
    half: float = 0
    double: float = 0
    late: float = 0


NOW_AND_THEN = Rates(refused=0.04, lost=0.04, half=0.08, late=0.1)


@dataclass
class Frozen:
    """One operation that stands still: `reached` is set when it does, and `thaw` lets it go on."""

    reached: threading.Event = field(default_factory=threading.Event)
    _thawed: threading.Event = field(default_factory=threading.Event)

    def thaw(self) -> None:
        self._thawed.set()

    def stand(self) -> None:
        self.reached.set()
        assert self._thawed.wait(PATIENCE), "nobody thawed a frozen operation"


@dataclass
class _Planned:
    """A fault, or a standstill, that waits for its operation."""

    what: Fault | Frozen
    countdown: int
    operation: str
    key: str

    def meets(self, operation: str, key: str) -> bool:
        if not key.startswith(self.key) or self.operation not in {"", operation}:
            return False
        self.countdown -= 1
        return self.countdown == 0


class FaultyStore:
    """As `store`, with faults. `injected` counts those that came to pass, `operations` everything asked."""

    def __init__(self, store: ObjectStore, rates: Rates = Rates(), seed: int = 0, lateness: int = 5) -> None:
        self.rates, self.injected, self.operations = rates, Counter[str](), 0
        self._store, self._random, self._lateness = store, random.Random(seed), lateness
        self._planned: list[_Planned] = []
        self._late: dict[str, tuple[ObjectInfo | None, int]] = {}
        self._lock = threading.RLock()
        self._calm = self._down = False

    def fail(self, fault: Fault, at: int = 1, operation: str = "", key: str = "") -> None:
        """The `at`th operation from now on has this fault: of those named `operation`, whose keys begin with `key`."""
        self._planned.append(_Planned(fault, at, operation, key))

    def freeze(self, at: int = 1, operation: str = "", key: str = "") -> Frozen:
        """The `at`th such operation stands still before it asks the store."""
        frozen = Frozen()
        self._planned.append(_Planned(frozen, at, operation, key))
        return frozen

    @contextmanager
    def calm(self) -> Iterator[None]:
        self._calm, before = True, self._calm
        try:
            yield
        finally:
            self._calm = before

    @contextmanager
    def down(self) -> Iterator[None]:
        self._down, before = True, self._down
        try:
            yield
        finally:
            self._down = before

    def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
        self._write("put", (key,), lambda: self._store.put(key, body, content_type))

    def put_if_absent(self, key: str, body: bytes | Path, content_type: str | None = None) -> bool:
        def twice() -> bool:
            there = not self._store.put_if_absent(key, body, content_type)
            if there:
                self._store.put(key, body, content_type)
                self._count("double")
            return True

        def once() -> bool:
            return self._store.put_if_absent(key, body, content_type)

        return self._write("put_if_absent", (key,), once, double=twice)

    def arbitrates(self) -> bool:
        return not self.rates.double and self._store.arbitrates()

    def get(self, key: str, start: int = 0, length: int | None = None) -> ObjectReader:
        fault = self._meet("get", key)
        fault = "crash" if fault == "crash-after" else fault  # all the same, and no reader is left open
        reader = self._done(fault, lambda: self._store.get(key, start, length))
        if fault != "half":
            return reader
        _, asked = clip(start, length, reader.size)
        return _BreakingOff(reader, self._below(asked), lambda: self._count("half"))

    def read(self, key: str) -> bytes:
        return self._done(self._meet("read", key), lambda: self._store.read(key))

    def stat(self, key: str) -> ObjectInfo:
        return self._done(self._meet("stat", key), lambda: self._store.stat(key))

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ObjectInfo]:
        fault = self._meet("list", prefix, is_key=False)
        left = self._below(20) if fault == "half" else -1
        for info in self._done(fault, lambda: self._listed(prefix, start_after)):
            if left == 0:
                break
            left -= 1
            yield info
        if fault == "half":
            self._count("half")
            raise StoreUnavailable("injected: the listing broke off")

    def delete(self, key: str) -> None:
        self._write("delete", (key,), lambda: self._store.delete(key))

    def move(self, source: str, target: str) -> None:
        def copied() -> None:
            self._store.put(check_key(target), self._store.read(source))
            self._count("half")
            raise StoreUnavailable("injected: the move broke off")

        self._write("move", (source, target), lambda: self._store.move(source, target), half=copied)

    def local_path(self, key: str) -> Path | None:
        """None, so that nobody reads past the faults."""
        return None

    def _write(
        self,
        operation: str,
        keys: tuple[str, ...],
        work: Callable[[], T],
        *,
        half: Callable[[], T] | None = None,
        double: Callable[[], T] | None = None,
    ) -> T:
        fault = self._meet(operation, keys[0])
        before = {key: self._seen(key) for key in keys} if self._is_late() else {}
        try:
            if fault == "half" and half:
                return half()
            return self._done(fault, double if fault == "double" and double else work)
        finally:
            with self._lock:
                until = self.operations + self._lateness
                self._late |= {key: (info, until) for key, info in before.items()}

    def _meet(self, operation: str, key: str, *, is_key: bool = True) -> Fault | None:
        """The fault that this operation is to have, after it has stood still if it has to."""
        if is_key:
            check_key(key)
        with self._lock:
            self.operations += 1
            if self._calm:
                return None
            planned = [plan for plan in self._planned if plan.meets(operation, key)]
            self._planned = [plan for plan in self._planned if plan.countdown > 0]
            fault = "refused" if self._down else self._drawn(operation)
        for plan in planned:
            if isinstance(plan.what, Frozen):
                self._count("frozen")
                plan.what.stand()
            else:
                fault = plan.what
        if fault in {None, "crash", "crash-after", *_FITS[operation]}:
            return fault
        return "refused"

    def _drawn(self, operation: str) -> Fault | None:
        number = self._random.random()
        for fault in _FITS[operation]:
            number -= getattr(self.rates, fault)
            if number < 0:
                return fault
        return None

    def _done(self, fault: Fault | None, work: Callable[[], T]) -> T:
        if fault in {"refused", "crash"}:
            self._count(fault)
            raise Crash if fault == "crash" else StoreUnavailable("injected: the store does not answer")
        if fault in {"lost", "crash-after"}:
            with suppress(NotFound):
                work()
            self._count(fault)
            raise Crash if fault == "crash-after" else StoreUnavailable("injected: the acknowledgement was lost")
        return work()

    def _listed(self, prefix: str, start_after: str) -> Iterator[ObjectInfo]:
        """The true listing, but for what it is late with."""
        with self._lock:
            late = {} if self._calm else {k: info for k, (info, until) in self._late.items() if until > self.operations}
            late = {k: info for k, info in late.items() if k.startswith(prefix) and k > start_after}
        if not late:
            return self._store.list(prefix, start_after)
        self._count("late")
        true = (info for info in self._store.list(prefix, start_after) if info.key not in late)
        stale = sorted(filter(None, late.values()), key=lambda info: info.key)
        return heapq.merge(true, stale, key=lambda info: info.key)

    def _seen(self, key: str) -> ObjectInfo | None:
        """What listings show of `key` now."""
        info, until = self._late.get(key, (None, 0))
        if until > self.operations:
            return info
        try:
            return self._store.stat(key)
        except NotFound:
            return None

    def _count(self, fault: str | None) -> None:
        with self._lock:
            self.injected[str(fault)] += 1

    def _below(self, count: int) -> int:
        with self._lock:
            return self._random.randrange(max(count, 1))

    def _is_late(self) -> bool:
        with self._lock:
            return not self._calm and self._random.random() < self.rates.late


class _BreakingOff(ObjectReader):
    """A reader that gives `left` bytes and then breaks off."""

    def __init__(self, reader: ObjectReader, left: int, told: Callable[[], None]) -> None:
        self._reader, self._left, self._told = reader, left, told
        self.size, self.version = reader.size, reader.version

    def chunks(self) -> Iterator[bytes]:
        for chunk in self._reader.chunks():
            if part := chunk[: self._left]:
                self._left -= len(part)
                yield part
            if len(part) < len(chunk):
                break
        self._told()
        raise StoreUnavailable("injected: the object broke off as it was read")

    def close(self) -> None:
        self._reader.close()

    def __enter__(self) -> _BreakingOff:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
