"""What befalls an installation while it is asked, one thing after the other."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.proof.crowd import Crowd, Failure
from tests.proof.installation import WORKERS, Installation
from tests.waiting import PATIENCE, until

_MEANWHILE = 1.0
"""seconds in which all is asked as usual"""


@dataclass(frozen=True)
class Mishap:
    """`strike` is back when it has happened and been mended. `felt`: a client may have noticed."""

    name: str
    strike: Callable[[Installation], None]
    felt: bool = False


@dataclass(frozen=True)
class Moment:
    """When a mishap was, by the monotonic clock. It struck while somebody was waiting for an answer."""

    mishap: Mishap
    begun: float
    ended: float

    def excuses(self, failure: Failure) -> bool:
        return self.mishap.felt and failure.begun <= self.ended and failure.ended >= self.begun


def mishaps() -> Iterator[Mishap]:
    for number in range(WORKERS):
        yield Mishap(f"worker {number + 1} is killed", _kill_a_worker(number), felt=True)
    yield Mishap("a worker is killed again as soon as it is back", _kill_a_worker_twice, felt=True)
    yield Mishap("the cleaner is killed", _kill_the_cleaner)
    yield Mishap("Redis is killed and comes back empty", _kill_redis)
    yield Mishap("Redis does not answer for a while", _pause_redis)
    yield Mishap("nginx is restarted", lambda all: all.front.nginx.restart(), felt=True)
    yield Mishap("nginx is killed and comes back", _kill_nginx, felt=True)
    yield Mishap("all that is cached is removed", _remove_all)


async def befall(crowd: Crowd, installation: Installation) -> list[Moment]:
    """All of them, and then the crowd is stopped."""
    moments = []
    try:
        for mishap in mishaps():
            await asyncio.sleep(_MEANWHILE)
            async with asyncio.timeout(PATIENCE):
                await crowd.is_waiting()
            begun = time.monotonic()
            await asyncio.to_thread(mishap.strike, installation)
            moments.append(Moment(mishap, begun, time.monotonic()))
        await asyncio.sleep(_MEANWHILE)
    finally:
        crowd.stopped = True
    return moments


def _kill_a_worker(number: int) -> Callable[[Installation], None]:
    def strike(installation: Installation) -> None:
        _replaced(installation, installation.first_workers[number])

    return strike


def _kill_a_worker_twice(installation: Installation) -> None:
    before = installation.workers()
    after = _replaced(installation, min(before))
    _replaced(installation, *after - before)
    assert until(installation.answers)


def _replaced(installation: Installation, victim: int) -> set[int]:
    """The workers that there are once this one has been killed."""
    os.kill(victim, signal.SIGKILL)
    assert until(lambda: len(now := installation.workers()) == WORKERS and victim not in now)
    return installation.workers()


def _kill_the_cleaner(installation: Installation) -> None:
    installation.cleaner.kill()
    installation.cleaner.wait(PATIENCE)
    installation.clean()


def _kill_redis(installation: Installation) -> None:
    installation.redis.kill()
    time.sleep(_MEANWHILE)
    installation.redis.restart()
    assert until(installation.is_whole), "the index was not completed by itself"


def _pause_redis(installation: Installation) -> None:
    installation.redis.pause()
    time.sleep(_MEANWHILE * 2)
    installation.redis.resume()
    assert until(installation.is_whole), "the index was not completed by itself"


def _kill_nginx(installation: Installation) -> None:
    installation.front.nginx.kill()
    installation.front.nginx.restart()


def _remove_all(installation: Installation) -> None:
    for entry in installation.cache.iterdir():
        shutil.rmtree(entry, ignore_errors=True)
    assert until(installation.is_whole), "the index was not completed by itself"
