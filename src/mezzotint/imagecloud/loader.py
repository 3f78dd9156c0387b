"""Loads what waits in the prefetch queue: many at once, each domain within its limit, none waiting for another."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque

from mezzotint import errors, tracing
from mezzotint.imagecloud import leases
from mezzotint.imagecloud.models import PrefetchItem
from mezzotint.imagecloud.threads import beat, in_database
from mezzotint.network.limits import DomainLimits
from mezzotint.network.urls import parse_url
from mezzotint.repository.changes import Changes
from mezzotint.repository.owners import Owner
from mezzotint.wiring.sources import Sources

log = logging.getLogger(__name__)
MOST_ATTEMPTS = 5
FIRST_PAUSE = 70.0
"""seconds, a little more than a failure is remembered"""
_LONGEST_PAUSE = 6 * 3600.0
_STORE_PAUSE = 30.0
_AHEAD = 3
"""as many as a domain allows at once are claimed, times this, so that there is always a next one"""
MOST_HELD = 2000
_TURN = 0.1


class Loader:
    """Of one event loop."""

    def __init__(self, sources: Sources, limits: DomainLimits, owner: Owner) -> None:
        self._sources, self._limits, self._owner = sources, limits, owner
        self._held: dict[int, PrefetchItem] = {}
        self._waiting: dict[str, deque[PrefetchItem]] = {}
        self._loading: Counter[str] = Counter()
        self._under_way: set[asyncio.Task[None]] = set()
        self._done: list[PrefetchItem] = []
        self._failed: deque[tuple[PrefetchItem, errors.MezzotintError]] = deque()
        self._changes = Changes()

    async def run(self) -> None:
        """Until it is cancelled, or fails; begun again it begins with what was left."""
        try:
            await in_database(self.stop)
            while True:
                if self._held or self._done or self._failed or self._changes.are_there():
                    for item in await in_database(self._turn):
                        self._held[item.pk] = item
                        self._waiting.setdefault(item.group, deque()).append(item)
                for group in list(self._waiting):
                    self._begin(group)
                await (asyncio.sleep(_TURN) if self._held else beat())
        finally:
            self._waiting.clear()  # first, so that what ends begins nothing
            for task in list(self._under_way):
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
            self._held.clear()
            self._changes.close()

    def stop(self) -> None:
        """Write down what is done; what is not is for others. In the database's thread, while `run` does nothing."""
        self._settle()
        leases.release(PrefetchItem, self._owner)

    def renew(self) -> None:
        leases.renew(PrefetchItem, self._owner, list(self._held))

    def _turn(self) -> list[PrefetchItem]:
        self._settle()
        claimed = leases.claim(PrefetchItem, self._owner, self._room, MOST_HELD - len(self._held))
        if not claimed and leases.wait(PrefetchItem):
            self._changes.expect()
        return claimed

    def _room(self, group: str) -> int:
        held = self._loading[group] + len(self._waiting.get(group, ()))
        return self._limits.of(group)[1] * _AHEAD - held

    def _begin(self, group: str) -> None:
        """As many as the domain allows; the others wait here, and hold nothing."""
        waiting = self._waiting.get(group, deque())
        while waiting and self._loading[group] < self._limits.of(group)[1]:
            self._loading[group] += 1
            task = asyncio.get_running_loop().create_task(self._load(waiting.popleft()))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        if not waiting:
            self._waiting.pop(group, None)

    async def _load(self, item: PrefetchItem) -> None:
        tracing.request_id.set(item.request)  # of this task alone
        try:
            with tracing.span("prefetch", host=item.group):
                await self._sources.load(parse_url(item.url), ask_peers=item.from_peers)
            self._done.append(item)
        except errors.MezzotintError as error:
            self._failed.append((item, error))
        except Exception as error:
            log.exception("a picture could not be loaded: %s", item.url)
            self._failed.append((item, errors.MezzotintError(repr(error))))
        finally:
            self._held.pop(item.pk, None)
            self._loading[item.group] -= 1
            if not self._loading[item.group]:
                del self._loading[item.group]
            self._begin(item.group)

    def _settle(self) -> None:
        """Raises DatabaseError; then nothing is forgotten."""
        done = list(self._done)
        leases.finish(PrefetchItem, done)
        del self._done[: len(done)]
        while self._failed:
            _judge(*self._failed[0])
            self._failed.popleft()


def _judge(item: PrefetchItem, error: errors.MezzotintError) -> None:
    reason = error.reason if isinstance(error, errors.OriginError) else str(error)
    if isinstance(error, errors.OriginBusy):
        leases.again(item, error.retry_after, reason, counts=False)
    elif isinstance(error, errors.StoreUnavailable | errors.StorageFull):  # none of its own doing
        leases.again(item, _STORE_PAUSE, reason, counts=False)
    elif isinstance(error, errors.OriginRefuses | errors.InvalidInput) or item.attempts >= MOST_ATTEMPTS:
        leases.bury(item, reason)
    else:
        leases.again(item, min(_LONGEST_PAUSE, FIRST_PAUSE * 4 ** (item.attempts - 1)), reason)
