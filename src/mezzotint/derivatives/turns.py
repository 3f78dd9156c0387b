"""Turns: a slot to render in, the memory that it takes, and how long it may."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mezzotint.derivatives.intake import MemoryLimit
from mezzotint.errors import GivenUp, InvalidRendition
from mezzotint.host.allowance import Allowance
from mezzotint.host.deadlines import Deadlines
from mezzotint.transforms.stopping import Stop


class Turns:
    def __init__(self, slots: threading.Semaphore, memory: Allowance, most: MemoryLimit, seconds: float) -> None:
        """`memory`: bytes for all renders of the host at once; `most`: for one; `seconds` for one, waiting not
        counted."""
        self._slots, self._memory, self.most, self._seconds = slots, memory, most, seconds
        self._deadlines = Deadlines()

    @contextmanager
    def turn(self, memory: int, stop: Stop) -> Iterator[None]:
        """For what takes so much memory.

        Raises InvalidRendition where that is more than all, GivenUp where nobody waits for it by then.
        """
        self._check(memory)
        with self._slots, self._within(memory, stop, self._seconds):
            yield

    @contextmanager
    def beside(self, memory: int, stop: Stop, times: int) -> Iterator[None]:
        """Likewise, for what nobody waits for: without a slot, and `times` as long as others may."""
        self._check(memory)
        with self._within(memory, stop, self._seconds * times):
            yield

    def _check(self, memory: int) -> None:
        if memory > self.most.size:
            raise InvalidRendition("size", f"making it may take {memory >> 20} MB of memory", str(self.most))

    @contextmanager
    def _within(self, memory: int, stop: Stop, seconds: float) -> Iterator[None]:
        with self._memory.hold(memory, stop.check):
            stop.check()
            late = GivenUp(f"this takes longer than {seconds:g} seconds to make, MEZZOTINT_RENDER_TIMEOUT")
            with self._deadlines.after(seconds, lambda: stop.ask(late)):
                yield
