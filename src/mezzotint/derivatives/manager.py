"""The store manager: the one thing that answers (ident, rendition) with bytes."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mezzotint import tracing
from mezzotint.cache import Cache
from mezzotint.derivatives.bases import Bases
from mezzotint.derivatives.pool import Flight, RenderPool
from mezzotint.errors import GivenUp, InvalidRendition, NotFound, StorageFull
from mezzotint.host import Host
from mezzotint.host.allowance import Allowance
from mezzotint.names import Facts, Ident, Largest, Rendition, canonical, print_name
from mezzotint.transforms import geometry, libvips
from mezzotint.transforms.libvips import Source
from mezzotint.transforms.stopping import Stop

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Derivative:
    """`digest` is the sha256 of `data`; `made` is False where the cache had it."""

    name: str
    data: bytes
    digest: str
    made: bool


class Observer:
    """What the engine tells whoever counts; this one does not."""

    def rendered(self, seconds: float) -> None: ...

    def decoded_base(self) -> None: ...

    def asked_store(self, operation: str, seconds: float, failed: bool) -> None: ...

    def evicted(self, files: int, size: int) -> None: ...


class StoreManager:
    def __init__(
        self,
        bases: Bases,
        cache: Cache,
        host: Host,
        pool: RenderPool[Derivative],
        largest: Largest,
        observer: Observer,
        memory: Allowance,
        timeout: float,
    ) -> None:
        """`memory`: bytes for all renders of the host at once. `timeout`: seconds for one, waiting not counted."""
        self._bases, self._cache, self._host, self._pool, self._largest = bases, cache, host, pool, largest
        self.observer, self._memory, self._timeout = observer, memory, timeout

    def canonical(self, rendition: Rendition, facts: Facts) -> Rendition:
        """Raises InvalidRendition."""
        return canonical(rendition, facts, self._largest)

    def lacks(self, ident: Ident, rendition: Rendition, facts: Facts) -> bool:
        """Whether a base has to come over the network before it can be made."""
        if self._bases.is_near(ident):
            return False
        return not any(self._cache.has(print_name(ident, level)) for level in self._usable(rendition, facts))

    def find(self, name: str) -> Derivative | None:
        """What the cache holds under a canonical name. Does not wait for anything but the disk."""
        file = self._cache.open(name)
        return None if file is None else Derivative(name, file.read(), file.digest, made=False)

    def request(self, ident: Ident, rendition: Rendition, client: str | None = None) -> Flight[Derivative]:
        """The derivative of a canonical rendition, from the cache or made.

        However many ask, in this process or another of this host, it is made
        once. Its result raises NotFound, DamagedImage, InvalidRendition, GivenUp. Raises Busy, TooMuchForOne.
        """
        name = print_name(ident, rendition)
        return self._pool.submit(name, lambda stop: self._make(ident, rendition, name, stop), client)

    def leave(self, flight: Flight[Derivative]) -> None:
        """Who has asked for it does not wait any more."""
        self._pool.leave(flight)

    def _make(self, ident: Ident, rendition: Rendition, name: str, stop: Stop) -> Derivative:
        with self._host.locks.hold(name):
            stop.check()
            if (found := self.find(name)) is not None:
                return found
            facts = self._bases.facts(ident)
            generation = self._cache.generation.now()
            with self._source(ident, rendition, facts, stop) as source:
                data = self._render(source, rendition, facts, stop)
            return Derivative(name, data, self._keep(ident, name, data, generation), made=True)

    @contextmanager
    def _source(self, ident: Ident, rendition: Rendition, facts: Facts, stop: Stop) -> Iterator[Source]:
        """The nearest larger version: a level, made now if need be, or the base."""
        if usable := self._usable(rendition, facts):
            with self._level(ident, usable[-1], facts, stop) as source:
                yield source
            return
        with self._bases.on_disk(ident) as path:
            yield Source(path, geometry.stored(facts), facts.format, is_base=True)

    @staticmethod
    def _usable(rendition: Rendition, facts: Facts) -> list[Rendition]:
        """The levels that it may be derived from, the largest first."""
        return [level for level in geometry.levels(facts) if geometry.serves(level, rendition, facts)]

    @contextmanager
    def _level(self, ident: Ident, level: Rendition, facts: Facts, stop: Stop) -> Iterator[Source]:
        """A level from the cache, or made from the next larger one and kept.

        One that was made now is given as pixels, so that it need not be decoded again.
        """
        name = print_name(ident, level)
        file = self._cache.open(name)
        if file is None:
            with self._host.locks.hold(name):
                file = self._cache.open(name)
                made = self._make_level(ident, level, name, facts, stop) if file is None else None
            if made is not None:
                yield made
                return
        assert file is not None
        try:
            yield Source(file.path, geometry.level_stored(level), level.format)
        finally:
            os.close(file.descriptor)

    def _make_level(self, ident: Ident, level: Rendition, name: str, facts: Facts, stop: Stop) -> Source:
        generation = self._cache.generation.now()
        with self._source(ident, level, facts, stop) as larger:
            plan = geometry.plan(level, facts, larger.stored)
            with self._turn(larger, plan, facts, stop):
                pixels = libvips.reduce(larger, plan, stop)
        source = Source(pixels, geometry.level_stored(level), level.format)
        self._keep(ident, name, self._render(source, level, facts, stop), generation)
        return source

    def _render(self, source: Source, rendition: Rendition, facts: Facts, stop: Stop) -> bytes:
        plan = geometry.plan(rendition, facts, source.stored)
        with self._turn(source, plan, facts, stop), tracing.span("render", format=rendition.format):
            started = time.perf_counter()
            data = libvips.render(source, plan, stop)
            self.observer.rendered(time.perf_counter() - started)
            return data

    @contextmanager
    def _turn(self, source: Source, plan: geometry.Plan, facts: Facts, stop: Stop) -> Iterator[None]:
        """To render in, with the memory it takes, for as long as one may.

        Raises InvalidRendition where it takes more than all, GivenUp where nobody waits for it by then.
        """
        memory = libvips.memory(source, plan, facts.frames)
        if memory > self._memory.total:
            limit = f"{self._memory.total >> 20} MB, MEZZOTINT_RENDER_MEMORY"
            raise InvalidRendition("size", f"making it may take {memory >> 20} MB of memory", limit)
        with self._pool.slots, self._memory.hold(memory, stop.check):
            stop.check()
            if source.is_base:
                self.observer.decoded_base()
            late = GivenUp(f"this takes longer than {self._timeout:g} seconds to make, MEZZOTINT_RENDER_TIMEOUT")
            timer = threading.Timer(self._timeout, stop.ask, [late])
            timer.daemon = True
            timer.start()
            try:
                yield
            finally:
                timer.cancel()

    def _keep(self, ident: Ident, name: str, data: bytes, generation: bytes) -> str:
        """Into the cache; returns the digest. A full disk costs only the keeping.

        Where something was purged meanwhile it may have been this image: what was
        made of a base that is gone must not come back.
        """
        try:
            digest = self._cache.put(name, data)
        except StorageFull as error:
            log.warning("not cached: %s", error)
            return hashlib.sha256(data).hexdigest()
        if self._cache.generation.now() != generation and not self._bases.is_here(ident):
            self._cache.purge(ident)
            raise NotFound(f"there is no image {ident}")
        return digest
