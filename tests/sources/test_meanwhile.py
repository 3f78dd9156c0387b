"""Pictures that change hands as they come in: sent late, deleted in between, there already."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mezzotint.derivatives import Base
from mezzotint.derivatives.intake import Spool
from mezzotint.names import Ident
from mezzotint.names.keys import remote_key
from mezzotint.network.urls import parse_url
from mezzotint.objects import DirectoryStore, MemoryStore, ObjectStore
from mezzotint.sources import peer_client as peers_module
from mezzotint.sources.failures import Failures
from mezzotint.sources.peers import Peer
from mezzotint.sources.records import RemoteRecord, RemoteRecords
from mezzotint.wiring import Engine
from mezzotint.wiring.sources import open_peer_client
from tests.cache.caches import open_cache
from tests.origin import Asked, Origin
from tests.pictures import jpeg
from tests.sources.fetching import fetching, get, noted, record, run, stored, whole
from tests.sources.test_records import KEY, RECORD, Clock
from tests.waiting import HANGS

PICTURE, OTHER = jpeg(200, 100, seed=1), jpeg(200, 100, seed=2)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with fetching(tmp_path / "data") as opened:
        yield opened


def ident_of(data: bytes) -> Ident:
    return Ident(hashlib.sha256(data).hexdigest())


def sent(engine: Engine, url: str, data: bytes, fetched: float) -> bool:
    """From a peer that fetched it then; whether it was new."""
    said = RemoteRecord(url, ident_of(data), fetched, fetched, fetched + 3600, "", "", "origin")

    async def pieces() -> AsyncIterator[bytes]:
        yield data[:100]
        yield data[100:]

    return run(engine, lambda remote: remote.receive(parse_url(url), said, pieces()))


def test_an_older_picture_from_a_peer_does_not_take_the_place_of_a_newer(engine: Engine, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE)
    found = get(engine, url)
    noted(engine)
    assert sent(engine, url, OTHER, found.record.fetched - 60) is False
    assert record(engine, url) == found.record
    assert (stored(engine, "images/"), noted(engine)) == ([f"images/{ident_of(PICTURE)}"], [])
    assert sent(engine, url, OTHER, found.record.fetched + 60) is True
    kept = record(engine, url)
    assert kept is not None and kept.ident == ident_of(OTHER)


def test_a_picture_whose_bytes_go_to_the_trash_as_it_is_taken_in_has_them_back(
    engine: Engine, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes were here by another address, which was deleted in between."""
    get(engine, origin.picture("/a", PICTURE))
    keep = engine.bases.keep

    def kept_and_discarded(spool: Spool) -> Base:
        base = keep(spool)
        assert not base.new
        engine.bases.life.discard(base.ident)
        return base

    monkeypatch.setattr(engine.bases, "keep", kept_and_discarded)
    url = origin.picture("/b", PICTURE)
    found = get(engine, url)
    assert engine.bases.exists(found.record.ident)
    assert not engine.bases.life.is_in_trash(found.record.ident)
    assert whole(engine, found.record.ident) == PICTURE


def test_two_addresses_of_the_same_bytes_share_what_is_cached(tmp_path: Path, origin: Origin) -> None:
    with fetching(tmp_path / "cached", MEZZOTINT_FETCH_KEEP="kept.example") as engine:
        first = get(engine, origin.picture("/a", PICTURE))
        files = engine.cache.totals().files
        second = get(engine, origin.picture("/b", PICTURE))
        assert first.record.ident == second.record.ident == ident_of(PICTURE)
        assert engine.cache.totals().files == files + 1, "the record of it"
        assert (whole(engine, ident_of(PICTURE)), stored(engine)) == (PICTURE, [])


@pytest.fixture(params=["near", "far"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return DirectoryStore(tmp_path / "store") if request.param == "near" else MemoryStore()


def test_a_read_node_goes_by_its_own_record_until_the_store_has_one(store: ObjectStore, tmp_path: Path) -> None:
    cache, clock = open_cache(tmp_path / "cache", 1 << 30), Clock()
    reader = RemoteRecords(store, cache, Failures(cache.host.database), lambda host: True, clock, read_only=True)
    reader.put(KEY, RECORD, kept=False)
    for _ in range(3):
        clock.now += 1000
        assert reader.look_again(KEY) == RECORD
    assert [info.key for info in store.list()] == []
    theirs = dataclasses.replace(RECORD, ident=Ident("34" * 32), fetched=9.5)
    store.put(remote_key(KEY), theirs.to_json())
    clock.now += 1000
    assert reader.look_again(KEY) == theirs
    store.delete(remote_key(KEY))
    clock.now += 1000
    assert reader.look_again(KEY) is None, "what was deleted there is deleted here"
    cache.close()


@pytest.mark.parametrize(
    ("status", "said"), [(200, ""), (500, "answered 500"), (302, "answered 302")], ids=["well", "ill", "elsewhere"]
)
def test_a_peer_that_is_probed_says_how_it_is(engine: Engine, origin: Origin, status: int, said: str) -> None:
    origin.picture("/health", b"{}", status)
    assert probed(engine, Peer("b", origin.url(""), "", False)) == said


def test_a_peer_that_hangs_is_not_waited_for(engine: Engine, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_module, "_PROBE", 0.25)

    async def hang(asked: Asked) -> None:
        await asyncio.sleep(HANGS)

    origin.answers["/health"] = hang
    assert probed(engine, Peer("b", origin.url(""), "", False)) == "no answer within 0.25 s"
    assert "Cannot connect" in probed(engine, Peer("c", "http://127.0.0.1:1", "", False))


def probed(engine: Engine, peer: Peer) -> str:
    async def probe() -> str:
        client = open_peer_client(engine)
        try:
            return await client.probe(peer)
        finally:
            await client.close()

    return asyncio.run(probe())
