"""Pyramids: what a large base leaves behind so that no part of it costs the whole.

What nobody has made yet is made in two sweeps: the first gives those who wait what they want and nothing else, as soon
as it comes by; the second makes all of it, in the background. Whoever comes meanwhile takes part in the one under way.
"""

from __future__ import annotations

import logging
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress

from mezzotint.cache import Cache
from mezzotint.cache.places import NATIVE
from mezzotint.derivatives.bases import Bases
from mezzotint.derivatives.memory import MemoryCache
from mezzotint.derivatives.pyramid import Kept, PyramidFile, name_of
from mezzotint.derivatives.sweeps import FullSweep, NothingWanted, Sweep
from mezzotint.derivatives.turns import Turns
from mezzotint.errors import GivenUp
from mezzotint.host import Host
from mezzotint.host.files import full_is_told, temporary
from mezzotint.names import Facts, Ident, Rendition
from mezzotint.transforms import geometry, libvips, tiles
from mezzotint.transforms.libvips import Source
from mezzotint.transforms.stopping import Stop
from mezzotint.transforms.tiles import Detail, Kind

log = logging.getLogger(__name__)
_SHARE = 4
"""a pyramid may take one part in so many of the cache"""
_INDEXES = 16 << 20
"""bytes of indexes in memory, of those that are open"""
_LOOK_AGAIN, _SOON = 0.1, 0.02
_FEWER = 1000
"""bases whose pyramids wait to be made; of more, whoever comes next asks again"""
_NOT_AGAIN = 600.0
"""seconds after one could not be made"""
_LONGER = 10
"""times as long as a rendition may making one take"""


