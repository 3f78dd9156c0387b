"""Seats of a domain, where two processes of a host have work for it that never ends."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mezzotint.cache.locks import HostLocks
from mezzotint.sources.limits import Limits
from mezzotint.sources.seats import Seats

HOST = "a.example"


class NoConnection:
    async def close(self) -> None:
        pass


def seat() -> Any:
    return None, NoConnection()


class Process:
    """An event loop in a thread, with its own seats. `turns` are the moments at which it had one."""

    def __init__(self, locks: HostLocks, limits: Limits) -> None:
        self.turns: list[float] = []
        self._locks, self._limits = locks, limits
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    @contextmanager
    def working(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join(10)

    async def _main(self) -> None:
        seats = Seats(self._locks, self._limits, seat)
        tasks = [asyncio.create_task(self._work(seats)) for _ in range(5)]
        while not self._over.is_set():
            await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await seats.close()

    async def _work(self, seats: Seats) -> None:
        while True:
            async with seats.take(HOST):
                self.turns.append(time.monotonic())
                await asyncio.sleep(0.01)


@pytest.fixture
def locks(tmp_path: Path) -> HostLocks:
    return HostLocks(tmp_path / "locks")


@pytest.fixture
def limits(tmp_path: Path) -> Limits:
    (tmp_path / "max_downloads.json").write_text('{"*": 1}')
    return Limits(tmp_path / "max_downloads.json")


def test_whoever_comes_second_has_its_turn_before_long(locks: HostLocks, limits: Limits) -> None:
    async def second() -> float:
        seats, begun = Seats(locks, limits, seat), time.monotonic()
        async with asyncio.timeout(5), seats.take(HOST):
            waited = time.monotonic() - begun
        await seats.close()
        return waited

    first = Process(locks, limits)
    with first.working():
        time.sleep(0.2)
        assert first.turns
        assert asyncio.run(second()) < 2
        count = len(first.turns)
        time.sleep(1)
        assert len(first.turns) > count, "and afterwards it goes on"


def test_two_whose_work_never_ends_have_their_turns_again_and_again(locks: HostLocks, limits: Limits) -> None:
    one, other = Process(locks, limits), Process(locks, limits)
    begun = time.monotonic()
    with one.working(), other.working():
        time.sleep(5)
    ended = time.monotonic()
    for process in (one, other):
        moments = [begun, *process.turns, ended]
        longest = max(after - before for before, after in itertools.pairwise(moments))
        assert longest < 2.2, f"nothing for {longest:.1f} s"
