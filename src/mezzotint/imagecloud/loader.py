"""Loads what waits in the prefetch queue: many at once, each domain within its limit, none waiting for another."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from mezzotint.errors import (
    InvalidInput,
    MezzotintError,
    OriginBusy,
    OriginError,
    OriginLacks,
    StorageFull,
    StoreUnavailable,
)
from mezzotint.imagecloud import leases
from mezzotint.imagecloud.leases import Owner
from mezzotint.imagecloud.models import PrefetchItem
from mezzotint.imagecloud.threads import in_database
from mezzotint.sources.limits import Limits
from mezzotint.sources.remote import RemoteImages
from mezzotint.sources.urls import parse_url

log = logging.getLogger(__name__)
MOST_ATTEMPTS = 5
FIRST_PAUSE = 70.0
"""seconds, a little more than a failure is remembered"""
_LONGEST_PAUSE = 6 * 3600.0
_STORE_PAUSE = 30.0
_AHEAD = 3
"""as many as a domain allows at once are claimed, times this, so that there is always a next one"""
MOST_HELD = 2000
_TURN, _IDLE = 0.1, 0.5


class Loader:
    """Of one event loop."""

    def __init__(self, remote: RemoteImages, limits: Limits, owner: Owner) -> None:
        self._remote, self._limits, self._owner = remote, limits, owner
        self._held: Counter[str] = Counter()
        self._under_way: set[asyncio.Task[None]] = set()
        self._done: list[int] = []
        self._settled: list[tuple[int, MezzotintError, int]] = []

    async def run(self) -> None:
        """Until it is cancelled; then what is half done is given back."""
        try:
            while True:
                claimed = await in_database(self._turn)
                for item in claimed:
                    self._held[item.group] += 1
                    task = asyncio.get_running_loop().create_task(self._load(item))
                    self._under_way.add(task)
                    task.add_done_callback(self._under_way.discard)
                await asyncio.sleep(_TURN if self._under_way else _IDLE)
        finally:
            for task in list(self._under_way):
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def stop(self) -> None:
        """Write down what is done; the rest is for others. In a thread, when `run` has ended."""
        self._settle()
        leases.release(PrefetchItem, self._owner)

    def _turn(self) -> list[PrefetchItem]:
        self._settle()
        held = sum(self._held.values())
        if held >= MOST_HELD:
            return []
        return leases.claim(PrefetchItem, self._owner, self._room)

    def _room(self, group: str) -> int:
        return self._limits.of(group)[1] * _AHEAD - self._held[group]

    async def _load(self, item: PrefetchItem) -> None:
        try:
            target = parse_url(item.url)
            await self._remote.load(target)
            self._done.append(item.pk)
        except MezzotintError as error:
            self._settled.append((item.pk, error, item.attempts))
        except Exception as error:
            log.exception("a picture could not be loaded: %s", item.url)
            self._settled.append((item.pk, MezzotintError(repr(error)), item.attempts))
        finally:
            self._held[item.group] -= 1

    def _settle(self) -> None:
        done, self._done = self._done, []
        settled, self._settled = self._settled, []
        try:
            leases.finish(PrefetchItem, self._owner, done)
        except BaseException:
            self._done += done
            self._settled += settled
            raise
        for pk, error, attempts in settled:
            self._judge(pk, error, attempts)

    def _judge(self, pk: int, error: MezzotintError, attempts: int) -> None:
        reason = error.reason if isinstance(error, OriginError) else str(error)
        if isinstance(error, OriginBusy):
            leases.again(PrefetchItem, self._owner, pk, error.retry_after, reason, counts=False)
        elif isinstance(error, OriginLacks | InvalidInput):
            leases.bury(PrefetchItem, self._owner, pk, reason)
        elif isinstance(error, StoreUnavailable | StorageFull):  # none of its own doing
            leases.again(PrefetchItem, self._owner, pk, _STORE_PAUSE, reason, counts=False)
        elif attempts >= MOST_ATTEMPTS:
            leases.bury(PrefetchItem, self._owner, pk, reason)
        else:
            pause = min(_LONGEST_PAUSE, FIRST_PAUSE * 4 ** (attempts - 1))
            leases.again(PrefetchItem, self._owner, pk, pause, reason)
