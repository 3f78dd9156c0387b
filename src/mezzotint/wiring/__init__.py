"""Settings in, a live engine out. The only place that constructs clients."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from mezzotint.cache import Cache, Index, SqliteIndex
from mezzotint.cache.cleaner import Cleaner, Housekeeping
from mezzotint.derivatives import Bases, Derivative, StoreManager
from mezzotint.derivatives.intake import Intake, MemoryLimit
from mezzotint.derivatives.manager import Observer
from mezzotint.derivatives.pool import RenderPool
from mezzotint.host import Host
from mezzotint.host.allowance import Allowance
from mezzotint.host.files import remove_abandoned
from mezzotint.host.lanes import Lane
from mezzotint.host.rates import Meter, Rates
from mezzotint.journal import Journal
from mezzotint.names import Largest
from mezzotint.network.addresses import Patterns, Policy
from mezzotint.network.breaker import CircuitBreaker
from mezzotint.network.limits import DomainLimits
from mezzotint.objects import ObjectStore
from mezzotint.objects.registry import open_store
from mezzotint.settings import Settings
from mezzotint.signatures import Signer, signer_of
from mezzotint.sources.failures import Failures
from mezzotint.sources.notes import Notes
from mezzotint.sources.peers import PeerList
from mezzotint.sources.records import RemoteRecords
from mezzotint.transforms.children import Crew
from mezzotint.transforms.rendering import Renderer
from mezzotint.wiring.registry import FILE, Registry

_WAITING = 4
"""for each connection to the store, of those who may wait for one"""


@dataclass(frozen=True)
class Engine:
    """Everything below the doors, ready to use. One for a process."""

    settings: Settings
    host: Host
    store: ObjectStore
    store_lane: Lane
    """where the event loop waits for it"""
    cache: Cache
    bases: Bases
    journal: Journal
    pool: RenderPool[Derivative]
    manager: StoreManager
    cleaner: Cleaner
    housekeeping: Housekeeping
    policy: Policy
    records: RemoteRecords
    limits: DomainLimits
    breaker: CircuitBreaker
    peers: PeerList
    notes: Notes
    rates: Rates
    signer: Signer
    tokens: Registry

    def close(self) -> None:
        self.housekeeping.stop()
        self.store_lane.close()
        self.manager.pyramids.stop()
        self.pool.close()
        self.manager.close()
        self.bases.intake.renderer.close()
        self.breaker.close()
        self.cache.close()
        self.host.close()


def open_engine(settings: Settings, observer: Observer | None = None) -> Engine:
    observer = observer or Observer()
    store = open_store(settings.store_url, settings, observer.asked_store)
    remove_abandoned(settings.data / "incoming")
    host = Host(settings.data / "host")
    cache = Cache(
        settings.cache,
        _index(settings, host),
        settings.cache_max_size,
        host,
        settings.nginx / "hits.log",
        heeds_uses=settings.cache_order == "lru",
    )
    memory = Allowance(settings.data / "host" / "render-memory", settings.memory_for_renders)
    most = min(
        MemoryLimit(memory.total, "MEZZOTINT_RENDER_MEMORY"),
        MemoryLimit(settings.decode_memory, "MEZZOTINT_DECODE_MEMORY"),
        key=lambda limit: limit.size,
    )
    renderer = Renderer(Crew(settings.render_threads + 1), most.size, settings.render_timeout)
    intake = Intake(settings.max_upload, settings.max_pixels, settings.max_frames, most, settings.accepted, renderer)
    bases = Bases(store, cache, host, settings.data / "incoming", intake)
    pool: RenderPool[Derivative] = RenderPool(settings.render_threads, settings.render_queue)
    largest = Largest(settings.max_output_pixels, settings.max_enlarged_pixels, settings.max_avif_pixels)
    has_pyramids, seconds = settings.pyramids != "off", settings.render_timeout
    manager = StoreManager(bases, cache, host, pool, largest, observer, memory, seconds, pyramids=has_pyramids)
    if settings.pyramids == "ingest":
        bases.arrived = manager.pyramids.make_later
    cleaner = Cleaner(cache, observer.evicted)
    connections = settings.store_connections
    keeps = Patterns(hosts=settings.fetch_keep)
    return Engine(
        settings,
        host,
        store,
        Lane("the object store", connections, _WAITING * connections, settings.store_timeout),
        cache,
        bases,
        Journal(store, settings.data / "incoming"),
        pool,
        manager,
        cleaner,
        Housekeeping(cleaner, settings.cleanup_interval),
        Policy(Patterns.of(settings.fetch_allow or ()), Patterns.of(settings.fetch_deny or ()), settings.fetch_ports),
        RemoteRecords(store, cache, Failures(host.database), keeps.name, read_only=settings.read_only),
        DomainLimits(settings.max_downloads),
        CircuitBreaker(host.facts),
        PeerList(settings.peers),
        Notes(settings.data / "notes"),
        _rates(settings),
        signer_of(settings),
        Registry(store, settings.secret_key, settings.data / "host" / FILE),
    )


def _rates(settings: Settings) -> Rates:
    exempt = settings.limits.trusts
    return Rates(
        Meter("renders", settings.render_rate, "MEZZOTINT_RENDER_RATE", exempt),
        Meter("fetches", settings.fetch_rate, "MEZZOTINT_FETCH_RATE", exempt),
        Meter("searches", settings.search_rate, "MEZZOTINT_SEARCH_RATE", exempt),
        Meter("logins", settings.login_rate, "MEZZOTINT_LOGIN_RATE", exempt),
    )


def _index(settings: Settings, host: Host) -> Index:
    if settings.redis_url is None:
        return SqliteIndex(host.database)
    from mezzotint.cache.redis import RedisIndex

    return RedisIndex(settings.redis_url, settings.cache)


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
