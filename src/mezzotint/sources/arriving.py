"""The bytes of a picture on their way in: in memory while they are few, spooled to the disk when they are many."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

from mezzotint.derivatives.intake import Spool
from mezzotint.errors import TooManyBytes
from mezzotint.host.lanes import Lane

T = TypeVar("T")
_PIECE = 1 << 20


class Arriving:
    """A small picture needs one turn in a thread in all, a large one one more for each megabyte. Close it."""

    def __init__(self, spool: Callable[[], AbstractContextManager[Spool]], lane: Lane, most: int | None = None) -> None:
        """`most` bytes, where that is less than may be kept at all."""
        self._open_spool, self._lane, self._most = spool, lane, most
        self._waiting: list[bytes] = []
        self._size, self._all = 0, 0
        self._stack = ExitStack()
        self._spool: Spool | None = None

    async def receive(self, chunks: AsyncIterator[bytes]) -> None:
        """Everything that comes. Raises TooManyBytes, StorageFull."""
        async for chunk in chunks:
            self._waiting.append(chunk)
            self._size += len(chunk)
            self._all += len(chunk)
            if self._most is not None and self._all > self._most:
                raise TooManyBytes("file", "is too large", f"{self._most} bytes, MEZZOTINT_FETCH_MAX_BYTES")
            if self._size >= _PIECE:
                await self._lane.do(self._write)

    async def finish(self, work: Callable[[Spool], T]) -> T:
        """Do `work`, in a thread, with all that has come."""

        def done() -> T:
            with self._stack:
                return work(self._write())

        return await self._lane.do(done)

    async def aclose(self) -> None:
        """What was spooled of a picture that did not arrive goes."""
        if self._spool is not None:
            await self._lane.do(self._stack.close)

    def _write(self) -> Spool:
        if self._spool is None:
            self._spool = self._stack.enter_context(self._open_spool())
        self._spool.write(b"".join(self._waiting))
        self._waiting, self._size = [], 0
        return self._spool
