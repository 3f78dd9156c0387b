"""The bounded render pool: single flight for each name, and backpressure (`Busy`) where its queue is full."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Generic, TypeVar

from mezzotint.errors import Busy

T = TypeVar("T")


class RenderPool(Generic[T]):
    """At most `renders` at once and `queue` names under way; a name asked for again joins its flight.

    Threads beyond the renders wait: for another process that makes the same
    thing, or for their turn to render.
    """

    def __init__(self, renders: int, queue: int) -> None:
        self._threads = ThreadPoolExecutor(queue, thread_name_prefix="render")
        self.slots = threading.Semaphore(renders)
        """to hold while rendering"""
        self._flights: dict[str, Future[T]] = {}
        self._lock = threading.Lock()
        self._queue = queue

    @property
    def under_way(self) -> int:
        return len(self._flights)

    def submit(self, name: str, work: Callable[[], T]) -> Future[T]:
        """The flight for `name`: one that is under way, or a new one that does `work`.

        Whoever waits may go away; the flight goes on. Raises Busy when the queue is full.
        """
        with self._lock:
            flight = self._flights.get(name)
            if flight is not None:
                return flight
            if len(self._flights) >= self._queue:
                raise Busy(f"{self._queue} renditions are waiting to be made, MEZZOTINT_RENDER_QUEUE")
            flight = self._flights[name] = Future()
            flight.set_running_or_notify_cancel()  # from here on nobody can cancel it for the others
        self._threads.submit(copy_context().run, self._fly, name, flight, work)  # log lines know their request
        return flight

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _fly(self, name: str, flight: Future[T], work: Callable[[], T]) -> None:
        try:
            land: Callable[[], None] = partial(flight.set_result, work())
        except BaseException as error:
            land = partial(flight.set_exception, error)
        with self._lock:
            del self._flights[name]  # first: whoever asks from now on begins a new one
        land()
