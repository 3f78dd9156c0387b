"""Claims: what one is worth when the same job was claimed again, who may make it, and how much it gives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from mezzotint.imagecloud import deleting, leases, threads
from mezzotint.imagecloud.cloning import Cloner
from mezzotint.imagecloud.models import CloneRequest, PrefetchBatch, PrefetchItem
from mezzotint.network.urls import parse_url
from mezzotint.repository import owners
from mezzotint.repository.owners import Owner
from mezzotint.sources.peers import SENDING, Peer
from mezzotint.sources.records import RemoteRecord
from mezzotint.wiring import Engine
from tests import pictures
from tests.imagecloud.loading import loaded, opened
from tests.imagecloud.nodes import befriend
from tests.origin import Origin
from tests.waiting import until_async as until

pytestmark = pytest.mark.django_db(transaction=True)
PEER = {"name": "b", "url": "http://127.0.0.1:9/b", "clone": True}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Engine]:
    with opened(tmp_path / "data") as engine:
        befriend(tmp_path / "data", PEER)
        yield engine


@pytest.fixture
def caching(tmp_path: Path) -> Iterator[Engine]:
    with opened(tmp_path / "data", MEZZOTINT_FETCH_KEEP="nothing.example") as engine:
        befriend(tmp_path / "data", PEER)
        yield engine


def put_in(group: str, count: int, **fields: Any) -> None:
    batch = PrefetchBatch.objects.create(by="tester")
    PrefetchItem.objects.bulk_create(
        [PrefetchItem(batch=batch, url=f"http://{group}/{n}.jpg", group=group, **fields) for n in range(count)]
    )


def picture(origin: Origin, seed: int) -> str:
    return origin.picture(f"/{seed}.jpg", pictures.jpeg(60, 40, seed=seed))


class Sending:
    """A peer's client that stands still in the middle of a copy, and says what it was asked to do."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = asyncio.Event()

    async def push(self, peer: Peer, record: RemoteRecord, chunks: AsyncIterator[bytes], size: int) -> None:
        self.asked.append(f"copy {record.url}")
        await self.go_on.wait()
        async for _ in chunks:
            pass

    async def delete(self, peer: Peer, url: str) -> None:
        self.asked.append(f"delete {url}")


def cloner(engine: Engine, owner: Owner, client: Any = None) -> Cloner:
    return Cloner(engine.bases, engine.records, engine.peers, client, owner)


def claimed(engine: Engine) -> list[str]:
    """What this host's cloner finds to do."""
    owner = Owner()
    try:
        return [request.url for request in cloner(engine, owner)._claim()]
    finally:
        leases.release(CloneRequest, owner)
        owner.close()


def test_a_claim_that_was_lost_says_nothing_of_the_next_one_of_the_same_owner(engine: Engine) -> None:
    put_in("a.example", 1)
    owner = Owner()
    (first,) = leases.claim(PrefetchItem, owner, lambda group: 9, 9)
    PrefetchItem.objects.update(lease=time.time() - 1)
    assert leases.take_over(PrefetchItem) == 1
    (second,) = leases.claim(PrefetchItem, owner, lambda group: 9, 9)
    assert (first.pk, first.owner != second.owner) == (second.pk, True)
    assert leases.finish(PrefetchItem, [first]) == 0
    leases.bury(first, "too late")
    leases.again(first, 1000, "too late", counts=False)
    now = PrefetchItem.objects.get()
    assert (now.state, now.owner, now.reason, now.attempts) == ("running", second.owner, "", 2)
    leases.renew(PrefetchItem, owner, [second.pk])
    assert PrefetchItem.objects.get().lease > time.time() + leases.LEASE / 2
    assert leases.finish(PrefetchItem, [first, second]) == 1
    assert PrefetchItem.objects.get().state == "done"
    owner.close()


def test_what_is_deleted_as_it_is_being_sent_is_deleted_there_once_it_was_sent(here: Engine, origin: Origin) -> None:
    url = picture(origin, 1)
    loaded(here, url)

    async def work() -> tuple[CloneRequest, list[str]]:
        owner, client = Owner(), Sending()
        running = asyncio.ensure_future(cloner(here, owner, client).run())
        await until(lambda: client.asked == [f"copy {url}"])
        said = await threads.in_database(lambda: deleting.delete(parse_url(url)))
        assert said.peers == ["b"]
        meanwhile = await threads.in_database(CloneRequest.objects.get)
        await asyncio.sleep(0.3)
        assert client.asked == [f"copy {url}"], "the peer has nothing to delete yet"
        client.go_on.set()
        await until(lambda: len(client.asked) > 1)
        await asyncio.sleep(0.1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        owner.close()
        threads.close()
        return meanwhile, client.asked

    meanwhile, asked = asyncio.run(work())
    assert (meanwhile.task, meanwhile.state, meanwhile.owner) == ("delete", "waiting", "")
    assert meanwhile.due > time.time() + SENDING / 2
    assert asked == [f"copy {url}", f"delete {url}"]
    assert not CloneRequest.objects.exists()


def test_what_only_one_host_has_is_sent_by_no_other(
    caching: Engine, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = picture(origin, 2)
    loaded(caching, url)
    assert list(CloneRequest.objects.values_list("url", "holder")) == [(url, owners.this_cache())]
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(owners, "this_cache", lambda: "another.host")
        assert claimed(caching) == []
    assert claimed(caching) == [url]


def test_what_is_kept_is_sent_by_whoever_has_time(
    here: Engine, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = picture(origin, 3)
    loaded(here, url)
    assert CloneRequest.objects.get().holder == ""
    monkeypatch.setattr(owners, "this_cache", lambda: "another.host")
    assert claimed(here) == [url]


def test_what_only_one_host_has_is_sent_by_it_after_it_was_started_anew(
    caching: Engine, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cache is still what it was."""
    url = picture(origin, 4)
    loaded(caching, url)
    monkeypatch.setattr("mezzotint.host.boot_id", lambda: "01234567")
    assert claimed(caching) == [url]


@pytest.mark.parametrize("most", [0, 1, 7, 20, 1000])
def test_a_claim_gives_no_more_than_was_asked_for(engine: Engine, most: int) -> None:
    for number in range(6):
        put_in(f"{number}.example", 5)
    owner = Owner()
    jobs = leases.claim(PrefetchItem, owner, lambda group: 4, most)
    assert len(jobs) == len({job.pk for job in jobs}) == min(most, 24)
    assert PrefetchItem.objects.filter(state="running").count() == len(jobs)
    owner.close()


def test_groups_that_have_nothing_due_are_passed_over(engine: Engine) -> None:
    put_in("a.example", 3, due=time.time() + 1000)
    put_in("b.example", 2)
    put_in("c.example", 3, due=time.time() + 1000)
    put_in("d.example", 3, state="done")
    put_in("e.example", 1)
    put_in("e.example", 1, due=time.time() + 1000)
    owner, asked = Owner(), list[str]()

    def room(group: str) -> int:
        asked.append(group)
        return 10

    jobs = leases.claim(PrefetchItem, owner, room, 10)
    assert sorted(job.group for job in jobs) == ["b.example", "b.example", "e.example"]
    assert sorted(asked) == ["b.example", "e.example"]
    owner.close()
