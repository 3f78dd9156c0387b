"""Settings in, a live engine out. The only place that constructs clients."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mezzotint.cache import Cache, Index, SqliteIndex
from mezzotint.cache.cleaner import Housekeeping
from mezzotint.derivatives import Bases, Derivative, StoreManager
from mezzotint.derivatives.manager import Observer
from mezzotint.derivatives.pool import RenderPool
from mezzotint.host import Host
from mezzotint.host.files import remove_abandoned
from mezzotint.journal import Journal
from mezzotint.names import RenditionLimits
from mezzotint.network.addresses import Patterns, Policy
from mezzotint.network.breaker import CircuitBreaker
from mezzotint.network.client import PIECE, Client, Times
from mezzotint.network.freshness import Lifetimes
from mezzotint.network.limits import DomainLimits
from mezzotint.network.urls import Url
from mezzotint.objects import ObjectStore
from mezzotint.objects.registry import open_store
from mezzotint.settings import Settings
from mezzotint.sources.coverart import CoverArt
from mezzotint.sources.coverart.fetching import Fetching
from mezzotint.sources.coverart.keeping import Keeping
from mezzotint.sources.flights import Flights
from mezzotint.sources.loading import Loading
from mezzotint.sources.notes import Notes
from mezzotint.sources.peers import PeerClient, PeerList
from mezzotint.sources.records import RemoteRecords
from mezzotint.sources.remote import RemoteImages

_PATIENCE = 30.0
_STORING, _LOOKING = 4, 4
"""threads: what is here is not to wait for what comes in"""


@dataclass(frozen=True)
class Engine:
    """Everything below the doors, ready to use. One for a process."""

    settings: Settings
    host: Host
    store: ObjectStore
    cache: Cache
    bases: Bases
    journal: Journal
    pool: RenderPool[Derivative]
    manager: StoreManager
    housekeeping: Housekeeping
    policy: Policy
    records: RemoteRecords
    limits: DomainLimits
    breaker: CircuitBreaker
    peers: PeerList
    notes: Notes

    def close(self) -> None:
        self.housekeeping.stop()
        self.pool.close()
        self.breaker.close()
        self.cache.close()
        self.host.close()


def open_engine(settings: Settings, observer: Observer | None = None) -> Engine:
    store = open_store(settings.store_url, settings)
    remove_abandoned(settings.data / "incoming")
    host = Host(settings.data / "host")
    cache = Cache(settings.cache, _index(settings, host), settings.cache_max_size, host, settings.nginx / "hits.log")
    bases = Bases(
        store,
        cache,
        host,
        settings.data / "incoming",
        max_bytes=settings.max_upload,
        max_pixels=settings.max_pixels,
        allow_svg=settings.allow_svg,
    )
    pool: RenderPool[Derivative] = RenderPool(settings.render_threads, settings.render_queue)
    manager = StoreManager(
        bases,
        cache,
        host,
        pool,
        RenditionLimits(output_pixels=settings.max_output_pixels),
        observer or Observer(),
    )
    keeps = Patterns(hosts=settings.fetch_keep)
    return Engine(
        settings,
        host,
        store,
        cache,
        bases,
        Journal(store, settings.data / "incoming"),
        pool,
        manager,
        Housekeeping(cache, settings.cleanup_interval),
        Policy(Patterns.of(settings.fetch_allow or ()), Patterns.of(settings.fetch_deny or ()), settings.fetch_ports),
        RemoteRecords(store, cache, keeps.name, read_only=settings.read_only),
        DomainLimits(settings.max_downloads),
        CircuitBreaker(host.facts),
        PeerList(settings.peers),
        Notes(settings.data / "notes"),
    )


def _index(settings: Settings, host: Host) -> Index:
    if settings.redis_url is None:
        return SqliteIndex(host.database)
    from mezzotint.cache.redis import RedisIndex

    return RedisIndex(settings.redis_url, settings.cache)


@dataclass(frozen=True)
class Sources:
    """What comes over the network. Of one event loop; close it at the end."""

    remote: RemoteImages
    cover_art: CoverArt

    async def load(self, target: Url) -> None:
        """Have what is there, ahead of need: cover art, or a picture by its address. Raises MezzotintError."""
        asked = self.cover_art.asked_by(target)
        if asked is None:
            await self.remote.load(target)
        else:
            await self.cover_art.load(asked)

    async def close(self) -> None:
        await self.remote.close()


def open_sources(engine: Engine, *, patience: float = _PATIENCE) -> Sources:
    """For one event loop, which has to be running. `patience` in seconds, for a turn at a busy domain."""
    settings = engine.settings
    client = open_client(engine, Times(settings.fetch_timeout, patience))
    peer_client = open_peer_client(engine)
    storing = ThreadPoolExecutor(_STORING, thread_name_prefix="storing")
    looking = ThreadPoolExecutor(_LOOKING, thread_name_prefix="looking")
    flights = Flights(engine.host.locks, looking, patience)
    lifetimes = Lifetimes(settings.fetch_min_age, settings.fetch_max_age)
    loading = Loading(engine.bases, engine.records, client, engine.peers, peer_client, engine.notes, lifetimes, storing)
    remote = RemoteImages(engine.bases, engine.records, flights, engine.policy, client, peer_client, loading)
    keeping = Keeping(engine.cache, engine.bases)
    fetching = Fetching(keeping, engine.records, client, lifetimes, storing)
    return Sources(remote, CoverArt(settings.cover_art_upstream, engine.policy, keeping, fetching, flights))


def open_client(engine: Engine, times: Times, *, piece: int = PIECE) -> Client:
    """For one event loop; `piece` in bytes. Close it at the end."""
    agent = engine.settings.agent
    return Client(engine.policy, engine.limits, engine.host.locks, engine.breaker, times, agent, piece=piece)


def open_peer_client(engine: Engine) -> PeerClient:
    """For one event loop."""
    return PeerClient(engine.breaker, engine.settings.agent)


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
