"""Pictures by their address: from here, from a peer, from the origin; fetched once however many ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum

from mezzotint.derivatives import Bases
from mezzotint.errors import Busy, OriginError
from mezzotint.host.lanes import unheeded
from mezzotint.names import Ident
from mezzotint.network import loops
from mezzotint.network.addresses import Policy
from mezzotint.network.client import Client
from mezzotint.network.urls import Url
from mezzotint.sources.flights import Begin, Flights
from mezzotint.sources.loading import Loading
from mezzotint.sources.peer_client import PeerClient
from mezzotint.sources.records import RemoteRecord, RemoteRecords

_SLOW = 1.0
"""seconds that a store may take to say whether what is known here has changed"""


class How(StrEnum):
    """Where an answer came from."""

    HIT = "HIT"
    MISS = "MISS"
    PEER = "PEER"
    STALE = "STALE"


@dataclass(frozen=True, slots=True)
class Lookup:
    record: RemoteRecord
    how: How


class RemoteImages:
    """Of one event loop. Close it at the end."""

    def __init__(
        self,
        bases: Bases,
        records: RemoteRecords,
        flights: Flights,
        policy: Policy,
        client: Client,
        peer_client: PeerClient,
        loading: Loading,
    ) -> None:
        self._bases, self._records, self._policy = bases, records, policy
        self._client, self.peer_client, self._loading = client, peer_client, loading
        self._flights = flights

    async def close(self) -> None:
        await self._flights.close()
        await self._client.close()
        await self.peer_client.close()

    async def find(self, target: Url, *, renew: bool = True) -> Lookup | None:
        """What is known here; nobody else is asked, and nobody is waited for.

        What has gone stale is given as it is, and looked after in the background where it is to `renew`.
        """
        known, record = self._records.peek(target.key)
        if not known:
            record = await self._look_again(target.key)
        if record is None:
            return None
        if record.expires > time.time():
            return Lookup(record, How.HIT)
        if renew and self._policy.permits(target) and await self._flights.in_thread(self._may_renew, target.key):
            self._fly(target, ask_peers=False, known=False)
        return Lookup(record, How.STALE)

    async def is_here(self, ident: Ident) -> bool:
        near = await asyncio.to_thread(self._bases.is_cached, ident)
        return near or await self._flights.in_thread(self._bases.exists, ident)

    async def get(
        self,
        target: Url,
        *,
        ask_peers: bool = False,
        lost: bool = False,
        begin: Begin | None = None,
        known: bool = True,
    ) -> Lookup:
        """From here or loaded. `lost`: its bytes were found to be gone. `begin` is told before somebody else is asked.
        Peers are asked as who is not `known` here would ask them.

        Raises InvalidInput where nothing is fetched from there, OriginError, StorageFull, StoreUnavailable.
        """
        if not lost and (found := await self.find(target)) is not None:
            return found
        self._policy.check(target)
        loops.check(target)  # before what is under way is waited for: it may wait for this
        if begin is not None and not self._flights.are_under_way(target.key):
            begin()
        return await self.load(target, ask_peers=ask_peers, known=known)

    async def load(self, target: Url, *, ask_peers: bool = False, known: bool = True) -> Lookup:
        """As `get`, for who does not expect it to be here: what is stale is waited for."""
        self._policy.check(target)
        loops.check(target)
        return await asyncio.shield(self._fly(target, ask_peers, known))

    async def receive(self, target: Url, record: RemoteRecord, chunks: AsyncIterator[bytes]) -> bool:
        """Take in what a peer sends, once the bytes are seen to be those of its record; whether it was new.

        Raises InvalidInput where they are not, NotAnImage and the like, StorageFull, StoreUnavailable.
        """
        async with aclosing(self._loading.arriving()) as arriving:
            await arriving.receive(chunks)
            async with self._flights.alone(target.key, self._records.look_again) as here:
                if here is not None and here.fetched > record.fetched:
                    return False
                return await self._loading.from_clone(target, record, arriving)

    async def _look_again(self, key: str) -> RemoteRecord | None:
        """What this host has seen a moment ago, without the store; what it has seen at all, where the store is slow."""
        here, fresh = await asyncio.to_thread(self._records.look_here, key)
        if fresh:
            return here
        asked = asyncio.ensure_future(self._flights.in_thread(self._records.look_again, key))
        unheeded(asked)
        try:
            return await asyncio.wait_for(asyncio.shield(asked), None if here is None else _SLOW)
        except (TimeoutError, Busy):
            if here is None:
                raise
            return here

    def _fly(self, target: Url, ask_peers: bool, known: bool) -> asyncio.Task[Lookup]:
        return self._flights.fly(target.key, lambda: self._load(target, ask_peers, known))

    async def _load(self, target: Url, ask_peers: bool, known: bool) -> Lookup:
        """One process of the host at a time. What another one has loaded, or failed to, meanwhile, counts."""
        async with self._flights.alone(target.key, self._look) as (record, fresh):
            if record is not None and fresh:
                return Lookup(record, How.HIT)
            try:
                if ask_peers and record is None:
                    offered = await self._loading.from_peers(target, known=known)
                    if offered is not None:
                        return Lookup(offered, How.PEER)
                return Lookup(await self._loading.from_origin(target, record), How.MISS)
            except OriginError as error:
                await self._flights.in_thread(self._loading.failed, target, error, record)
                raise

    def _look(self, key: str) -> tuple[RemoteRecord | None, bool]:
        """What is known now, bytes included, and whether it is still good. Raises OriginError that is remembered."""
        record = self._records.look_again(key)
        # bytes that are only in the trash are wanted again
        if record is not None and not self._bases.is_here(record.ident) and not self._bases.life.recover(record.ident):
            record = None
        if record is not None and record.expires > time.time():
            return record, True
        self._records.check(key)
        return record, False

    def _may_renew(self, key: str) -> bool:
        return self._records.failure(key) is None and self._records.may_renew(key)
