"""What pictures are made of, for the event loop: what this host has by its disk, the rest by the object store, each in
threads of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import TypeVar

from mezzotint.cache import CachedFile
from mezzotint.delivery.answer import of_file
from mezzotint.delivery.conditional import ByteRange
from mezzotint.derivatives import Bases
from mezzotint.names import Facts, Ident, Rendition
from mezzotint.objects import ObjectReader
from mezzotint.sources.flights import Flights
from mezzotint.wiring import Engine

T = TypeVar("T")


class BaseBody:
    """A base that is a file here is read by a descriptor of its own, and holds nothing of the store."""

    def __init__(self, bases: Bases, ident: Ident, reader: ObjectReader) -> None:
        self._bases, self._ident, self._reader = bases, ident, reader
        self.size = reader.size
        self.descriptor = None if reader.descriptor is None else os.dup(reader.descriptor)

    def chunks(self, part: ByteRange | None) -> Iterator[bytes]:
        if self.descriptor is not None:
            yield from of_file(self.descriptor, part or ByteRange(0, self.size))
            return
        if part is not None:
            self._reader.close()
            self._reader = self._bases.open(self._ident, part.start, part.length)
        yield from self._reader.chunks()

    def read(self) -> bytes | None:
        """All of it, of what is a file."""
        return None if self.descriptor is None else os.pread(self.descriptor, self.size, 0)

    def close(self) -> None:
        self._reader.close()
        if self.descriptor is not None:
            os.close(self.descriptor)


class Reach:
    """The loop's own threads are for this host's disk."""

    def __init__(self, engine: Engine) -> None:
        self._manager, self._bases, self._cache = engine.manager, engine.bases, engine.cache
        self._store = engine.store_lane
        self._flights = Flights(engine.host.locks, engine.store_lane, engine.settings.store_timeout)

    async def close(self) -> None:
        await self._flights.close()

    async def facts(self, ident: Ident) -> Facts:
        """Raises NotFound, DamagedBase, Busy, StoreUnavailable."""
        if (facts := self._bases.remembered(ident)) is not None:
            return facts
        if (facts := await asyncio.to_thread(self._bases.recalled, ident)) is not None:
            return facts
        return await self._once(f"facts:{ident}", self._bases.facts, ident)

    def remembered(self, ident: Ident) -> Facts | None:
        return self._bases.remembered(ident)

    async def file(self, name: str) -> CachedFile | None:
        """What the cache has; in a thread where it has to be looked at, as others are not to wait."""
        return self._cache.open(name, seen_only=True) or await asyncio.to_thread(self._cache.open, name)

    async def base(self, ident: Ident) -> BaseBody:
        """Raises NotFound, DamagedBase, Busy, StoreUnavailable."""
        reader = await asyncio.to_thread(self._bases.open_here, ident)
        if reader is None:
            reader = await self._store.do(self._bases.open, ident)
        return BaseBody(self._bases, ident, reader)

    async def have(self, ident: Ident, rendition: Rendition, facts: Facts) -> None:
        """What it is derived from on this host: no turn to render is taken by what waits for the store."""
        if self._manager.lacks(ident, rendition, facts):
            await self._once(f"bring:{ident}", self._bases.bring, ident)

    async def _once(self, key: str, work: Callable[[Ident], T], ident: Ident) -> T:
        """One place in the lane, however many want the same of one base."""
        return await asyncio.shield(self._flights.fly(key, lambda: self._store.do(work, ident)))
