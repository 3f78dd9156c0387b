"""Cover art by what is asked: from here, or from the archive; fetched once however many ask."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from mezzotint.cache.cached import CachedFile
from mezzotint.errors import Busy, InvalidInput, NotFound, OriginError, OriginLacks
from mezzotint.network import loops
from mezzotint.network.addresses import Policy
from mezzotint.network.urls import Url, parse_url
from mezzotint.sources.attempts import origins_fault, remember_failure
from mezzotint.sources.coverart.asking import CoverRequest, Place, parse_path
from mezzotint.sources.coverart.fetching import Fetching
from mezzotint.sources.coverart.keeping import Keeping, Pointer
from mezzotint.sources.flights import Begin, Flights
from mezzotint.sources.records import RemoteRecords
from mezzotint.sources.remote import How

_TRIES = 5
"""A cleaner may take away what has just come, where the cache is far too small."""


@dataclass(frozen=True, slots=True)
class Given:
    """A picture, open, for whoever asked to close; or a listing."""

    how: How
    picture: CachedFile | None = None
    place: Place | None = None
    listing: dict[str, Any] | None = None


class CoverArt:
    """Of one event loop. `upstream` is the archive's address without a slash at its end."""

    def __init__(
        self,
        upstream: str,
        policy: Policy,
        records: RemoteRecords,
        keeping: Keeping,
        fetching: Fetching,
        flights: Flights,
    ) -> None:
        self._upstream, self._policy, self._records = upstream, policy, records
        self._keeping, self._fetching, self._flights = keeping, fetching, flights

    async def close(self) -> None:
        await self._flights.close()

    def target(self, asked: CoverRequest) -> Url:
        return parse_url(self._upstream + asked.path)

    def asked_by(self, target: Url) -> CoverRequest | None:
        """What an address of the archive asks for; None for any other address."""
        base = parse_url(f"{self._upstream}/").url
        try:
            return parse_path(f"/{target.url.removeprefix(base)}") if target.url.startswith(base) else None
        except (InvalidInput, NotFound):
            return None

    async def get(self, asked: CoverRequest, *, fresh: bool = False, begin: Begin | None = None) -> Given:
        """`fresh`: what has gone stale is not given, but waited for. `begin` is told before the archive is asked.

        Raises OriginError, Busy, StorageFull.
        """
        how = How.HIT
        for _ in range(_TRIES):
            given = await self._flights.in_thread(self._find, asked)
            if given is not None and not (fresh and given.how is How.STALE):
                if given.how is How.STALE and await self._flights.in_thread(self._may_ask, asked):
                    self._fly(asked)
                return given if how is How.HIT else replace(given, how=how)
            if given is not None and given.picture is not None:
                given.picture.close()
            loops.check(self.target(asked))
            if begin is not None and not self._flights.are_under_way(asked.path):
                begin()
            how, fresh = await asyncio.shield(self._fly(asked)), False
        raise Busy("the cache is too small to keep this for as long as it takes to send it")

    async def load(self, asked: CoverRequest) -> None:
        """As `get`, ahead of need: what has gone stale is waited for."""
        given = await self.get(asked, fresh=True)
        if given.picture is not None:
            given.picture.close()

    def _find(self, asked: CoverRequest) -> Given | None:
        """What is here."""
        if asked.what is None:
            listing = self._keeping.listing(asked)
            return None if listing is None else Given(self._how(listing.expires), listing=listing.document)
        for pointer in self._keeping.pointers(asked):
            picture = self._keeping.picture(pointer.place, asked.size)
            if picture is not None:
                return Given(self._how(pointer.expires), picture, pointer.place)
        return None

    def _may_ask(self, asked: CoverRequest) -> bool:
        return self._records.failure(self.target(asked).key) is None

    def _how(self, expires: float) -> How:
        return How.HIT if expires > time.time() else How.STALE

    def _fly(self, asked: CoverRequest) -> asyncio.Task[How]:
        return self._flights.fly(asked.path, lambda: self._load(asked))

    async def _load(self, asked: CoverRequest) -> How:
        """One process of the host at a time. Returns HIT where another one had it."""
        target = self.target(asked)
        async with self._flights.alone(target.key, lambda key: self._is_good(asked)) as good:
            if good:
                return How.HIT
            known = await self._flights.in_thread(self._known, asked)
            await self._flights.in_thread(self._records.check, target.key)
            await self._fetch(asked, target, known)
        return How.MISS

    async def _fetch(self, asked: CoverRequest, target: Url, known: Pointer | None) -> None:
        """Raises OriginError, which is remembered."""
        try:
            with origins_fault():
                self._policy.check(target)
            if asked.what is None:
                await self._fetching.listing(asked, target)
                return
            place = await self._picture(asked, target, known)
            if not await self._flights.in_thread(self._keeping.has, place, asked.size):
                by_id = CoverRequest(place.entity, place.mbid, place.what, asked.size)
                await self._fetching.picture(by_id, self.target(by_id), None)
        except OriginError as error:
            await self._flights.in_thread(remember_failure, self._records, target, error, time.time())
            if isinstance(error, OriginLacks) and not error.redirects:  # a node that lacks it is not the archive
                await self._flights.in_thread(self._keeping.forget, asked)
            raise

    async def _picture(self, asked: CoverRequest, target: Url, known: Pointer | None) -> Place:
        """From the archive; of a size that it lacks, from its original, which is fetched if need be."""
        try:
            return await self._fetching.picture(asked, target, known)
        except OriginLacks:
            if asked.size is None:
                raise
        given = await self.get(replace(asked, size=None), fresh=True)
        assert given.picture is not None and given.place is not None
        with closing(given.picture) as original:
            return await self._fetching.reduced(asked, given.place, original)

    def _known(self, asked: CoverRequest) -> Pointer | None:
        """What the archive answered to this very request the last time."""
        pointers = self._keeping.pointers(asked) if asked.what is not None else iter(())
        return next((pointer for pointer in pointers if pointer.path == asked.path), None)

    def _is_good(self, asked: CoverRequest) -> bool:
        """Whether it is here, and not stale."""
        given = self._find(asked)
        if given is not None and given.picture is not None:
            given.picture.close()
        return given is not None and given.how is How.HIT
