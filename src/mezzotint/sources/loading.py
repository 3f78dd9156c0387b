"""One picture from a peer or from its origin: verified, stored, noted, recorded."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

from mezzotint.derivatives import Base, Bases
from mezzotint.derivatives.bases import Spool
from mezzotint.errors import InvalidInput, OriginError, OriginFailed, OriginLacks
from mezzotint.names import Ident
from mezzotint.network.client import Client
from mezzotint.network.freshness import Lifetimes
from mezzotint.network.urls import Url
from mezzotint.sources.arriving import Arriving
from mezzotint.sources.attempts import conditions, origins_fault, patiently, remember_failure, validators
from mezzotint.sources.notes import Notes
from mezzotint.sources.peers import Peer, PeerClient, PeerList
from mezzotint.sources.records import RemoteRecord, RemoteRecords, seen_again
from mezzotint.sources.threads import in_thread

log = logging.getLogger(__name__)
T = TypeVar("T")


class Loading:
    """Of one event loop. It asks nobody whether the picture is there already."""

    def __init__(
        self,
        bases: Bases,
        records: RemoteRecords,
        client: Client,
        peers: PeerList,
        peer_client: PeerClient,
        notes: Notes,
        lifetimes: Lifetimes,
        threads: ThreadPoolExecutor,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bases, self._records, self._client, self._notes = bases, records, client, notes
        self._peers, self._peer_client, self._lifetimes = peers, peer_client, lifetimes
        self._threads, self._clock = threads, clock

    def close(self) -> None:
        self._threads.shutdown(wait=False)

    def arriving(self) -> Arriving:
        """Somewhere for a picture's bytes. Close it."""
        return Arriving(self._bases.spool, self._threads)

    async def from_origin(self, target: Url, record: RemoteRecord | None) -> RemoteRecord:
        """The picture, or that it is still the one of `record`. Raises OriginError, StorageFull, StoreUnavailable."""
        return await patiently(lambda: self._attempt(target, record))

    async def from_peers(self, target: Url) -> RemoteRecord | None:
        """From the first that has it. One that fails is as one that has it not."""
        for peer in self._peers.all():
            try:
                async with self._peer_client.ask(peer, target) as offer, self._arriving() as arriving:
                    with origins_fault():
                        await arriving.receive(offer.chunks)
                        offered = replace(self._bounded(offer.record), url=target.url, via=peer.origin)
                        return await arriving.finish(
                            lambda spool, peer=peer, offered=offered: self._offered(  # type: ignore[misc]
                                target, peer, offered, spool
                            )
                        )
            except OriginLacks:
                continue
            except OriginError as error:
                log.warning("peer %s: %s", peer.name, error.reason)
        return None

    async def from_clone(self, target: Url, record: RemoteRecord, arriving: Arriving) -> bool:
        """What a peer has sent; whether it was new. Raises InvalidInput where the bytes are not its record's."""
        return await arriving.finish(
            lambda spool: self._received(target, replace(self._bounded(record), via="clone"), spool)
        )

    def failed(self, target: Url, error: OriginError) -> None:
        """Remember it for a while, and note it."""
        now = self._clock()
        remember_failure(self._records, target, error, now)
        self._notes.append(
            {"at": now, "key": target.key, "url": target.url, "host": target.host, "failure": error.reason}
        )

    @asynccontextmanager
    async def _arriving(self) -> AsyncIterator[Arriving]:
        arriving = self.arriving()
        try:
            yield arriving
        finally:
            await arriving.close()

    async def _attempt(self, target: Url, record: RemoteRecord | None) -> RemoteRecord:
        headers = conditions(record.etag, record.last_modified) if record is not None else {}
        async with self._arriving() as arriving:
            async with self._client.get(target, headers) as response:
                now = self._clock()
                expires = now + self._lifetimes.of(response.headers, now)
                etag, modified = validators(response.headers)
                if response.status == 200:
                    self._check_length(response.length)
                    with origins_fault():
                        await arriving.receive(response.chunks)
            if response.status == 200:  # its turn at the origin is for others now
                fresh = RemoteRecord(target.url, Ident(""), now, now, expires, etag, modified)
                with origins_fault():
                    return await arriving.finish(lambda spool: self._stored(target, fresh, spool))
        assert record is not None  # or no 304 would be taken
        again = seen_again(record, now, expires, etag, modified)
        await in_thread(self._threads, self._checked, target, again)
        return again

    def _check_length(self, length: int | None) -> None:
        if length is not None and length > self._bases.max_bytes:
            raise OriginFailed(f"the origin announces {length} bytes")

    def _bounded(self, record: RemoteRecord) -> RemoteRecord:
        """What another host takes for fresh is so for no longer than is allowed here."""
        now = self._clock()
        return replace(
            record,
            fetched=min(record.fetched, now),
            checked=min(record.checked, now),
            expires=min(record.expires, now + self._lifetimes.ceiling),
        )

    def _offered(self, target: Url, peer: Peer, record: RemoteRecord, spool: Spool) -> RemoteRecord:
        if spool.digest() != record.ident:
            raise OriginFailed(f"{peer.name} sent other bytes than it said")
        return self._stored(target, record, spool)

    def _received(self, target: Url, record: RemoteRecord, spool: Spool) -> bool:
        if spool.digest() != record.ident:
            raise InvalidInput("body", "has other bytes than its name says", record.ident)
        before = self._records.find(target.key)
        self._stored(target, record, spool)
        return before is None or before.ident != record.ident

    def _stored(self, target: Url, record: RemoteRecord, spool: Spool) -> RemoteRecord:
        """Base first, then what leads to it; the note of it before, so that nothing is there that nobody knows of."""
        kept = self._records.keeps(target.host)
        base = self._bases.keep(spool) if kept else self._bases.keep_copy(spool)
        record = replace(record, ident=base.ident)
        facts = base.facts
        self._note(
            target,
            record,
            {"kept": kept, "format": facts.format, "width": facts.width, "height": facts.height, "bytes": facts.bytes},
        )
        self._records.put(target.key, record, kept=kept)
        self._hold(base, kept)
        return record

    def _hold(self, base: Base, kept: bool) -> None:
        """What was found to be there may have been moved to the trash meanwhile."""
        if kept and not base.new and not self._bases.exists(base.ident):
            self._bases.life.recover(base.ident)

    def _checked(self, target: Url, record: RemoteRecord) -> None:
        self._note(target, record, {})
        self._records.put(target.key, record, kept=self._records.is_kept(target.key))

    def _note(self, target: Url, record: RemoteRecord, facts: dict[str, Any]) -> None:
        said = {"at": self._clock(), "key": target.key, "url": target.url, "host": target.host}
        known = {name: getattr(record, name) for name in ("ident", "via", "fetched", "checked", "expires")}
        self._notes.append(said | known | facts)
