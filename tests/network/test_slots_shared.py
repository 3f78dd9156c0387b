"""Slots of a domain, where two processes of a host have work for it that never ends."""

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

from mezzotint.host.locks import HostLocks
from mezzotint.network.limits import DomainLimits
from mezzotint.network.slots import Slots
from tests.waiting import PATIENCE, until

HOST = "a.example"


class NoConnection:
    async def close(self) -> None:
        pass


def slot() -> Any:
    return None, NoConnection()


class Process:
    """An event loop in a thread, with its own slots. `turns` are the moments at which it had one."""

    def __init__(self, locks: HostLocks, limits: DomainLimits) -> None:
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
            self._thread.join(PATIENCE)

    async def _main(self) -> None:
        slots = Slots(self._locks, self._limits, slot)
        tasks = [asyncio.create_task(self._work(slots)) for _ in range(5)]
        while not self._over.is_set():
            await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await slots.close()

    async def _work(self, slots: Slots) -> None:
        while True:
            async with slots.take(HOST):
                self.turns.append(time.monotonic())
                await asyncio.sleep(0.01)


@pytest.fixture
def locks(tmp_path: Path) -> HostLocks:
    return HostLocks(tmp_path / "locks")


@pytest.fixture
def limits(tmp_path: Path) -> DomainLimits:
    (tmp_path / "max_downloads.json").write_text('{"*": 1}')
    return DomainLimits(tmp_path / "max_downloads.json")


def test_whoever_comes_second_has_its_turn_though_the_first_never_ends(locks: HostLocks, limits: DomainLimits) -> None:
    async def second() -> None:
        slots = Slots(locks, limits, slot)
        async with asyncio.timeout(PATIENCE), slots.take(HOST):
            pass
        await slots.close()

    first = Process(locks, limits)
    with first.working():
        until(lambda: first.turns)
        asyncio.run(second())
        count = len(first.turns)
        until(lambda: len(first.turns) > count)  # and afterwards it goes on


def test_two_whose_work_never_ends_have_their_turns_again_and_again(locks: HostLocks, limits: DomainLimits) -> None:
    one, other = Process(locks, limits), Process(locks, limits)

    def changes() -> int:
        turns = sorted([(at, "one") for at in one.turns] + [(at, "other") for at in other.turns])
        return sum(before[1] != after[1] for before, after in itertools.pairwise(turns))

    with one.working(), other.working():
        until(lambda: changes() >= 6)
