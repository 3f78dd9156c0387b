"""Pictures by their address: fetched once however many ask, kept or cached, looked after when they are old."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.errors import InvalidInput, NotFound, OriginBusy, OriginFailed, OriginLacks, OriginTimedOut
from mezzotint.network.urls import parse_url
from mezzotint.sources.remote import How, Lookup, RemoteImages
from mezzotint.wiring import Engine
from tests.network.host import in_turn, leading, status
from tests.origin import Asked, Origin
from tests.pictures import jpeg, png
from tests.sources.fetching import fetching, get, left_in_incoming, noted, record, run, stored, whole
from tests.waiting import HANGS, IN_TIME
from tests.waiting import until_async as until

PICTURE = jpeg(200, 100, seed=1)
IDENT = hashlib.sha256(PICTURE).hexdigest()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with fetching(tmp_path / "data", MEZZOTINT_FETCH_MIN_AGE="0s") as opened:
        yield opened


@pytest.fixture
def caching(tmp_path: Path) -> Iterator[Engine]:
    """An engine that keeps nothing of this origin, and only caches."""
    with fetching(tmp_path / "caching", MEZZOTINT_FETCH_KEEP="kept.example", MEZZOTINT_FETCH_MIN_AGE="0s") as opened:
        yield opened


def test_it_is_fetched_once_and_then_here(engine: Engine, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE, etag='"1"', last_modified="Sat, 01 Jan 2000 00:00:00 GMT")
    before = time.time()
    assert run(engine, lambda remote: remote.find(parse_url(url))) is None
    first, second = get(engine, url), get(engine, url)
    assert (first.how, second.how) == (How.MISS, How.HIT)
    assert first.record == second.record
    assert first.record.ident == IDENT
    assert whole(engine, IDENT) == PICTURE
    kept = record(engine, url)
    assert kept == first.record
    assert (kept.url, kept.via, kept.etag) == (url, "origin", '"1"')
    assert before <= kept.fetched == kept.checked <= time.time() < kept.expires
    assert stored(engine) == [f"images/{IDENT}", f"remote/{parse_url(url).key}.json"]
    assert origin.asked == {"/a": 1}
    assert not left_in_incoming(engine)


def test_what_is_here_is_given_when_its_host_is_closed_by_now(engine: Engine, origin: Origin, tmp_path: Path) -> None:
    url = origin.picture("/a", PICTURE)
    get(engine, url)
    with fetching(tmp_path / "data", MEZZOTINT_FETCH_DENY="127.0.0.0/8") as other:
        assert get(other, url).how == How.HIT
        with pytest.raises(InvalidInput):
            get(other, origin.url("/b"))
    assert origin.asked == {"/a": 1}


def test_all_spellings_of_an_address_are_one_picture(engine: Engine, origin: Origin) -> None:
    origin.picture("/~a?b", PICTURE)
    spellings = ["/%7ea?b", "/./~a?b", "/x/../~a?b#c", "/~a?b"]
    assert [get(engine, origin.url(path)).how for path in spellings] == [How.MISS, How.HIT, How.HIT, How.HIT]


def test_a_hundred_who_ask_at_once_are_one_request(engine: Engine, origin: Origin) -> None:
    target = parse_url(origin.picture("/a", PICTURE, delay=0.1))

    async def work(remote: RemoteImages) -> list[Lookup]:
        return await asyncio.gather(*(remote.get(target) for _ in range(100)))

    assert {found.record.ident for found in run(engine, work)} == {IDENT}
    assert origin.asked == {"/a": 1}


def test_several_processes_that_ask_at_once_are_one_request(engine: Engine, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE, delay=0.2)
    found: list[Lookup] = []
    threads = [threading.Thread(target=lambda: found.append(get(engine, url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.record.ident for one in found} == {IDENT}
    assert sorted(one.how for one in found) == [How.HIT, How.HIT, How.HIT, How.MISS]
    assert origin.asked == {"/a": 1}


def test_a_failure_is_shared_by_all_who_asked_at_once(engine: Engine, origin: Origin) -> None:
    origin.answers["/a"] = status(404, 0.1)
    target = parse_url(origin.url("/a"))

    async def work(remote: RemoteImages) -> list[Lookup | BaseException]:
        return await asyncio.gather(*(remote.get(target) for _ in range(20)), return_exceptions=True)

    assert {type(one) for one in run(engine, work)} == {OriginLacks}
    assert origin.asked == {"/a": 1}


def test_whoever_goes_away_takes_nothing_from_the_others(engine: Engine, origin: Origin) -> None:
    target = parse_url(origin.picture("/a", PICTURE, delay=0.2))

    async def work(remote: RemoteImages) -> Lookup:
        first, second = (asyncio.ensure_future(remote.get(target)) for _ in range(2))
        await until(lambda: origin.asked["/a"] == 1)
        first.cancel()
        return await second

    assert run(engine, work).record.ident == IDENT
    assert origin.asked == {"/a": 1}


def test_closing_waits_for_no_origin(engine: Engine, origin: Origin) -> None:
    origin.answers["/hangs"] = status(200, HANGS)

    async def work(remote: RemoteImages) -> float:
        task = asyncio.ensure_future(remote.get(parse_url(origin.url("/hangs"))))
        await until(lambda: origin.asked["/hangs"] == 1)
        task.cancel()
        return time.monotonic()

    begun = run(engine, work)
    assert time.monotonic() - begun < IN_TIME
    assert not left_in_incoming(engine)


def test_the_same_bytes_under_two_addresses_are_stored_once(engine: Engine, origin: Origin) -> None:
    one, two = origin.picture("/a", PICTURE), origin.picture("/b", PICTURE)
    origin.answers["/c"] = leading("/a")
    assert [get(engine, url).how for url in (one, two, origin.url("/c"))] == [How.MISS] * 3
    assert stored(engine, "images/") == [f"images/{IDENT}"]
    assert len(stored(engine, "remote/")) == 3


def test_that_there_is_none_is_remembered_for_minutes(engine: Engine, origin: Origin) -> None:
    for _ in range(3):
        with pytest.raises(OriginLacks):
            get(engine, origin.url("/nothing"))
    assert origin.asked == {"/nothing": 1}
    failure = engine.records.failure(parse_url(origin.url("/nothing")).key)
    assert failure is not None
    assert 500 < failure.until - time.time() < 700
    assert stored(engine) == []


def test_a_failure_is_tried_three_times_and_then_remembered_for_a_minute(engine: Engine, origin: Origin) -> None:
    origin.answers["/a"] = status(500)
    for _ in range(2):
        with pytest.raises(OriginFailed):
            get(engine, origin.url("/a"))
    assert origin.asked == {"/a": 3}
    origin.picture("/a", PICTURE)
    with pytest.raises(OriginFailed):
        get(engine, origin.url("/a"))
    failure = engine.records.failure(parse_url(origin.url("/a")).key)
    assert failure is not None
    assert 50 < failure.until - time.time() < 70


def test_500_and_then_200_is_a_picture(engine: Engine, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE)
    origin.answers["/a"] = in_turn(status(500), origin.answers["/a"])
    assert get(engine, url).how == How.MISS
    assert origin.asked == {"/a": 2}
    assert engine.records.failure(parse_url(url).key) is None


def test_half_a_picture_and_a_reset_and_then_all_of_it_is_a_picture(engine: Engine, origin: Origin) -> None:
    async def half(asked: Asked) -> None:
        await asked.raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE[:500])
        await asyncio.sleep(0.02)
        asked.reset()

    url = origin.picture("/a", PICTURE)
    origin.answers["/a"] = in_turn(half, origin.answers["/a"])
    assert get(engine, url).record.ident == IDENT
    assert whole(engine, IDENT) == PICTURE
    assert not left_in_incoming(engine)


def test_a_pause_that_was_asked_for_is_no_reason_to_try_again(engine: Engine, origin: Origin) -> None:
    origin.answers["/a"] = status(429, retry_after="7")
    for path in ("/a", "/a", "/b"):
        with pytest.raises(OriginBusy) as caught:
            get(engine, origin.url(path))
        assert 1 <= caught.value.retry_after <= 8
    assert origin.asked == {"/a": 1}


def test_an_origin_that_hangs_is_given_up_within_its_time(tmp_path: Path, origin: Origin) -> None:
    origin.answers["/a"] = status(200, HANGS)
    with fetching(tmp_path / "data", MEZZOTINT_FETCH_TIMEOUT="0.4s") as engine:
        begun = time.monotonic()
        for _ in range(2):
            with pytest.raises(OriginTimedOut):
                get(engine, origin.url("/a"))
        assert time.monotonic() - begun < IN_TIME
    assert origin.asked == {"/a": 1}


@pytest.mark.parametrize("said", ["max-age=" + "9" * 400, "max-age=-1", "max-age=x, , =,;", "\xff=\xff"])
def test_odd_freshness_costs_no_picture(engine: Engine, origin: Origin, said: str) -> None:
    url = origin.picture("/a", PICTURE, cache_control=said, age="9" * 400, expires="never", etag="\xff")
    found = get(engine, url)
    assert found.record.ident == IDENT
    assert found.record.expires <= time.time() + 31 * 86_400


def test_a_lost_base_is_fetched_again_whole(engine: Engine, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE, etag='"1"', last_modified="Sat, 01 Jan 2000 00:00:00 GMT")
    get(engine, url)
    engine.store.delete(f"images/{IDENT}")
    assert get(engine, url, lost=True).how == How.MISS
    assert whole(engine, IDENT) == PICTURE
    assert not {"if-none-match", "if-modified-since"} & origin.seen[-1].headers.keys()
    assert origin.asked == {"/a": 2}


def test_a_lost_base_that_the_origin_lacks_too_is_an_error_and_no_hit(engine: Engine, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE)
    get(engine, url)
    engine.store.delete(f"images/{IDENT}")
    del origin.answers["/a"]
    for _ in range(2):
        with pytest.raises(OriginLacks):
            get(engine, url, lost=True)


def test_a_base_in_the_trash_is_wanted_again_without_asking(engine: Engine, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE)
    engine.bases.life.discard(get(engine, url).record.ident)
    assert get(engine, url, lost=True).record.ident == IDENT
    assert whole(engine, IDENT) == PICTURE
    assert origin.asked == {"/a": 1}


def test_what_is_only_cached_is_nowhere_in_the_store(caching: Engine, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE, cache_control="max-age=1000")
    assert [get(caching, url).how for _ in range(2)] == [How.MISS, How.HIT]
    assert stored(caching) == []
    assert whole(caching, IDENT) == PICTURE
    assert caching.bases.is_here(IDENT)  # type: ignore[arg-type]
    caching.cache.purge(IDENT)
    with pytest.raises(NotFound):
        whole(caching, IDENT)
    assert get(caching, url, lost=True).how == How.MISS
    assert whole(caching, IDENT) == PICTURE
    assert origin.asked == {"/a": 2}


def test_what_is_kept_outlives_the_cache(engine: Engine, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE, cache_control="max-age=1000")
    get(engine, url)
    engine.cache.purge(IDENT)
    engine.cache.purge(parse_url(url).key)
    assert get(engine, url).how == How.HIT
    assert whole(engine, IDENT) == PICTURE


def test_a_read_node_only_caches(tmp_path: Path, origin: Origin) -> None:
    with fetching(tmp_path / "data", MEZZOTINT_READ_ONLY="true") as engine:
        assert get(engine, origin.picture("/a", PICTURE)).how == How.MISS
        assert whole(engine, IDENT) == PICTURE
        assert stored(engine) == []


def test_each_event_is_noted(engine: Engine, origin: Origin) -> None:
    url = origin.picture("/a", PICTURE)
    get(engine, url)
    get(engine, url)
    [note] = noted(engine)
    assert (note["key"], note["url"], note["host"], note["ident"]) == (parse_url(url).key, url, "127.0.0.1", IDENT)
    assert (note["format"], note["width"], note["height"], note["bytes"]) == ("jpg", 200, 100, len(PICTURE))
    assert (note["via"], note["kept"]) == ("origin", True)
    with pytest.raises(OriginLacks):
        get(engine, origin.url("/nothing"))
    [note] = noted(engine)
    assert (note["url"], bool(note["failure"])) == (origin.url("/nothing"), True)
    get(engine, origin.picture("/png", png()))
    assert [note["format"] for note in noted(engine)] == ["png"]


def test_what_is_only_cached_is_noted_as_that(caching: Engine, origin: Origin) -> None:
    get(caching, origin.picture("/a", PICTURE))
    assert [note["kept"] for note in noted(caching)] == [False]
