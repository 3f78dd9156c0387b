"""One picture or listing from the archive. A size is the archive's own thumbnail."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path

from mezzotint.cache import CachedFile
from mezzotint.errors import OriginFailed, OriginLacks, StorageFull
from mezzotint.host.lanes import Lane
from mezzotint.names import Format, Mode, Rendition, Size
from mezzotint.network.client import Client, Response
from mezzotint.network.freshness import Lifetimes
from mezzotint.network.urls import Url
from mezzotint.sources.arriving import Arriving
from mezzotint.sources.attempts import ATTEMPTS, conditions, origins_fault, patiently, validators
from mezzotint.sources.coverart.asking import CoverRequest, Place, led_to
from mezzotint.sources.coverart.keeping import PDF, Keeping, Listing, Pointer
from mezzotint.sources.coverart.listing import normalised, parse_listing

MOST_LISTING = 8 << 20
"""bytes"""
_JSON = {"Accept": "application/json, */*;q=0.5"}


Render = Callable[[Path, Rendition], bytes]
"""A file of a picture into the bytes of a rendition of it."""


class Fetching:
    """Of one event loop. It asks nobody whether it is there already."""

    def __init__(
        self, keeping: Keeping, client: Client, lifetimes: Lifetimes, lane: Lane, most: int, render: Render
    ) -> None:
        """`most` bytes of a picture."""
        self._render = render
        self._keeping, self._client, self._most = keeping, client, most
        self._lifetimes, self._lane = lifetimes, lane

    async def listing(self, asked: CoverRequest, target: Url) -> None:
        """Have the listing, or that it is still the one that is here. Raises OriginError, StorageFull."""
        before = await self._lane.do(self._keeping.listing, asked)
        now, headers, body = await patiently(lambda: self._listing(target, before))
        expires = now + self._lifetimes.of(headers, now)
        if body is None:
            assert before is not None  # or no 304 would be taken
            listing = replace(before, expires=expires)
        else:
            with origins_fault():
                listing = Listing(normalised(parse_listing(body)), expires, *validators(headers))
        await self._lane.do(self._keeping.keep_listing, asked, listing)

    async def _listing(self, target: Url, before: Listing | None) -> tuple[float, Mapping[str, str], bytes | None]:
        """When it came, what was said with it, and the document, or None where it is the one from before."""
        asked = _JSON | (conditions(before.etag, before.last_modified) if before is not None else {})
        async with self._client.get(target, asked) as response:
            if response.status == 304:
                return time.time(), response.headers, None
            body = b""
            async for chunk in response.chunks:
                body += chunk
                if len(body) > MOST_LISTING:
                    raise OriginFailed(f"the archive sends a listing of more than {MOST_LISTING} bytes")
            return time.time(), response.headers, body

    async def picture(self, asked: CoverRequest, target: Url, pointer: Pointer | None) -> Place:
        """Have the picture, or know where it is here already; returns its place. `pointer` is what was known of it.

        Raises OriginError, StorageFull.
        """
        for _ in range(ATTEMPTS):
            with suppress(FileNotFoundError):  # somebody removes the cache
                return await patiently(lambda: self._picture(asked, target, pointer))
        raise StorageFull("the cache's directory is being removed")

    async def _picture(self, asked: CoverRequest, target: Url, pointer: Pointer | None) -> Place:
        headers: dict[str, str] = {}
        if pointer is not None and await self._lane.do(self._keeping.has, pointer.place, asked.size):
            headers = conditions(pointer.etag, pointer.last_modified)
        async with aclosing(Arriving(self._keeping.spool, self._lane, self._most)) as arriving:
            async with self._client.get(target, headers, lambda place: self._is_enough(asked, place)) as response:
                now = time.time()
                said = response.hops[0].headers if response.hops else response.headers
                found = self._pointer(asked, response, now + self._lifetimes.of(said, now))
                if response.status == 200:
                    with origins_fault():
                        await arriving.receive(response.chunks)
            if response.status == 304 and pointer is not None and not found.place.lasting:
                found = replace(pointer, expires=found.expires)
            with origins_fault():
                if response.status == 200:
                    place = found.place
                    kept = await arriving.finish(lambda spool: self._keeping.keep(place, asked.size, spool))
                    found = replace(found, place=kept)
            if not asked.by_id:
                await self._lane.do(self._keeping.point, asked, found)
        return found.place

    async def reduced(self, asked: CoverRequest, place: Place, original: CachedFile) -> Place:
        """Make a size that the archive lacks out of its original. Raises OriginLacks where that is no picture."""
        assert asked.size is not None
        if original.name.endswith(PDF):
            raise OriginLacks
        rendition = Rendition(Format.JPG, size=Size(asked.size, asked.size, Mode.FIT))
        with origins_fault():
            data = await self._lane.do(self._render, original.path, rendition)
        kept = await self._lane.do(self._keeping.keep_made, place, asked.size, data)
        if not place.lasting:
            expires = time.time() + self._lifetimes.ceiling
            await self._lane.do(self._keeping.point, asked, Pointer(kept, asked.path, expires))
        return kept

    def _is_enough(self, asked: CoverRequest, hop: Url) -> bool:
        """Where a redirect leads to what is here already, nothing is downloaded."""
        place = led_to(hop.url)
        return place is not None and not asked.by_id and self._keeping.may_have(place, asked.size)

    def _pointer(self, asked: CoverRequest, response: Response, expires: float) -> Pointer:
        """Where the picture is, by the redirects, or by what another cache says of it."""
        assert asked.what is not None
        if asked.by_id:
            return Pointer(Place(asked.mbid, asked.what), asked.path, expires)
        named = _CANONICAL.match(response.headers.get("link", ""))
        places = [led_to(hop.target.url) for hop in response.hops] + [led_to(named[1]) if named else None]
        place = next((place for place in places if place is not None), None)
        if place is not None:
            return Pointer(place, asked.path, expires)
        return Pointer(Place(asked.mbid, asked.what, asked.entity), asked.path, expires, *validators(response.headers))


_CANONICAL = re.compile(r'<([^>]*)>; *rel="canonical"')
