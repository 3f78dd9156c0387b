"""The bounded render pool: single flight for each name, and backpressure (`Busy`) where its queue is full."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from mezzotint.errors import Busy, GivenUp, TooMuchForOne
from mezzotint.transforms.stopping import Stop

T = TypeVar("T")
NOBODY = "nobody waits for it any more"


@dataclass(eq=False)
class Flight(Generic[T]):
    """One name being made. Whoever has asked for it waits for its `future`, or goes away with `RenderPool.leave`."""

    name: str
    client: str | None
    future: Future[T] = field(default_factory=Future)
    stop: Stop = field(default_factory=Stop)
    waiting: int = 1

    def result(self, timeout: float | None = None) -> T:
        """Raises what went wrong."""
        return self.future.result(timeout)


class RenderPool(Generic[T]):
    """At most `renders` at once and `queue` names under way, half of them begun by one client; a name asked for again
    joins its flight.

    Threads beyond the renders wait: for another process that makes the same
    thing, or for their turn to render.
    """

    def __init__(self, renders: int, queue: int) -> None:
        self._threads = ThreadPoolExecutor(queue, thread_name_prefix="render")
        self.slots = threading.Semaphore(renders)
        """to hold while rendering"""
        self._flights: dict[str, Flight[T]] = {}
        self._of: Counter[str | None] = Counter()
        self._lock = threading.Lock()
        self._queue, self._share = queue, max(1, queue // 2)

    @property
    def under_way(self) -> int:
        return self._of.total()

    def submit(self, name: str, work: Callable[[Stop], T], client: str | None = None) -> Flight[T]:
        """The flight for `name`: one that is under way, or a new one that does `work`. `client` is who may have no more
        than a share; None is nobody in particular.

        Raises Busy when the queue is full, TooMuchForOne.
        """
        with self._lock:
            flight = self._flights.get(name)
            if flight is not None and flight.stop.error is None:
                flight.waiting += 1
                return flight
            if self.under_way >= self._queue:
                raise Busy(f"{self._queue} renditions are waiting to be made, MEZZOTINT_RENDER_QUEUE")
            if client is not None and self._of[client] >= self._share:
                raise TooMuchForOne(f"{self._share} renditions are being made for you: half of MEZZOTINT_RENDER_QUEUE")
            flight = self._flights[name] = Flight(name, client)
            self._of[client] += 1
            flight.future.set_running_or_notify_cancel()  # from here on nobody can cancel it for the others
        self._threads.submit(copy_context().run, self._fly, flight, work)  # log lines know their request
        return flight

    def leave(self, flight: Flight[T]) -> None:
        """One who has asked for it does not wait any more: where nobody else does either, it is given up."""
        with self._lock:
            flight.waiting -= 1
            given_up = not flight.waiting
        if given_up:
            flight.stop.ask(GivenUp(NOBODY))

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _fly(self, flight: Flight[T], work: Callable[[Stop], T]) -> None:
        try:
            flight.stop.check()
            land: Callable[[], None] = partial(flight.future.set_result, work(flight.stop))
        except BaseException as error:
            land = partial(flight.future.set_exception, error)
        with self._lock:
            if self._flights.get(flight.name) is flight:
                del self._flights[flight.name]  # first: whoever asks from now on begins a new one
            self._of[flight.client] -= 1
            if not self._of[flight.client]:
                del self._of[flight.client]
        land()
