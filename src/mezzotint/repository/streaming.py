"""Answers that are made piece by piece, so many of a kind at once, by threads of their own: what holds one up (a
database or a store that hangs, a client that reads slowly) holds up its own kind alone."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

from django.db import connections

from mezzotint.errors import Busy


class Room:
    """For so many of what is called `name`, in the plural, made by so many threads."""

    def __init__(self, name: str, size: int, threads: int | None = None) -> None:
        self._name, self._size = name, size
        self._free = threading.BoundedSemaphore(size)
        self._threads = ThreadPoolExecutor(threads or size, thread_name_prefix=name)

    def enter(self) -> Place:
        """Raises Busy."""
        if not self._free.acquire(blocking=False):
            raise Busy(f"{self._size} {self._name} are going on here already")
        return Place(self._free.release)

    async def stream(self, pieces: Iterator[bytes], place: Place) -> AsyncIterator[bytes]:
        """What is under way as the client goes is waited for by nobody, and has its place until its end."""
        step: asyncio.Future[bytes | None] | None = None
        run = asyncio.get_running_loop().run_in_executor
        try:
            while True:
                step = run(self._threads, contextvars.copy_context().run, _next, pieces)
                piece = await asyncio.shield(step)
                if piece is None:
                    return
                yield piece
        finally:

            def leave(_: object) -> None:
                self._threads.submit(_close, pieces, place)

            leave(None) if step is None or step.done() else step.add_done_callback(leave)


class Place:
    """One of those that go on, until it is left, or nobody knows of it any more."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release

    def leave(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()

    __del__ = leave


def _close(pieces: Iterator[bytes], place: Place) -> None:
    try:
        if isinstance(pieces, Generator):
            pieces.close()
    finally:
        place.leave()


def _next(pieces: Iterator[bytes]) -> bytes | None:
    try:
        return next(pieces, None)
    finally:
        connections.close_all()
