"""What goes on in the background for the image cloud: in `serve` by one process of each host, and in `mezzotint work`
by as many as are started."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress

from django.db import DatabaseError

from mezzotint.errors import MezzotintError
from mezzotint.imagecloud import facts, gauges, leases, prefetching, threads, unreferenced
from mezzotint.imagecloud.cloning import Cloner
from mezzotint.imagecloud.loader import Loader
from mezzotint.imagecloud.models import CloneRequest, PrefetchItem
from mezzotint.repository.changes import Changes
from mezzotint.repository.owners import Owner
from mezzotint.repository.upkeep import background
from mezzotint.wiring import engine
from mezzotint.wiring.sources import open_sources

log = logging.getLogger(__name__)
RENEW, PURGE = 15.0, 3600.0
GAUGES = 5.0
_AGAIN = 2.0
_PATIENCE = 600.0
"""seconds that a download of the queue waits for a turn: nobody waits for it"""


async def work(*, queue: bool = True) -> None:
    """Until it is cancelled. Without `queue` only what is noted of remote images is taken in: a read node's part."""
    engine().housekeeping.start()
    owner = Owner()
    sources = open_sources(engine(), patience=_PATIENCE, queued=True)
    loader = Loader(sources, engine().limits, owner)
    cloner = Cloner(engine().bases, engine().records, engine().peers, sources.remote.peer_client, owner)
    parts: list[Callable[[], Awaitable[None]]] = [_keep_facts]
    if queue:
        parts += [loader.run, cloner.run, lambda: _keep_leases(loader, cloner), _keep_house]
    tasks = [asyncio.create_task(_lasting(part)) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(DatabaseError):
            for last in (loader.stop, cloner.stop, facts.ingest):
                await asyncio.shield(threads.in_database(last))
        await asyncio.shield(sources.close())
        threads.close()
        owner.close()


async def _lasting(part: Callable[[], Awaitable[None]]) -> None:
    """Whatever it is that goes wrong, it goes on."""
    told = ""
    while True:
        try:
            await part()
        except Exception as error:
            if str(error) != told:
                told = str(error)
                log.warning("image cloud: %s", error, exc_info=not isinstance(error, (MezzotintError, DatabaseError)))
        await asyncio.sleep(_AGAIN)


async def _keep_facts() -> None:
    await threads.in_database(facts.be_complete)
    shown = 0.0
    with closing(Changes()) as changes:
        while True:
            if engine().notes.are_there():
                await threads.in_database(facts.ingest)
            if changes.are_there():
                await threads.in_database(unreferenced.purge_here)
                if not engine().host.database.available:
                    changes.expect()
                if time.monotonic() - shown >= GAUGES:
                    shown = time.monotonic()
                    await threads.in_database(gauges.show)
                else:
                    changes.expect()
            await threads.beat()


async def _keep_leases(loader: Loader, cloner: Cloner) -> None:
    """In a thread of its own: whatever the others do, a lease must not end while its worker lives."""
    while True:
        for work in (loader.renew, cloner.renew):
            await threads.in_second(work)
        for model in (PrefetchItem, CloneRequest):
            await threads.in_second(leases.take_over, model)
        await asyncio.sleep(RENEW)


async def _keep_house() -> None:
    while True:
        await threads.in_second(unreferenced.purge_expired)
        await threads.in_second(prefetching.forget_old)
        await asyncio.sleep(PURGE)


class Background(background.Background):
    """The same, in `serve`."""

    def __init__(self) -> None:
        super().__init__("image-cloud")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def work(self) -> None:
        asyncio.run(self._work())

    def interrupt(self) -> None:
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def _work(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._stopped.is_set():
            return
        with suppress(asyncio.CancelledError):
            await work(queue=not engine().settings.read_only)
