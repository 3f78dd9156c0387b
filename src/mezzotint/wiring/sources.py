"""What goes out to the network, on an engine. Apart from it: most commands never do, and need not import it."""

from __future__ import annotations

from dataclasses import dataclass

from mezzotint.host.lanes import Lane
from mezzotint.network.client import PIECE, Client, Times
from mezzotint.network.freshness import Lifetimes
from mezzotint.network.urls import Url
from mezzotint.sources.coverart import CoverArt
from mezzotint.sources.coverart.fetching import Fetching
from mezzotint.sources.coverart.keeping import Keeping
from mezzotint.sources.flights import Flights
from mezzotint.sources.loading import Loading
from mezzotint.sources.peer_client import PeerClient
from mezzotint.sources.remote import RemoteImages
from mezzotint.wiring import Engine

_PATIENCE = 30.0
_QUEUED = 100_000
_STORING, _LOOKING = 4, 4
"""threads: what is here is not to wait for what comes in"""


@dataclass(frozen=True)
class Sources:
    """What comes over the network. Of one event loop; close it at the end."""

    remote: RemoteImages
    cover_art: CoverArt
    lanes: tuple[Lane, ...]
    """its own"""

    async def load(self, target: Url, *, ask_peers: bool = False) -> None:
        """Have what is there, ahead of need: cover art, or a picture by its address, from the peers first where they
        are to be asked. Raises MezzotintError."""
        asked = self.cover_art.asked_by(target)
        if asked is None:
            await self.remote.load(target, ask_peers=ask_peers)
        else:
            await self.cover_art.load(asked)

    async def close(self) -> None:
        await self.remote.close()
        await self.cover_art.close()
        for lane in self.lanes:
            lane.close()


def open_sources(engine: Engine, *, patience: float = _PATIENCE, queued: bool = False) -> Sources:
    """Of one event loop, which need not run yet. `patience` in seconds, for a turn at a busy domain. What is `queued`
    has bounds of its own, and is not refused where the store is busy: nobody waits for it."""
    settings = engine.settings
    client = open_client(engine, Times(settings.fetch_timeout, patience))
    peer_client = open_peer_client(engine)
    storing, covers, looking = Lane("storing", _STORING), Lane("cover art", _STORING), Lane("the cache", _LOOKING)
    waiting = Lane("the object store", settings.store_connections, _QUEUED) if queued else None
    flights, of_covers = (
        Flights(engine.host.locks, lane, patience) for lane in (waiting or engine.store_lane, looking)
    )
    lifetimes = Lifetimes(settings.fetch_min_age, settings.fetch_max_age)
    most, drops = min(settings.fetch_max_bytes, settings.max_upload), settings.fetch_gone == "drop"
    known = engine.bases, engine.records
    loading = Loading(*known, client, engine.peers, peer_client, engine.notes, lifetimes, storing, most, drops=drops)
    remote = RemoteImages(engine.bases, engine.records, flights, engine.policy, client, peer_client, loading)
    keeping = Keeping(engine.cache, engine.bases)
    fetching = Fetching(keeping, client, lifetimes, covers, most, engine.manager.reduced)
    upstream = settings.cover_art_upstream
    cover_art = CoverArt(upstream, engine.policy, engine.records, keeping, fetching, of_covers)
    own = (storing, covers, looking) if waiting is None else (storing, covers, looking, waiting)
    return Sources(remote, cover_art, own)


def open_client(engine: Engine, times: Times, *, piece: int = PIECE) -> Client:
    """For one event loop; `piece` in bytes. Close it at the end."""
    settings, agent = engine.settings, engine.settings.agent
    return Client(
        engine.policy,
        engine.limits,
        engine.host.locks,
        engine.breaker,
        times,
        agent,
        piece=piece,
        secret=settings.secret_key,
    )


def open_peer_client(engine: Engine) -> PeerClient:
    """For one event loop."""
    return PeerClient(engine.breaker, engine.settings.agent)
