"""What the network side notes reaches the database, whenever that is there, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection

from mezzotint.imagecloud import deleting, facts, gauges
from mezzotint.imagecloud.models import CloneRequest, RemoteImage
from mezzotint.names import Ident
from mezzotint.network.urls import parse_url
from mezzotint.sources.records import RemoteRecord
from mezzotint.wiring import Engine
from mezzotint.wiring.sources import open_sources
from tests import pictures
from tests.imagecloud.loading import load, loaded, opened
from tests.imagecloud.nodes import befriend, key_of
from tests.origin import Origin

pytestmark = pytest.mark.django_db(transaction=True)
OTHERS = "127.0.1.1"


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin(hosts=("127.0.0.1", OTHERS)) as started:
        yield started


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Engine]:
    with opened(tmp_path / "data", MEZZOTINT_FETCH_MIN_AGE="0s") as engine:
        yield engine


def picture(origin: Origin, seed: int, **headers: str) -> str:
    return origin.picture(f"/{seed}.jpg", pictures.jpeg(60, 40, seed=seed), 200, 0.0, **headers)


def peer(name: str, *, clone: bool = True) -> dict[str, Any]:
    return {"name": name, "url": f"http://127.0.0.1:9/{name}", "clone": clone}


def requests() -> list[tuple[str, str, str]]:
    return sorted(CloneRequest.objects.values_list("url", "group", "state"))


@contextmanager
def database_down() -> Iterator[None]:
    def fail(execute: Callable[..., Any], *arguments: Any) -> Any:
        raise OperationalError("the database is down")

    with connection.execute_wrapper(fail):
        yield


def test_what_was_loaded_is_in_the_table_with_its_facts(here: Engine, origin: Origin) -> None:
    url, body = picture(origin, 1), pictures.jpeg(60, 40, seed=1)
    (ident,) = load(here, url)
    assert not RemoteImage.objects.exists(), "whoever loads it does not wait for the database"
    facts.ingest()
    one = RemoteImage.objects.get()
    assert (one.key, one.url, one.host, one.ident) == (key_of(url), url, "127.0.0.1", ident)
    assert (one.width, one.height, one.bytes, one.kept, one.via) == (60, 40, len(body), True, "origin")
    assert one.format in {"jpg", "jpeg"}
    assert one.fetched is not None and one.expires is not None and one.fetched <= one.expires
    assert (one.failures, one.failure) == (0, "")
    assert facts.ingest() == 0


def test_failures_are_counted_until_it_answers(here: Engine, origin: Origin) -> None:
    url = origin.url("/2.jpg", OTHERS)
    for count in (1, 2):
        assert loaded(here, url) == [""]
        one = RemoteImage.objects.get()
        assert (one.url, one.ident, one.failures, bool(one.failure)) == (url, "", count, True)
    picture(origin, 2)
    assert loaded(here, url) != [""]
    one = RemoteImage.objects.get()
    assert (one.failures, one.failure, one.width) == (0, "", 60)


def test_what_failed_and_then_came_is_no_failure_though_both_are_told_at_once(here: Engine, origin: Origin) -> None:
    url = origin.url("/3.jpg", OTHERS)
    load(here, url)
    picture(origin, 3)
    load(here, url)
    assert facts.ingest() == 2
    one = RemoteImage.objects.get()
    assert (one.width, one.failures, one.failure) == (60, 0, "")


def test_notes_that_are_taken_in_twice_change_nothing(
    here: Engine, origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    befriend(tmp_path / "data", peer("b"), peer("c"))
    urls = [picture(origin, seed) for seed in (4, 5, 6)]
    load(here, *urls)

    def state() -> list[Any]:
        return [list(RemoteImage.objects.order_by("key").values()), list(CloneRequest.objects.order_by("id").values())]

    _broken_off(monkeypatch)
    first = state()
    assert (len(first[0]), len(first[1])) == (3, 6)
    assert facts.ingest() == 3, "they are still there"
    assert state() == first
    assert facts.ingest() == 0


def test_a_failure_that_is_told_twice_is_one(here: Engine, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    load(here, origin.url("/lacking.jpg", OTHERS))
    _broken_off(monkeypatch)
    assert facts.ingest() == 1
    assert RemoteImage.objects.get().failures == 1


def _broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is noted reaches the database, and then the process ends."""

    def end(path: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", end)
        with pytest.raises(KeyboardInterrupt):
            facts.ingest()


def test_pictures_come_while_the_database_is_down_and_it_is_told_later(
    here: Engine, origin: Origin, tmp_path: Path
) -> None:
    befriend(tmp_path / "data", peer("b"))
    urls = [picture(origin, seed) for seed in (7, 8)]
    with database_down():
        assert "" not in load(here, urls[0])
        for _ in range(3):
            with pytest.raises(DatabaseError):
                facts.ingest()
        assert "" not in load(here, urls[1])
        with pytest.raises(DatabaseError):
            facts.ingest()
    assert facts.ingest() == 2
    assert sorted(RemoteImage.objects.values_list("url", flat=True)) == sorted(urls)
    assert requests() == sorted((url, "b", "waiting") for url in urls)


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_note_that_a_full_disk_cut_off_keeps_no_other_back(
    here: Engine, origin: Origin, tmp_path: Path, end: bytes
) -> None:
    (ident,) = load(here, picture(origin, 9))
    file = next((tmp_path / "data" / "notes").glob("*.jsonl"))
    whole = file.read_bytes()
    file.write_bytes(whole[:40] + end + whole)
    facts.ingest()
    assert [one.ident for one in RemoteImage.objects.all()] == [ident]


def test_each_peer_that_is_to_have_copies_is_sent_each_new_picture_once(
    here: Engine, origin: Origin, tmp_path: Path
) -> None:
    befriend(tmp_path / "data", peer("b"), peer("c"), peer("d", clone=False))
    urls = [picture(origin, seed) for seed in (10, 11)]
    loaded(here, *urls)
    assert requests() == sorted((url, name, "waiting") for url in urls for name in "bc")
    assert gauges.backlog() == {"b": 2, "c": 2, "d": 0}
    CloneRequest.objects.update(state="done")
    loaded(here, *urls)
    assert requests() == sorted((url, name, "done") for url in urls for name in "bc")
    assert gauges.backlog() == {"b": 0, "c": 0, "d": 0}


def test_what_came_from_a_peer_is_not_sent_back_to_it_and_a_copy_to_nobody(here: Engine, tmp_path: Path) -> None:
    befriend(tmp_path / "data", peer("b"), peer("c"))
    for via, seed in (("peer:b", 12), ("clone", 13)):
        url = f"http://127.0.0.1/{seed}.jpg"
        note = {"key": key_of(url), "url": url, "host": "127.0.0.1", "ident": "a" * 64, "via": via, "kept": True}
        moments = dict.fromkeys(("at", "fetched", "checked", "expires"), 1.7e9)
        here.notes.append(note | moments | {"format": "jpg", "width": 1, "height": 1, "bytes": 9})
    assert facts.ingest() == 2
    assert requests() == [("http://127.0.0.1/12.jpg", "c", "waiting")]


def test_a_picture_that_has_changed_is_sent_again_and_one_that_has_not_is_not(
    here: Engine, origin: Origin, tmp_path: Path
) -> None:
    befriend(tmp_path / "data", peer("b"))
    url = picture(origin, 14, cache_control="max-age=0", etag='"1"')
    (before,) = loaded(here, url)
    CloneRequest.objects.update(state="done")
    _revalidate(here, url)
    facts.ingest()
    assert requests() == [(url, "b", "done")]
    origin.picture("/14.jpg", pictures.jpeg(60, 40, seed=15), cache_control="max-age=0")
    after = _revalidate(here, url, before)
    facts.ingest()
    assert after != before
    assert requests() == [(url, "b", "waiting")]
    assert (RemoteImage.objects.get().ident, CloneRequest.objects.get().ident) == (after, after)


def _known(engine: Engine, url: str) -> RemoteRecord:
    record = engine.records.look_again(key_of(url))
    assert record is not None
    return record


def _revalidate(engine: Engine, url: str, before: str = "") -> Ident | None:
    """Ask for what is stale, and wait until its origin has answered; the ident that it leads to then."""

    async def ask() -> Ident | None:
        remote = open_sources(engine).remote
        try:
            checked = _known(engine, url).checked
            await remote.get(parse_url(url))
            for _ in range(100):
                await asyncio.sleep(0.02)
                record = _known(engine, url)
                if record.checked > checked and record.ident != before:
                    break
            return record.ident
        finally:
            await remote.close()

    return asyncio.run(ask())


def test_a_note_of_what_was_deleted_meanwhile_brings_it_not_back(here: Engine, origin: Origin) -> None:
    url = picture(origin, 16)
    load(here, url)
    deleting.delete(parse_url(url))
    facts.ingest()
    assert not RemoteImage.objects.exists()
