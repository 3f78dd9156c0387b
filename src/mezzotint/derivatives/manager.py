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
from mezzotint.derivatives.pyramid import Kept, picture
from mezzotint.derivatives.pyramids import Pyramids
from mezzotint.derivatives.turns import Turns
from mezzotint.errors import InvalidRendition, StorageFull
from mezzotint.host import Host
from mezzotint.host.allowance import Allowance
from mezzotint.names import Facts, Ident, Largest, Rendition, canonical, print_name
from mezzotint.transforms import geometry, libvips, tiles
from mezzotint.transforms.geometry import Level
from mezzotint.transforms.libvips import Source
from mezzotint.transforms.stopping import Stop
from mezzotint.transforms.tiles import Detail

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Derivative:
    """`digest` is the sha256 of `data`; `made` is False where the cache had it, `is_file` where it is a tile of a
    pyramid, and no file of its own."""

    name: str
    data: bytes
    digest: str
    made: bool
    is_file: bool = True


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
        *,
        pyramids: bool = True,
    ) -> None:
        """`memory`: bytes for all renders of the host at once. `timeout`: seconds for one, waiting not counted."""
        self._bases, self._cache, self._host, self._pool, self.largest = bases, cache, host, pool, largest
        self.observer = observer
        self._renderer = bases.intake.renderer
        self._turns = Turns(pool.slots, memory, bases.intake.memory, timeout)
        self.levels = Levels(cache, self._keep, lambda: pool.under_way == 0)
        self.pyramids = Pyramids(bases, cache, host, self._turns, observer.decoded_base, wanted=pyramids)

    def close(self) -> None:
        self.levels.close()
        self.pyramids.close()

    def canonical(self, rendition: Rendition, facts: Facts) -> Rendition:
        """Raises InvalidRendition."""
        return canonical(rendition, facts, self.largest)

    def lacks(self, ident: Ident, rendition: Rendition, facts: Facts) -> bool:
        """Whether a base has to come over the network before it can be made."""
        if self._bases.is_near(ident):
            return False
        if usable := self._usable(rendition, facts):
            return not self.levels.has(ident, usable[-1])
        detail = self._detail(rendition, facts)
        return detail is None or not self.pyramids.has(ident, detail.kind)

    def find(self, name: str) -> Derivative | None:
        """What the cache holds under a canonical name. Does not wait for anything but the disk."""
        file = self._cache.open(name)
        return None if file is None else Derivative(name, file.read(), file.digest, made=False)

    def tile(self, ident: Ident, rendition: Rendition, facts: Facts) -> Derivative | None:
        """The derivative of a canonical rendition, where it is a tile of a pyramid that is open. Waits for nothing but
        a read of its file."""
        if (detail := self._detail(rendition, facts)) is None:
            return None
        if (kept := self.pyramids.ready(ident, detail)) is None:
            return None
        return Derivative(print_name(ident, rendition), kept.data, kept.digest, made=False, is_file=False)

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
            detail = self._detail(rendition, facts)
            kept = self._tiles(ident, facts, detail, stop) if detail is not None else None
            if detail is not None and kept is not None:
                if detail.tile is not None:
                    return Derivative(name, kept[0].data, kept[0].digest, made=True, is_file=False)
                data = self._of_detail(detail, kept, rendition, facts, stop)
            else:
                with self._source(ident, rendition, facts, stop) as source:
                    data = self._render(source, rendition, facts, stop)
            return Derivative(name, data, self._keep(ident, name, data, generation), made=True)

    def _detail(self, rendition: Rendition, facts: Facts) -> Detail | None:
        """What of its pyramid it is made of, where no level serves."""
        return None if self._usable(rendition, facts) else self.pyramids.detail(rendition, facts)

    def _tiles(self, ident: Ident, facts: Facts, detail: Detail, stop: Stop) -> list[Kept] | None:
        """None where going through all of the base would take too much memory."""
        try:
            return self.pyramids.tiles(ident, facts, detail, stop)
        except InvalidRendition:
            return None

    def _of_detail(self, detail: Detail, kept: list[Kept], rendition: Rendition, facts: Facts, stop: Stop) -> bytes:
        """Made of the tiles of a pyramid that show it."""
        stored, plan = tiles.stored_of_detail(facts, detail), tiles.plan_of_detail(rendition, facts, detail)
        joined = stored.width * stored.height * 4  # beside the tiles that it is joined of
        with self._turns.turn(libvips.memory_of_pixels(stored, plan) + joined, stop):
            return self._rendered(Source(picture(detail, kept, facts), stored, facts.format), plan, stop)

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
        with self._turn(source, plan, facts, stop):
            return self._rendered(source, plan, stop)

    def _rendered(self, source: Source, plan: geometry.Plan, stop: Stop) -> bytes:
        with tracing.span("render", format=plan.format):
            started = time.perf_counter()
            data = self._renderer.render(source, plan, stop)
            self.observer.rendered(time.perf_counter() - started)
            return data

    @contextmanager
    def _turn(self, source: Source, plan: geometry.Plan, facts: Facts, stop: Stop) -> Iterator[None]:
        """Raises InvalidRendition where it takes more memory than all, GivenUp."""
        with self._turns.turn(libvips.memory(source, plan, facts.frames), stop):
            if source.is_base:
                self.observer.decoded_base()
            yield

    def _keep(self, ident: Ident, name: str, data: bytes, generation: bytes) -> str:
        """Into the cache; returns the digest. A full disk costs only the keeping. Raises NotFound."""
        try:
            digest = self._cache.put(name, data)
        except StorageFull as error:
            log.warning("not cached: %s", error)
            return hashlib.sha256(data).hexdigest()
        self._bases.still_there(ident, generation)
        return digest
