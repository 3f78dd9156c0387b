"""Bulkheads: for each thing that may be slow a bounded pool of threads of its own, so that one that hangs takes nothing
else along."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from mezzotint.errors import Busy

T = TypeVar("T")


def unheeded(answer: asyncio.Future[Any]) -> None:
    """Perhaps nobody waits for it any more: what it raises is no defect then."""
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())


class Lane:
    """Work for the event loop that waits for one thing: `what`.

    At most `threads` pieces of it go on and `waiting` wait for their turn, for `patience` seconds at the most. What has
    begun is waited for to its end: it has a deadline of its own.
    """

    def __init__(self, what: str, threads: int, waiting: int = 1000, patience: float | None = None) -> None:
        self._what, self._most, self._patience = what, threads + waiting, patience
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=what.replace(" ", "-"))
        self._under_way = 0
        self._lock = threading.Lock()

    async def do(self, work: Callable[..., T], *arguments: Any) -> T:
        """In a thread whose log lines still know their request. Raises Busy, and what `work` does."""
        with self._lock:
            if self._under_way >= self._most:
                raise Busy(f"{self._under_way} requests are waiting for {self._what}")
            self._under_way += 1
        asked: Future[T] = self._threads.submit(copy_context().run, work, *arguments)
        asked.add_done_callback(self._done)
        answer = asyncio.wrap_future(asked)
        try:
            await asyncio.wait([answer], timeout=self._patience)
            if not answer.done() and asked.cancel():
                raise Busy(f"{self._what} has not answered others for {self._patience:g} s")
            return await answer
        except asyncio.CancelledError:
            if not asked.cancel():
                asked.add_done_callback(_dropped)
                unheeded(answer)
            raise

    def close(self) -> None:
        """What has begun goes on to its end, for nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _done(self, asked: Future[Any]) -> None:
        with self._lock:
            self._under_way -= 1


def _dropped(asked: Future[Any]) -> None:
    """Nobody takes what has come: what it has open is closed."""
    if not asked.cancelled() and asked.exception() is None and hasattr(asked.result(), "close"):
        asked.result().close()


class Question(Generic[T]):
    """A question to what may not answer, asked by one thread at a time, however many want to know."""

    def __init__(self, name: str, ask: Callable[..., T]) -> None:
        self._ask, self._name = ask, name
        self._asked: Future[T] | None = None
        self._since = 0.0
        self._lock = threading.Lock()

    def answer(self, patience: float, *arguments: Any) -> T:
        """What it is now. Where it was asked before, and not answered yet, that is waited for: until `patience`
        seconds after it was asked. Raises TimeoutError, and what asking does."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked, self._since = Future(), time.monotonic()
                threading.Thread(target=self._go, args=(self._asked, arguments), name=self._name, daemon=True).start()
            asked, left = self._asked, self._since + patience - time.monotonic()
        return asked.result(max(0.0, left))

    def _go(self, asked: Future[T], arguments: tuple[Any, ...]) -> None:
        try:
            asked.set_result(self._ask(*arguments))
        except BaseException as error:
            asked.set_exception(error)
