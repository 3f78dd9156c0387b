"""Sends what is new to the peers that are to have it, and has them delete what was deleted here."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator

from mezzotint.derivatives import Bases
from mezzotint.errors import MezzotintError, NotFound, OriginBusy, OriginError
from mezzotint.imagecloud import leases
from mezzotint.imagecloud.leases import Owner
from mezzotint.imagecloud.models import CloneRequest
from mezzotint.imagecloud.threads import in_database
from mezzotint.objects import ObjectReader
from mezzotint.sources.peers import Peer, PeerClient, PeerList, Refusal
from mezzotint.sources.records import Records
from mezzotint.sources.urls import parse_url

log = logging.getLogger(__name__)
AT_ONCE = 4
"""requests to one peer"""
_AHEAD = 8
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
_TURN, _IDLE = 0.1, 1.0


class Cloner:
    """Of one event loop."""

    def __init__(self, bases: Bases, records: Records, peers: PeerList, client: PeerClient, owner: Owner) -> None:
        self._bases, self._records, self._peers, self._client, self._owner = bases, records, peers, client, owner
        self._held: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                for request in await in_database(leases.claim, CloneRequest, self._owner, self._room):
                    self._held[request.group] += 1
                    task = asyncio.get_running_loop().create_task(self._serve(request))
                    self._under_way.add(task)
                    task.add_done_callback(self._under_way.discard)
                await asyncio.sleep(_TURN if self._under_way else _IDLE)
        finally:
            for task in list(self._under_way):
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def stop(self) -> None:
        leases.release(CloneRequest, self._owner)

    def _room(self, group: str) -> int:
        return AT_ONCE * _AHEAD - self._held[group]

    async def _serve(self, request: CloneRequest) -> None:
        try:
            peer = self._peers.named(request.group)
            if peer is None:
                await in_database(leases.bury, CloneRequest, self._owner, request.pk, "there is no such peer any more")
                return
            async with self._turns.setdefault(peer.name, asyncio.Semaphore(AT_ONCE)):
                if request.task == CloneRequest.Task.DELETE:
                    await self._client.delete(peer, request.url)
                    await in_database(_delete, request)
                else:
                    await self._copy(peer, request)
        except Refusal as error:
            await in_database(leases.bury, CloneRequest, self._owner, request.pk, error.reason)
        except MezzotintError as error:
            reason = error.reason if isinstance(error, OriginError) else str(error)
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(request.attempts - 1, 10)) * random.uniform(0.8, 1.2)
            if isinstance(error, OriginBusy):
                pause = max(pause, float(error.retry_after))
            await in_database(leases.again, CloneRequest, self._owner, request.pk, pause, reason)
        except Exception as error:
            log.exception("a picture could not be sent to %s", request.group)
            await in_database(leases.again, CloneRequest, self._owner, request.pk, LONGEST_PAUSE, repr(error))
        finally:
            self._held[request.group] -= 1

    async def _copy(self, peer: Peer, request: CloneRequest) -> None:
        record = await asyncio.to_thread(self._records.look_again, request.key)
        if record is None or record.url != parse_url(request.url).url:
            await in_database(_delete, request)
            return
        try:
            reader = await asyncio.to_thread(self._bases.open, record.ident)
        except NotFound:
            await in_database(_delete, request)  # it was only cached, and has gone
            return
        try:
            await self._client.push(peer, record, _chunks(reader), reader.size)
        finally:
            reader.close()
        await in_database(leases.finish, CloneRequest, self._owner, [request.pk])


async def _chunks(reader: ObjectReader) -> AsyncIterator[bytes]:
    pieces = reader.chunks()
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def _delete(request: CloneRequest) -> None:
    CloneRequest.objects.filter(pk=request.pk, task=request.task).delete()
