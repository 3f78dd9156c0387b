"""Answers that are made piece by piece, so many of a kind at once, by threads of their own: what holds one up (a
database or a store that hangs, a client that reads slowly) holds up its own kind alone."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.db import connections

from mezzotint.errors import Busy


class Room:
    """For so many of what is called `name`, in the plural."""

    def __init__(self, name: str, size: int) -> None:
        self._name, self._size = name, size
        self._free = threading.BoundedSemaphore(size)
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=name)

    def enter(self) -> Place:
        """Raises Busy."""
        if not self._free.acquire(blocking=False):
            raise Busy(f"{self._size} {self._name} are going on here already")
        return Place(self._free.release)

    async def stream(
        self, pieces: Iterator[bytes], place: Place, close: Callable[[], None] = lambda: None
    ) -> AsyncIterator[bytes]:
        step = sync_to_async(_next, thread_sensitive=False, executor=self._threads)
        try:
            while (piece := await step(pieces)) is not None:
                yield piece
        finally:
            place.leave()
            close()


class Place:
    """One of those that go on, until it is left, or nobody knows of it any more."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release

    def leave(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()

    __del__ = leave


def _next(pieces: Iterator[bytes]) -> bytes | None:
    try:
        return next(pieces, None)
    finally:
        connections.close_all()