class Pyramids:
    def __init__(
        self, bases: Bases, cache: Cache, host: Host, turns: Turns, decoded: Callable[[], None], *, wanted: bool = True
    ) -> None:
        self._share = _SHARE if wanted else sys.maxsize
        self._bases, self._cache, self._host, self._turns, self._decoded = bases, cache, host, turns, decoded
        self._scratch = cache.directory / NATIVE
        self._open: MemoryCache[PyramidFile] = MemoryCache(cache.generation, _INDEXES, share=1)
        self._sweeps: dict[str, Sweep] = {}
        self._waiting: set[str] = set()
        self._failed: dict[str, float] = {}
        self._lock = threading.Lock()
        self._closing = Stop()
        self._first = ThreadPoolExecutor(2, thread_name_prefix="sweep")
        self._later = ThreadPoolExecutor(1, thread_name_prefix="pyramid")

    def stop(self) -> None:
        """Ask all that goes on to end."""
        gone = GivenUp("the program ends")
        self._closing.ask(gone)
        with self._lock:
            under_way = list(self._sweeps.values())
        for sweep in under_way:
            sweep.stop.ask(gone)

    def close(self) -> None:
        self.stop()
        self._first.shutdown(wait=True, cancel_futures=True)
        self._later.shutdown(wait=True, cancel_futures=True)

    def settle(self) -> None:
        """Wait until what is to be made in the background is there."""
        while self._sweeps or self._waiting:
            time.sleep(_SOON)

    def detail(self, rendition: Rendition, facts: Facts) -> Detail | None:
        """What of its pyramid a canonical rendition is made of, where the base may have one. (What a level serves is
        asked for before.)"""
        found = tiles.detail(rendition, facts)
        return found if found is not None and self.fits(facts, found.kind) else None

    def fits(self, facts: Facts, kind: Kind) -> bool:
        return tiles.most_bytes(facts, kind) * self._share <= self._cache.max_size

    def ready(self, ident: Ident, found: Detail) -> Kept | None:
        """A tile of a pyramid that is open in this process; nothing is waited for but a read of its file."""
        if found.tile is None:
            return None
        pyramid = self._open.get(name_of(ident, found.kind))
        if pyramid is None or not pyramid.is_there:
            return None
        self._cache.touch(pyramid.name)
        return pyramid.read(found.tile)

    def find(self, ident: Ident, facts: Facts, kind: Kind) -> PyramidFile | None:
        name, generation = name_of(ident, kind), self._cache.generation.now()
        pyramid = self._open.get(name)
        if pyramid is not None and pyramid.is_there:
            self._cache.touch(name)
            return pyramid
        if (file := self._cache.open(name)) is None:
            return None
        try:
            pyramid = PyramidFile(file, facts, kind)
        except (ValueError, struct.error):
            log.warning("a pyramid in the cache is damaged and made again: %s", name)
            self._cache.purge_file(name)
            return None
        self._open.put(name, pyramid, generation)
        return pyramid

    def has(self, ident: Ident, kind: Kind) -> bool:
        return self._cache.has(name_of(ident, kind))

    def tiles(self, ident: Ident, facts: Facts, found: Detail, stop: Stop) -> list[Kept]:
        """All that show a detail. Raises NotFound, DamagedImage, InvalidRendition, GivenUp."""
        while True:
            stop.check()
            if (pyramid := self.find(ident, facts, found.kind)) is not None:
                return [pyramid.read(tile) for tile in found.tiles]
            sweep, wanted = self._taking_part(ident, facts, found)
            try:
                kept = [_waited_for(future, stop) for future in wanted]
            finally:
                sweep.leave(found.tiles)
            whole = [one for one in kept if one is not None]
            if len(whole) == len(kept):
                return whole
            sweep.ended.wait(_LOOK_AGAIN)  # it has gone by: it is in what comes of the sweep, or in the next one

    def make(self, ident: Ident, facts: Facts, kind: Kind, told: Callable[[int, int], None]) -> bool:
        """Have it in the cache, made now where it is not there; whether it was made. `told`: how many tiles of how many
        there are.

        Raises NotFound, DamagedImage, InvalidRendition, StorageFull, GivenUp.
        """
        name = name_of(ident, kind)
        with self._locked(name, self._closing):
            if self.has(ident, kind):
                return False
            generation = self._cache.generation.now()
            with (
                temporary(self._scratch, durable=False) as (part, stream),
                full_is_told("a pyramid"),
            ):
                sweep = FullSweep(facts, kind, (part, stream), told)
                try:
                    self._under_way(name, sweep)
                    self._go(ident, sweep, in_a_slot=False)
                    digest = sweep.finish()
                    self._cache.place(name, part, sweep.size, digest)
                except BaseException as error:
                    self._done(name, sweep, error)
                    raise
                self._done(name, sweep, None)
            self._bases.still_there(ident, generation)
            return True

    def make_later(self, ident: Ident, facts: Facts, kind: Kind = Kind.JPEG) -> None:
        """In the background, where it may have one, not too many wait for that, and it did not fail just now."""
        if kind not in tiles.kinds(facts) or not self.fits(facts, kind):
            return
        name = name_of(ident, kind)
        with self._lock:
            if name in self._waiting or len(self._waiting) >= _FEWER:
                return
            if time.monotonic() < self._failed.get(name, 0.0):
                return
            self._failed.pop(name, None)
            self._waiting.add(name)
        with suppress(RuntimeError):  # it is closed
            self._later.submit(self._made_later, ident, facts, kind)

    def _made_later(self, ident: Ident, facts: Facts, kind: Kind) -> None:
        name = name_of(ident, kind)
        try:
            self._closing.check()
            self.make(ident, facts, kind, lambda made, of: None)
        except Exception as error:  # nobody waits for it
            log.warning("a pyramid was not made: %s", error)
            with self._lock:
                self._failed[name] = time.monotonic() + _NOT_AGAIN
        finally:
            with self._lock:
                self._waiting.discard(name)

    def _taking_part(self, ident: Ident, facts: Facts, found: Detail) -> tuple[Sweep, list[Future[Kept | None]]]:
        """The sweep that is under way, or a new one."""
        name = name_of(ident, found.kind)
        with self._lock:
            sweep = self._sweeps.get(name)
            if sweep is None or sweep.ended.is_set():
                self._closing.check()
                sweep = self._sweeps[name] = Sweep(facts, found.kind)
                wanted = [sweep.want(tile) for tile in found.tiles]
                self._first.submit(self._give_out, ident, sweep)
                return sweep, wanted
        return sweep, [sweep.want(tile) for tile in found.tiles]

    def _give_out(self, ident: Ident, sweep: Sweep) -> None:
        """The first of the two. Where somebody holds the lock this thread is free for others meanwhile."""
        name, error = name_of(ident, sweep.kind), None
        if not sweep.is_wanted or self._closing.error is not None:
            self._done(name, sweep, self._closing.error)
            return
        try:
            with self._host.locks.attempt(name) as mine:
                if not mine:
                    time.sleep(_SOON)
                    self._first.submit(self._give_out, ident, sweep)
                    return
                if not self.has(ident, sweep.kind):
                    self._go(ident, sweep)
        except NothingWanted:
            pass
        except BaseException as raised:  # of the executor's too, which is closed: whoever waits is told
            error = raised
        if error is None or isinstance(error, GivenUp):  # which took too long, and may be made in more time
            self.make_later(ident, sweep.facts, sweep.kind)
        self._done(name, sweep, error)

    def _go(self, ident: Ident, sweep: Sweep, *, in_a_slot: bool = True) -> None:
        facts = sweep.facts
        with self._bases.on_disk(ident) as path:
            source = Source(path, geometry.stored(facts), facts.format, is_base=True)
            plan = tiles.plan_of_all(facts, source.stored, sweep.kind)
            memory = libvips.memory_of_sweep(source, plan)
            turn = (
                self._turns.turn(memory, sweep.stop) if in_a_slot else self._turns.beside(memory, sweep.stop, _LONGER)
            )
            with turn, full_is_told("a pyramid"):
                self._decoded()
                self._bases.intake.renderer.sweep(source, plan, sweep.begin, self._scratch, sweep.stop)

    @contextmanager
    def _locked(self, name: str, stop: Stop) -> Iterator[None]:
        """Hold the lock, once nobody else does. Raises GivenUp."""
        while True:
            stop.check()
            with self._host.locks.attempt(name) as mine:
                if mine:
                    yield
                    return
            time.sleep(_SOON)

    def _under_way(self, name: str, sweep: Sweep) -> None:
        """Whoever waits for one that has not begun takes part in this one."""
        with self._lock:
            before, self._sweeps[name] = self._sweeps.get(name), sweep
        if before is not None:
            before.end()
        if self._closing.error is not None:
            sweep.stop.ask(self._closing.error)

    def _done(self, name: str, sweep: Sweep, error: BaseException | None) -> None:
        with self._lock:
            if self._sweeps.get(name) is sweep:
                del self._sweeps[name]
        sweep.end(error)


def _waited_for(future: Future[Kept | None], stop: Stop) -> Kept | None:
    while not future.done():
        stop.check()
        wait([future], _LOOK_AGAIN)
    return future.result()
