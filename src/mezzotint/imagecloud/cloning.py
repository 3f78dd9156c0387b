"""Sends what is new to the peers that are to have it, and has them delete what was deleted here."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator

from django.db.models import Q

from mezzotint import tracing
from mezzotint.derivatives import Bases
from mezzotint.errors import MezzotintError, NotFound, OriginBusy, OriginError
from mezzotint.imagecloud import leases
from mezzotint.imagecloud.models import CloneRequest
from mezzotint.imagecloud.threads import beat, in_database
from mezzotint.objects import ObjectReader
from mezzotint.repository import owners
from mezzotint.repository.changes import Changes
from mezzotint.repository.owners import Owner
from mezzotint.sources.peer_client import PeerClient, PeerRefused
from mezzotint.sources.peers import Peer, PeerList
from mezzotint.sources.records import RemoteRecords

log = logging.getLogger(__name__)
AT_ONCE = 4
"""requests to one peer"""
_AHEAD = 8
MOST_HELD = 500
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
_TURN = 0.1


class Cloner:
    """Of one event loop."""

    def __init__(self, bases: Bases, records: RemoteRecords, peers: PeerList, client: PeerClient, owner: Owner) -> None:
        self._bases, self._records, self._peers, self._client, self._owner = bases, records, peers, client, owner
        self._held: dict[int, CloneRequest] = {}
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._changes = Changes()

    async def run(self) -> None:
        """Until it is cancelled, or fails; begun again it begins with what was left."""
        try:
            await in_database(self.stop)
            while True:
                for request in await in_database(self._claim) if self._held or self._changes.are_there() else ():
                    self._held[request.pk] = request
                    task = asyncio.get_running_loop().create_task(self._serve(request))
                    self._under_way.add(task)
                    task.add_done_callback(self._under_way.discard)
                await (asyncio.sleep(_TURN) if self._under_way else beat())
        finally:
            for task in list(self._under_way):
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
            self._held.clear()
            self._changes.close()

    def stop(self) -> None:
        leases.release(CloneRequest, self._owner)

    def renew(self) -> None:
        leases.renew(CloneRequest, self._owner, list(self._held))

    def _claim(self) -> list[CloneRequest]:
        mine = Q(holder="") | Q(holder=owners.this_cache())
        claimed = leases.claim(CloneRequest, self._owner, self._room, MOST_HELD - len(self._held), mine)
        if not claimed and leases.wait(CloneRequest):
            self._changes.expect()
        return claimed

    def _room(self, group: str) -> int:
        return AT_ONCE * _AHEAD - sum(request.group == group for request in self._held.values())

    async def _serve(self, request: CloneRequest) -> None:
        tracing.request_id.set(request.request)  # of this task alone
        try:
            with tracing.span("clone", peer=request.group):
                await self._attempt(request)
        except PeerRefused as error:
            await in_database(leases.bury, request, error.reason)
        except MezzotintError as error:
            reason = error.reason if isinstance(error, OriginError) else str(error)
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(request.attempts - 1, 10)) * random.uniform(0.8, 1.2)
            if isinstance(error, OriginBusy):
                pause = max(pause, float(error.retry_after))
            await in_database(leases.again, request, pause, reason)
        except Exception as error:
            log.exception("a picture could not be sent to %s", request.group)
            await in_database(leases.again, request, LONGEST_PAUSE, repr(error))
        finally:
            self._held.pop(request.pk, None)

    async def _attempt(self, request: CloneRequest) -> None:
        peer = self._peers.named(request.group)
        if peer is None:
            await in_database(leases.bury, request, "there is no such peer any more")
            return
        async with self._turns.setdefault(peer.name, asyncio.Semaphore(AT_ONCE)):
            if request.task == CloneRequest.Task.DELETE:
                await self._client.delete(peer, request.url)
                await in_database(_drop, request)
            else:
                await self._copy(peer, request)

    async def _copy(self, peer: Peer, request: CloneRequest) -> None:
        record = await asyncio.to_thread(self._records.look_again, request.key)
        if record is None:
            await in_database(_drop, request)
            return
        try:
            reader = await asyncio.to_thread(self._bases.open, record.ident)
        except NotFound:
            await in_database(_drop, request)  # it was only cached, and has gone
            return
        try:
            await self._client.push(peer, record, _chunks(reader), reader.size)
        finally:
            reader.close()
        await in_database(_sent, request)


async def _chunks(reader: ObjectReader) -> AsyncIterator[bytes]:
    pieces = reader.chunks()
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def _drop(request: CloneRequest) -> None:
    CloneRequest.objects.filter(pk=request.pk, owner=request.owner).delete()


def _sent(request: CloneRequest) -> None:
    if not leases.finish(CloneRequest, [request]):
        # deleted here meanwhile: the peer has it now, and can be told
        CloneRequest.objects.filter(pk=request.pk, task=CloneRequest.Task.DELETE).update(due=0.0)
