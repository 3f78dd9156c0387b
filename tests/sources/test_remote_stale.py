"""Pictures that are older than they should be: given at once, and looked after in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.network.urls import parse_url
from mezzotint.sources.remote import How, RemoteImages
from mezzotint.wiring import Engine
from tests.network.host import saying, status
from tests.origin import Answer, Asked, Origin
from tests.pictures import jpeg
from tests.sources.fetching import fetching, get, noted, record, run, stored, whole
from tests.waiting import until_async as until

PICTURE, OTHER = jpeg(200, 100, seed=1), jpeg(200, 100, seed=2)
DATE = "Sat, 01 Jan 2000 00:00:00 GMT"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with fetching(tmp_path / "data", MEZZOTINT_FETCH_MIN_AGE="0s") as opened:
        yield opened


def old(origin: Origin, **headers: str) -> str:
    """A picture that is stale as soon as it is here."""
    return origin.picture("/a", PICTURE, 200, 0.0, cache_control="max-age=0", **headers)


async def looked_after(engine: Engine, url: str, remote: RemoteImages) -> None:
    """Asks, is given what is here at once, and waits until the background is done with it."""
    before = record(engine, url)
    found = await remote.get(parse_url(url))
    assert (found.how, found.record) == (How.STALE, before)
    key = parse_url(url).key
    await until(lambda: record(engine, url) != before or engine.records.failure(key) is not None)


@pytest.mark.parametrize(
    ("validators", "sent"),
    [({"etag": '"1"'}, {"if-none-match": '"1"'}), ({"etag": 'W/"1"'}, {"if-none-match": 'W/"1"'}),
     ({"last_modified": DATE}, {"if-modified-since": DATE}),
     ({"etag": '"1"', "last_modified": DATE}, {"if-none-match": '"1"', "if-modified-since": DATE}), ({}, {})],
)  # fmt: skip
def test_its_origin_is_asked_by_its_validators(
    engine: Engine, origin: Origin, validators: dict[str, str], sent: dict[str, str]
) -> None:
    url = old(origin, **validators)
    get(engine, url)
    run(engine, lambda remote: looked_after(engine, url, remote))
    headers = origin.seen[-1].headers
    assert {name: value for name, value in headers.items() if name.startswith("if-")} == sent
    assert origin.asked == {"/a": 2}


def test_304_keeps_the_picture_and_renews_it(engine: Engine, origin: Origin) -> None:
    url = old(origin, etag='"1"', last_modified=DATE)
    first = get(engine, url).record
    noted(engine)
    origin.answers["/a"] = status(304, 0.3, cache_control="max-age=1000")
    run(engine, lambda remote: looked_after(engine, url, remote))
    now = record(engine, url)
    assert now is not None
    assert (now.ident, now.fetched, now.etag, now.last_modified) == (first.ident, first.fetched, '"1"', DATE)
    assert now.checked > first.checked
    assert 900 < now.expires - time.time() <= 1000
    assert get(engine, url).how == How.HIT
    [note] = noted(engine)
    assert (note["url"], note["ident"], note["checked"]) == (url, first.ident, now.checked)
    assert "failure" not in note


def test_304_with_other_validators_has_them_sent_the_next_time(engine: Engine, origin: Origin) -> None:
    url = old(origin, etag='"1"', last_modified=DATE)
    get(engine, url)
    origin.answers["/a"] = status(304, 0.3, etag='"2"', cache_control="max-age=1000")
    run(engine, lambda remote: looked_after(engine, url, remote))
    now = record(engine, url)
    assert now is not None and (now.etag, now.last_modified) == ('"2"', DATE)


def test_other_bytes_are_another_picture(engine: Engine, origin: Origin) -> None:
    url = old(origin, etag='"1"')
    first = get(engine, url).record
    noted(engine)
    origin.picture("/a", OTHER, etag='"2"', cache_control="max-age=1000")
    run(engine, lambda remote: looked_after(engine, url, remote))
    now = get(engine, url)
    assert now.how == How.HIT
    assert now.record.ident != first.ident
    assert now.record.etag == '"2"'
    assert (whole(engine, now.record.ident), whole(engine, first.ident)) == (OTHER, PICTURE)
    assert stored(engine, "remote/") == [f"remote/{parse_url(url).key}.json"]
    assert [note["ident"] for note in noted(engine)] == [now.record.ident]


def test_many_who_ask_are_one_question_to_the_origin(engine: Engine, origin: Origin) -> None:
    url = old(origin)
    get(engine, url)
    origin.picture("/a", PICTURE, delay=0.2, cache_control="max-age=1000")

    async def work(remote: RemoteImages) -> None:
        found = await asyncio.gather(*(remote.get(parse_url(url)) for _ in range(50)))
        assert {one.how for one in found} == {How.STALE}
        await looked_after(engine, url, remote)

    run(engine, work)
    assert origin.asked == {"/a": 2}


HTML = b"<html>not found</html>"


@pytest.mark.parametrize(
    "answer",
    [status(403), status(429, retry_after="100"), saying(b"SSH-2.0\r\n"), status(200), status(200, 60),
     saying(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(HTML) + HTML)],
    ids=["403", "429", "no HTTP", "empty", "silence", "html"],
)  # fmt: skip
def test_an_origin_that_fails_costs_no_picture(tmp_path: Path, origin: Origin, answer: Answer) -> None:
    url = old(origin, etag='"1"')
    with fetching(tmp_path / "data", MEZZOTINT_FETCH_MIN_AGE="0s", MEZZOTINT_FETCH_TIMEOUT="0.4s") as engine:
        first = get(engine, url).record
        noted(engine)
        origin.answers["/a"] = answer
        run(engine, lambda remote: looked_after(engine, url, remote))
        asked = origin.asked["/a"]
        for _ in range(3):
            found = get(engine, url)
            assert (found.how, found.record) == (How.STALE, first)
        assert origin.asked["/a"] == asked, "what failed a moment ago is asked again"
        assert whole(engine, first.ident) == PICTURE
        assert [bool(note["failure"]) for note in noted(engine)] == [True]


def test_an_origin_that_is_gone_costs_no_picture(engine: Engine) -> None:
    with Origin() as origin:
        url = old(origin)
        first = get(engine, url).record
    run(engine, lambda remote: looked_after(engine, url, remote))
    engine.records.forget_failure(parse_url(url).key)
    for _ in range(2):
        found = get(engine, url)
        assert (found.how, found.record) == (How.STALE, first)
    assert whole(engine, first.ident) == PICTURE


def test_after_a_failure_has_been_forgotten_it_is_looked_after_again(engine: Engine, origin: Origin) -> None:
    url = old(origin)
    get(engine, url)
    origin.answers["/a"] = status(403)
    run(engine, lambda remote: looked_after(engine, url, remote))
    origin.picture("/a", OTHER, cache_control="max-age=1000")
    engine.records.forget_failure(parse_url(url).key)
    run(engine, lambda remote: looked_after(engine, url, remote))
    found = get(engine, url)
    assert found.how == How.HIT
    assert whole(engine, found.record.ident) == OTHER


def test_odd_validators_come_back_as_they_were_or_not_at_all(engine: Engine, origin: Origin) -> None:
    """They are bytes to whoever sent them; the picture can be looked after all the same."""
    odd = '"\xe4\xff"'
    url = old(origin, etag=odd)
    get(engine, url)
    origin.picture("/a", OTHER, cache_control="max-age=1000")
    run(engine, lambda remote: looked_after(engine, url, remote))
    assert origin.seen[-1].headers.get("if-none-match", odd) == odd
    assert get(engine, url).how == How.HIT


def test_a_stale_picture_whose_bytes_are_gone_is_fetched_whole(engine: Engine, origin: Origin) -> None:
    async def answer(asked: Asked) -> None:
        if "if-none-match" in asked.headers:
            await asked.send(304)
        else:
            await asked.send(200, PICTURE, etag='"1"', cache_control="max-age=0")

    origin.answers["/a"] = answer
    url = origin.url("/a")
    ident = get(engine, url).record.ident
    engine.store.delete(f"images/{ident}")
    run(engine, lambda remote: looked_after(engine, url, remote))
    assert whole(engine, ident) == PICTURE


@pytest.mark.parametrize("keep", ["*", "kept.example"])
def test_it_stays_where_it_was_kept_or_cached(tmp_path: Path, origin: Origin, keep: str) -> None:
    with fetching(tmp_path / "data", MEZZOTINT_FETCH_MIN_AGE="0s", MEZZOTINT_FETCH_KEEP=keep) as engine:
        url = old(origin, etag='"1"')
        get(engine, url)
        before = stored(engine)
        assert len(before) == (2 if keep == "*" else 0)
        origin.answers["/a"] = status(304, cache_control="max-age=1000")
        run(engine, lambda remote: looked_after(engine, url, remote))
        assert stored(engine) == before
        assert get(engine, url).how == How.HIT


def test_the_floor_and_the_ceiling_hold_whatever_the_origin_says(tmp_path: Path, origin: Origin) -> None:
    never = origin.picture("/never", PICTURE, cache_control="no-store")
    always = origin.picture("/always", PICTURE, cache_control="max-age=999999999")
    with fetching(tmp_path / "data", MEZZOTINT_FETCH_MIN_AGE="100s", MEZZOTINT_FETCH_MAX_AGE="500s") as engine:
        left = [get(engine, url).record.expires - time.time() for url in (never, always)]
    assert 95 < left[0] <= 100
    assert 495 < left[1] <= 500
