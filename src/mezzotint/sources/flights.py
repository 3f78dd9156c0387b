"""Single flight: one load of each thing however many ask, in this process by its task, on this host by a lock."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mezzotint.errors import MezzotintError, OriginBusy
from mezzotint.host.lanes import Lane
from mezzotint.host.locks import HostLocks

log = logging.getLogger(__name__)
T = TypeVar("T")
Begin = Callable[[], None]
"""called before somebody else is asked; raises what forbids it"""
_POLL_FIRST, _POLL_MOST = 0.002, 0.05


@dataclass(frozen=True, slots=True)
class _Held(Generic[T]):
    """What was seen with a lock, which is let go with `close`."""

    lock: int
    seen: T

    def close(self) -> None:
        os.close(self.lock)


class Flights:
    """Of one event loop. `patience`, in seconds, is for a load that goes on in another process. Close it at the end."""

    def __init__(self, locks: HostLocks, lane: Lane, patience: float) -> None:
        self._locks, self._lane, self._patience = locks, lane, patience
        self._flights: dict[str, asyncio.Task[Any]] = {}

    async def close(self) -> None:
        for flight in list(self._flights.values()):
            flight.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)

    def fly(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """The flight that is under way, or a new one that does `work`. Shield it: others wait for it too."""
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.get_running_loop().create_task(work())
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        return flight

    def are_under_way(self, key: str) -> bool:
        return key in self._flights

    @asynccontextmanager
    async def alone(self, key: str, look: Callable[[str], T]) -> AsyncIterator[T]:
        """What there is to see of a URL, with its lock. Raises OriginBusy where somebody else has it for too long."""
        pause, until = _POLL_FIRST, time.monotonic() + self._patience
        while (held := await self.in_thread(self._locked, key, look)) is None:
            if time.monotonic() > until:
                raise OriginBusy("this URL", self._patience)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _POLL_MOST)
        try:
            yield held.seen
        finally:
            held.close()

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self._lane.do(work, *arguments)

    def _landed(self, key: str, flight: asyncio.Task[Any]) -> None:
        del self._flights[key]
        error = None if flight.cancelled() else flight.exception()
        if error is not None and not isinstance(error, MezzotintError):
            log.error("a picture could not be loaded", exc_info=error)

    def _locked(self, key: str, look: Callable[[str], T]) -> _Held[T] | None:
        lock = self._locks.take(f"url:{key}")
        if lock is None:
            return None
        try:
            return _Held(lock, look(key))
        except BaseException:
            os.close(lock)
            raise
