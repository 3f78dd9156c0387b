"""Settings in, a live engine out. The only place that constructs clients."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from mezzotint.cache import Cache, SqliteIndex
from mezzotint.cache.cleaner import Housekeeping
from mezzotint.derivatives import Bases, Derivative, StoreManager
from mezzotint.derivatives.manager import Observer
from mezzotint.derivatives.pool import RenderPool
from mezzotint.files import remove_abandoned
from mezzotint.journal import Journal
from mezzotint.names import Limits
from mezzotint.objects import ObjectStore
from mezzotint.settings import Settings
from mezzotint.wiring.stores import open_store


@dataclass(frozen=True)
class Engine:
    """Everything below the doors, ready to use. One for a process."""

    settings: Settings
    store: ObjectStore
    cache: Cache
    bases: Bases
    journal: Journal
    pool: RenderPool[Derivative]
    manager: StoreManager
    housekeeping: Housekeeping

    def close(self) -> None:
        self.housekeeping.stop()
        self.pool.close()
        self.cache.close()


class _NudgingObserver(Observer):
    """Passes on what it is told, and wakes the housekeeping when something was kept."""

    def __init__(self, observer: Observer, housekeeping: Housekeeping) -> None:
        self.rendered = observer.rendered  # type: ignore[method-assign]
        self.decoded_base = observer.decoded_base  # type: ignore[method-assign]
        self.kept = housekeeping.nudge  # type: ignore[method-assign]


def open_engine(settings: Settings, observer: Observer | None = None) -> Engine:
    store = open_store(settings.store_url, settings)
    remove_abandoned(settings.data / "incoming")
    cache = Cache(settings.cache, SqliteIndex, settings.cache_max_size)
    housekeeping = Housekeeping(cache)
    bases = Bases(
        store,
        cache,
        settings.data / "incoming",
        max_bytes=settings.max_upload,
        max_pixels=settings.max_pixels,
        allow_svg=settings.allow_svg,
    )
    pool: RenderPool[Derivative] = RenderPool(settings.render_threads, settings.render_queue)
    manager = StoreManager(
        bases,
        cache,
        pool,
        Limits(output_pixels=settings.max_output_pixels),
        _NudgingObserver(observer or Observer(), housekeeping),
    )
    return Engine(
        settings, store, cache, bases, Journal(store, settings.data / "incoming"), pool, manager, housekeeping
    )


_engine: Engine | None = None
_lock = threading.Lock()


def engine(observer: Observer | None = None) -> Engine:
    """This process's engine, opened from the environment when first asked for."""
    global _engine
    with _lock:
        if _engine is None:
            _engine = open_engine(Settings.read(), observer)
        return _engine


def close_engine() -> None:
    global _engine
    with _lock:
        if _engine is not None:
            _engine.close()
            _engine = None
