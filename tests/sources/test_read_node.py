"""A read node on the store that others write to, and pictures that were only cached before they were kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from mezzotint.network.urls import parse_url
from mezzotint.sources.remote import How, Lookup, RemoteImages
from mezzotint.wiring import Engine
from tests.faults import FaultyStore
from tests.origin import Origin
from tests.pictures import jpeg
from tests.sources.fetching import fetching, get, record, run, stored, whole
from tests.waiting import until_async as until

PICTURE, OTHER = jpeg(200, 100, seed=1), jpeg(200, 100, seed=2)
OLD, GOOD = "max-age=0", "max-age=1000"
Opening = Callable[..., AbstractContextManager[Engine]]


@pytest.fixture
def opening(tmp_path: Path) -> Opening:
    """`opening("a", MEZZOTINT_...=...)`: a host with a data directory of its own, on the one store."""

    def on(name: str, **variables: str) -> AbstractContextManager[Engine]:
        store = f"file://{tmp_path}/store"
        return fetching(tmp_path / name, MEZZOTINT_STORE=store, MEZZOTINT_FETCH_MIN_AGE="0s", **variables)

    return on


def seen(engine: Engine) -> dict[str, bytes]:
    """Everything in the store."""
    return {key: engine.store.read(key) for key in stored(engine)}


def settled(engine: Engine, url: str) -> Lookup:
    """What is given, and the background has had time to look after it."""

    async def work(remote: RemoteImages) -> Lookup:
        found = await remote.get(parse_url(url))
        await asyncio.sleep(0.3)
        return found

    return run(engine, work)


def test_a_read_node_gives_what_is_stale_in_the_store_and_leaves_it(opening: Opening, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE, cache_control=OLD, etag='"1"')
    with opening("writer") as writer:
        first = get(writer, url).record
    origin.picture("/a", OTHER, cache_control=GOOD)
    with opening("reader", MEZZOTINT_READ_ONLY="true") as reader:
        before = seen(reader)
        for _ in range(3):
            found = settled(reader, url)
            assert (found.how, found.record) == (How.STALE, first)
        assert whole(reader, first.ident) == PICTURE
        assert (seen(reader), origin.asked) == (before, {"/a": 1})
    with opening("writer") as writer:
        assert settled(writer, url).how == How.STALE
        assert origin.asked == {"/a": 2}, "whoever writes there looks after it"


def test_a_read_node_fetches_what_nobody_has_into_its_cache_alone(opening: Opening, origin: Origin) -> None:
    with opening("writer") as writer:
        get(writer, origin.picture("/a", PICTURE))
    url = origin.picture("/b", OTHER, cache_control=GOOD)
    with opening("reader", MEZZOTINT_READ_ONLY="true") as reader:
        before = seen(reader)
        assert len(before) == 2
        found = get(reader, url)
        assert (found.how, whole(reader, found.record.ident)) == (How.MISS, OTHER)
        assert get(reader, url).how == How.HIT
        assert seen(reader) == before
    assert origin.asked == {"/a": 1, "/b": 1}


def test_a_read_node_sees_what_others_keep_of_what_it_had_cached(opening: Opening, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE, cache_control=OLD)
    with opening("reader", MEZZOTINT_READ_ONLY="true") as reader:
        get(reader, url)
    origin.picture("/a", OTHER, cache_control=GOOD)
    with opening("writer") as writer:
        kept = get(writer, url).record
    with opening("reader", MEZZOTINT_READ_ONLY="true") as reader:
        for _ in range(3):
            found = settled(reader, url)
        assert (found.record.ident, found.how) == (kept.ident, How.HIT)


def test_a_read_node_gives_what_is_stale_while_the_store_does_not_answer(opening: Opening, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE, cache_control=OLD)
    with opening("writer") as writer:
        first = get(writer, url).record
    with opening("reader", MEZZOTINT_READ_ONLY="true") as reader:
        faulty = FaultyStore(reader.store)  # as over the network: what is seen there is noted in the cache
        reader.records._store = faulty
        assert record(reader, url) == first
        with faulty.down():
            found = settled(reader, url)
    assert (found.how, found.record) == (How.STALE, first)
    assert origin.asked == {"/a": 1}


@pytest.mark.parametrize("far", [False, True], ids=["near", "far"])
def test_what_was_only_cached_and_is_kept_now_is_the_stores(tmp_path: Path, origin: Origin, far: bool) -> None:
    url = origin.picture("/a", PICTURE, cache_control=OLD)
    with fetching(tmp_path / "data", MEZZOTINT_FETCH_KEEP="kept.example", MEZZOTINT_FETCH_MIN_AGE="0s") as caching:
        before = get(caching, url).record
        assert stored(caching) == []
    origin.picture("/a", OTHER, cache_control=GOOD)
    with fetching(tmp_path / "data", MEZZOTINT_FETCH_MIN_AGE="0s") as keeping:
        if far:
            keeping.records._store = FaultyStore(keeping.store)
        run(keeping, lambda remote: remote.load(parse_url(url)))
        now = record(keeping, url)
        assert now is not None and now.ident != before.ident
        assert stored(keeping) == [f"images/{now.ident}", f"remote/{parse_url(url).key}.json"]
    with fetching(tmp_path / "data", MEZZOTINT_FETCH_MIN_AGE="0s") as another:
        for _ in range(3):
            found = settled(another, url)
            assert (found.how, found.record) == (How.HIT, now)
        assert whole(another, now.ident) == OTHER
    assert origin.asked == {"/a": 2}


def test_who_may_not_have_it_fetched_has_nothing_looked_after(opening: Opening, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE, cache_control=OLD)
    with opening("host") as engine:
        first = get(engine, url).record

        async def work(remote: RemoteImages) -> None:
            target = parse_url(url)
            for _ in range(3):
                assert await remote.find(target, renew=False) == Lookup(first, How.STALE)
            await asyncio.sleep(0.3)
            assert origin.asked == {"/a": 1}
            assert await remote.find(target) == Lookup(first, How.STALE)
            await until(lambda: origin.asked == {"/a": 2})

        run(engine, work)
