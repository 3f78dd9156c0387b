"""One picture from a peer or from its origin: verified, stored, noted, recorded."""

from __future__ import annotations

import logging
import time
from contextlib import aclosing, suppress
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from mezzotint.derivatives import Bases
from mezzotint.derivatives.intake import Spool
from mezzotint.errors import InvalidInput, OriginError, OriginFailed, OriginLacks, StoreUnavailable
from mezzotint.host.lanes import Lane
from mezzotint.names import Ident
from mezzotint.network.client import Client
from mezzotint.network.freshness import Lifetimes
from mezzotint.network.urls import Url
from mezzotint.sources.arriving import Arriving
from mezzotint.sources.attempts import conditions, origins_fault, patiently, remember_failure, validators
from mezzotint.sources.notes import Notes
from mezzotint.sources.peer_client import PeerClient
from mezzotint.sources.peers import PeerList
from mezzotint.sources.records import RemoteRecord, RemoteRecords

log = logging.getLogger(__name__)


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
        lane: Lane,
        most: int,
        *,
        drops: bool,
    ) -> None:
        """From an origin `most` bytes; what an origin has no more is let go of where this `drops` it."""
        self._bases, self._records, self._client, self._notes = bases, records, client, notes
        self._peers, self._peer_client, self._lifetimes = peers, peer_client, lifetimes
        self._lane, self._most, self._drops = lane, most, drops

    def arriving(self) -> Arriving:
        """Somewhere for a picture's bytes. Close it."""
        return Arriving(self._bases.spool, self._lane)

    async def from_origin(self, target: Url, record: RemoteRecord | None) -> RemoteRecord:
        """The picture, or that it is still the one of `record`. Raises OriginError, StorageFull, StoreUnavailable."""
        return await patiently(lambda: self._attempt(target, record))

    async def from_peers(self, target: Url, *, known: bool) -> RemoteRecord | None:
        """From the first that has it. One that fails is as one that has it not."""
        for peer in self._peers.all():
            try:
                async with (
                    self._peer_client.ask(peer, target, known=known) as (said, chunks),
                    aclosing(self.arriving()) as arriving,
                ):
                    with origins_fault():
                        await arriving.receive(chunks)
                        offered = replace(self._bounded(said), url=target.url, via=peer.origin)
                        return await arriving.finish(partial(self._stored, target, offered))
            except OriginLacks:
                continue
            except OriginError as error:
                log.warning("peer %s: %s", peer.name, error.reason)
        return None

    async def from_clone(self, target: Url, record: RemoteRecord, arriving: Arriving) -> bool:
        """What a peer has sent; whether it was new. Raises InvalidInput where the bytes are not its record's."""
        return await arriving.finish(partial(self._received, target, replace(self._bounded(record), via="clone")))

    def failed(self, target: Url, error: OriginError, record: RemoteRecord | None) -> None:
        """Remember it for a while, and note it; let go of what there was, where its origin has it no more."""
        now = time.time()
        if self._drops and record is not None and isinstance(error, OriginLacks):
            with suppress(StoreUnavailable):  # then it is stale for a while longer
                self._records.delete(target.key)
                self._notes.append({"at": now, "key": target.key, "deleted": True, "gone": record.ident})
        remember_failure(self._records, target, error, now)
        self._notes.append(
            {"at": now, "key": target.key, "url": target.url, "host": target.host, "failure": error.reason}
        )

    async def _attempt(self, target: Url, record: RemoteRecord | None) -> RemoteRecord:
        headers = conditions(record.etag, record.last_modified) if record is not None else {}
        async with aclosing(Arriving(self._bases.spool, self._lane, self._most)) as arriving:
            async with self._client.get(target, headers) as response:
                now = time.time()
                expires = now + self._lifetimes.of(response.headers, now)
                etag, modified = validators(response.headers)
                if response.status == 200:
                    if (response.length or 0) > self._most:
                        raise OriginFailed(f"the origin announces {response.length} bytes")
                    with origins_fault():
                        await arriving.receive(response.chunks)
            if response.status == 200:  # its turn at the origin is for others now
                fresh = RemoteRecord(target.url, Ident(""), now, now, expires, etag, modified)
                with origins_fault():
                    return await arriving.finish(partial(self._stored, target, fresh))
        assert record is not None  # or no 304 would be taken
        etag, modified = etag or record.etag, modified or record.last_modified
        again = replace(record, checked=now, expires=expires, etag=etag, last_modified=modified)
        await self._lane.do(self._checked, target, again)
        return again

    def _bounded(self, record: RemoteRecord) -> RemoteRecord:
        """What another host takes for fresh is so for no longer than is allowed here."""
        now = time.time()
        return replace(
            record,
            fetched=min(record.fetched, now),
            checked=min(record.checked, now),
            expires=min(record.expires, now + self._lifetimes.ceiling),
        )

    def _received(self, target: Url, record: RemoteRecord, spool: Spool) -> bool:
        before = self._records.find(target.key)
        self._stored(target, record, spool)
        return before is None or before.ident != record.ident

    def _stored(self, target: Url, record: RemoteRecord, spool: Spool) -> RemoteRecord:
        """Base first, then what leads to it; the note of it before, so that nothing is there that nobody knows of.

        Raises InvalidInput where the record names other bytes.
        """
        if record.ident and spool.digest() != record.ident:
            raise InvalidInput("body", "has other bytes than its name says", record.ident)
        kept = self._records.keeps(target.host)
        base = self._bases.keep(spool) if kept else self._bases.keep_copy(spool)
        record = replace(record, ident=base.ident)
        self._note(target, record, {"kept": kept} | asdict(base.facts))
        self._records.put(target.key, record, kept=kept)
        if kept and not base.new and not self._bases.exists(base.ident):  # it was moved to the trash meanwhile
            self._bases.life.recover(base.ident)
        return record

    def _checked(self, target: Url, record: RemoteRecord) -> None:
        self._note(target, record, {})
        self._records.put(target.key, record, kept=self._records.is_kept(target.key))

    def _note(self, target: Url, record: RemoteRecord, facts: dict[str, Any]) -> None:
        said = {"at": time.time(), "key": target.key, "url": target.url, "host": target.host}
        known = {name: getattr(record, name) for name in ("ident", "via", "fetched", "checked", "expires")}
        self._notes.append(said | known | facts)
