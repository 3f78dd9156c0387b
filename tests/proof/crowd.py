"""Clients that ask all at once, try again where a connection breaks, and look at every answer."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import aiohttp

from tests.proof.shelves import Ask, Shelves
from tests.waiting import PATIENCE

_AGAIN = {502, 503, 504}


@dataclass(frozen=True)
class Failure:
    """An attempt that came to nothing, by the monotonic clock."""

    ask: Ask
    begun: float
    ended: float
    reason: str


@dataclass
class Crowd:
    """`answered` counts what clients were told of where an answer came from."""

    shelves: Shelves
    size: int
    breath: float = 0.0
    """seconds between an answer and a client's next request"""
    answered: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    stopped: bool = False
    _waiting: int = 0

    async def ask(self, each: int | None, seed: int = 0) -> None:
        """So many requests of each client; without a number, until it is `stopped`. Raises AssertionError."""
        connector = aiohttp.TCPConnector(limit=self.size)
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with (
            aiohttp.ClientSession(self.shelves.base, connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            for n in range(self.size):
                asks = self.shelves.asks(seed * self.size + n)
                group.create_task(self._client(session, asks if each is None else islice(asks, each)))

    async def is_waiting(self) -> None:
        """Back when a request is under way."""
        while not self._waiting:
            await asyncio.sleep(0)

    async def _client(self, session: aiohttp.ClientSession, asks: Iterable[Ask]) -> None:
        for ask in asks:
            if self.stopped:
                return
            self._waiting += 1
            await self._answered(session, ask)
            self._waiting -= 1
            if self.breath:
                await asyncio.sleep(self.breath)

    async def _answered(self, session: aiohttp.ClientSession, ask: Ask) -> None:
        deadline = time.monotonic() + PATIENCE
        for pause in _pauses():
            begun = time.monotonic()
            reason = await self._attempt(session, ask)
            if reason is None:
                return
            self.failures.append(Failure(ask, begun, time.monotonic(), reason))
            assert time.monotonic() < deadline, (ask, reason)
            await asyncio.sleep(pause)

    async def _attempt(self, session: aiohttp.ClientSession, ask: Ask) -> str | None:
        """None where it was answered; else why it may be tried again."""
        try:
            async with session.get(ask.path) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            return repr(error)
        if answer.status in _AGAIN:
            return f"{answer.status} {body[:200]!r}"
        self.shelves.check(ask, answer.status, answer.headers, body)
        by = answer.headers.get("X-Served-By", "mezzotint")
        self.answered[f"{by} {answer.headers.get('X-Cache-Status', answer.status)}"] += 1
        return None


def _pauses() -> Iterator[float]:
    while True:
        yield 0.1
