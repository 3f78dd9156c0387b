"""The store manager: the one thing that answers (ident, rendition) with bytes."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mezzotint import tracing
from mezzotint.cache import Cache
from mezzotint.derivatives.bases import Bases
from mezzotint.derivatives.levels import Levels, name_of
from mezzotint.derivatives.pool import Flight, RenderPool
from mezzotint.errors import GivenUp, InvalidRendition, NotFound, StorageFull
from mezzotint.host import Host
from mezzotint.host.allowance import Allowance
from mezzotint.host.deadlines import Deadlines
from mezzotint.names import Facts, Ident, Largest, Rendition, canonical, print_name
from mezzotint.transforms import geometry, libvips
from mezzotint.transforms.geometry import Level
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
        self._bases, self._cache, self._host, self._pool, self.largest = bases, cache, host, pool, largest
        self.observer, self._memory, self._timeout = observer, memory, timeout
        self._deadlines = Deadlines()
        self._renderer = bases.intake.renderer
        self._most = bases.intake.memory
        self.levels = Levels(cache, self._keep, lambda: pool.under_way == 0)

    def close(self) -> None:
        self.levels.close()

    def canonical(self, rendition: Rendition, facts: Facts) -> Rendition:
        """Raises InvalidRendition."""
        return canonical(rendition, facts, self.largest)

    def lacks(self, ident: Ident, rendition: Rendition, facts: Facts) -> bool:
        """Whether a base has to come over the network before it can be made."""
        if self._bases.is_near(ident):
            return False
        usable = self._usable(rendition, facts)
        return not (usable and self.levels.has(ident, usable[-1]))

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

    def prepare(self, ident: Ident) -> int:
        """Have the levels of a base in the cache ahead of who may want them; gives how many were made.

        Raises NotFound, DamagedImage, InvalidRendition, StorageFull.
        """
        facts, count = self._bases.facts(ident), 0
        for level in geometry.levels(facts):
            if not self._cache.has(name_of(ident, level)):
                generation = self._cache.generation.now()
                self.levels.keep(ident, level, self._pixels(ident, level, facts, Stop()), generation)
                count += 1
        return count

    def reduced(self, path: Path, rendition: Rendition) -> bytes:
        """A rendition of a picture that lies at `path` and is no base, with a turn as any other.

        Raises NotAnImage, DamagedImage, TooManyPixels, InvalidRendition, GivenUp.
        """
        facts = self._bases.intake.header(path).facts
        source = Source(path, geometry.stored(facts), facts.format, is_base=True)
        return self._render(source, self.canonical(rendition, facts), facts, Stop())

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
        """What it is derived from: a level, or the base. Which one follows from the two alone, and not from what
        happens to be there, so that it is the same wherever it is made."""
        if usable := self._usable(rendition, facts):
            level = usable[-1]
            yield Source(self._pixels(ident, level, facts, stop), level.stored, facts.format)
            return
        with self._base(ident, facts) as source:
            yield source

    @contextmanager
    def _base(self, ident: Ident, facts: Facts) -> Iterator[Source]:
        with self._bases.on_disk(ident) as path:
            yield Source(path, geometry.stored(facts), facts.format, is_base=True)

    @staticmethod
    def _usable(rendition: Rendition, facts: Facts) -> list[Level]:
        """The levels that it may be derived from, the largest first."""
        return [level for level in geometry.levels(facts) if geometry.serves(level, rendition, facts)]

    def _pixels(self, ident: Ident, level: Level, facts: Facts, stop: Stop) -> Any:
        """A level's, found or made."""
        if (found := self.levels.find(ident, level)) is not None:
            return found
        with self._host.locks.hold(name_of(ident, level)):
            if (found := self.levels.find(ident, level)) is not None:
                return found
            generation = self._cache.generation.now()
            image = self._reduced(ident, level, facts, stop)
            self.levels.made(ident, level, image, generation)
            return image

    def _reduced(self, ident: Ident, level: Level, facts: Facts, stop: Stop) -> Any:
        if level.larger is not None:
            larger = self._pixels(ident, level.larger, facts, stop)
            return self._reduce(Source(larger, level.larger.stored, facts.format), level, facts, stop)
        with self._base(ident, facts) as source:
            return self._reduce(source, level, facts, stop)

    def _reduce(self, source: Source, level: Level, facts: Facts, stop: Stop) -> Any:
        plan = geometry.level_plan(level, source.stored)
        with self._turn(source, plan, facts, stop):
            return self._renderer.reduce(source, plan, stop)

    def _render(self, source: Source, rendition: Rendition, facts: Facts, stop: Stop) -> bytes:
        plan = geometry.plan(rendition, facts, source.stored)
        with self._turn(source, plan, facts, stop), tracing.span("render", format=rendition.format):
            started = time.perf_counter()
            data = self._renderer.render(source, plan, stop)
            self.observer.rendered(time.perf_counter() - started)
            return data

    @contextmanager
    def _turn(self, source: Source, plan: geometry.Plan, facts: Facts, stop: Stop) -> Iterator[None]:
        """To render in, with the memory it takes, for as long as one may.

        Raises InvalidRendition where it takes more than all, GivenUp where nobody waits for it by then.
        """
        memory = libvips.memory(source, plan, facts.frames)
        if memory > self._most.size:
            raise InvalidRendition("size", f"making it may take {memory >> 20} MB of memory", str(self._most))
        with self._pool.slots, self._memory.hold(memory, stop.check):
            stop.check()
            if source.is_base:
                self.observer.decoded_base()
            late = GivenUp(f"this takes longer than {self._timeout:g} seconds to make, MEZZOTINT_RENDER_TIMEOUT")
            with self._deadlines.after(self._timeout, lambda: stop.ask(late)):
                yield

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
