"""Something that is done at a moment unless it was called off before: one thread for all of them."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(order=True)
class _Entry:
    moment: float
    number: int
    act: Callable[[], None] | None = field(compare=False)


class Deadlines:
    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def after(self, seconds: float, act: Callable[[], None]) -> Iterator[None]:
        """Do `act` where the block takes longer; it must not wait for anything."""
        entry = _Entry(time.monotonic() + seconds, next(self._numbers), act)
        with self._changed:
            heapq.heappush(self._heap, entry)
            if self._heap[0] is entry:
                self._watch()
        try:
            yield
        finally:
            entry.act = None  # it leaves the heap when its moment has come, or it is the first

    def _watch(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
            self._thread.start()
        else:
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._heap and self._heap[0].act is None:
                    heapq.heappop(self._heap)
                wait = self._heap[0].moment - time.monotonic() if self._heap else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                act = heapq.heappop(self._heap).act
            if act is not None:
                act()
