"""A download or a copy that fails: who is to blame decides whether it counts, and when it is tried again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mezzotint.errors import (
    MezzotintError,
    OriginBusy,
    OriginFailed,
    OriginLacks,
    StorageFull,
    StoreUnavailable,
)
from mezzotint.imagecloud import prefetching, threads
from mezzotint.imagecloud.cloning import LONGEST_PAUSE, Cloner
from mezzotint.imagecloud.loader import Loader
from mezzotint.imagecloud.models import CloneRequest, PrefetchItem
from mezzotint.names import Ident
from mezzotint.network.urls import Url
from mezzotint.repository.owners import Owner
from mezzotint.sources.peer_client import PeerRefused
from mezzotint.sources.peers import Peer
from mezzotint.sources.records import RemoteRecord
from mezzotint.wiring import Engine
from tests import pictures
from tests.imagecloud.loading import loaded, opened
from tests.imagecloud.nodes import befriend, key_of
from tests.origin import Origin
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)
URL = "http://127.0.0.1/a.jpg"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Engine]:
    befriend_with_b(tmp_path)
    with opened(tmp_path / "data") as engine:
        yield engine


def befriend_with_b(directory: Path) -> None:
    (directory / "data").mkdir(exist_ok=True)
    befriend(directory / "data", {"name": "b", "url": "http://127.0.0.1:9/b", "clone": True})


class Failing:
    """The way to origins and peers, where each thing that is asked fails so."""

    def __init__(self, error: Exception) -> None:
        self.error, self.asked = error, 0

    async def load(self, target: Url, *, ask_peers: bool = False) -> None:
        self._fail()

    async def push(self, peer: Peer, record: RemoteRecord, chunks: AsyncIterator[bytes], size: int) -> None:
        self._fail()

    def _fail(self) -> None:
        self.asked += 1
        raise self.error


class Standing:
    """A peer that stands still in the middle of a copy."""

    def __init__(self) -> None:
        self.begun, self.cancelled = asyncio.Event(), False

    async def push(self, peer: Peer, record: RemoteRecord, chunks: AsyncIterator[bytes], size: int) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def _run_until(worker: Any, found: Callable[[], Any]) -> None:
    running = asyncio.ensure_future(worker.run())
    try:
        async with asyncio.timeout(PATIENCE):
            while not await threads.in_database(found):
                assert not running.done(), running
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await threads.in_database(worker.stop)
        threads.close()


def tried(engine: Engine, error: Exception) -> PrefetchItem:
    """How a download stands after one attempt that failed so."""
    prefetching.enqueue([URL], "anna")
    owner, sources = Owner(), Failing(error)
    asyncio.run(
        _run_until(
            Loader(sources, engine.limits, owner),  # type: ignore[arg-type]
            lambda: PrefetchItem.objects.exclude(reason="").exists(),
        )
    )
    owner.close()
    assert sources.asked == 1
    return PrefetchItem.objects.get()


@pytest.mark.parametrize(
    ("error", "attempts", "pause"),
    [
        (OriginBusy("it wants a pause", 500), 0, 500),
        (StoreUnavailable("Swift is away"), 0, 30),
        (StorageFull("no space left"), 0, 30),
        (OriginFailed("it answered 500"), 1, 70),
        (MezzotintError("something else"), 1, 70),
    ],
    ids=["busy", "store away", "store full", "failed", "else"],
)
def test_a_download_that_fails_is_tried_again_and_counts_only_where_it_is_to_blame(
    here: Engine, error: MezzotintError, attempts: int, pause: float
) -> None:
    before = time.time()
    item = tried(here, error)
    assert (item.state, item.attempts, item.owner) == ("waiting", attempts, "")
    assert before + pause <= item.due <= time.time() + pause
    assert item.reason


def test_what_the_origin_lacks_is_not_tried_again(here: Engine) -> None:
    assert tried(here, OriginLacks(404)).state == "dead"


def test_a_defect_of_the_program_costs_one_download_and_is_told(here: Engine, caplog: pytest.LogCaptureFixture) -> None:
    item = tried(here, ZeroDivisionError("a defect"))
    assert (item.state, item.attempts) == ("waiting", 1)
    assert "ZeroDivisionError('a defect')" in item.reason
    assert f"a picture could not be loaded: {URL}" in caplog.messages


def sent(engine: Engine, client: Any, found: Callable[[], Any]) -> None:
    """A cloner works until this is so."""
    owner = Owner()
    cloner = Cloner(engine.bases, engine.records, engine.peers, client, owner)
    asyncio.run(_run_until(cloner, found))
    owner.close()


def _told() -> bool:
    return CloneRequest.objects.exclude(reason="").exists()


def _none_left() -> bool:
    return not CloneRequest.objects.exists()


def picture(engine: Engine, origin: Origin) -> str:
    """A picture that `b` is to be sent; its ident."""
    (ident,) = loaded(engine, origin.picture("/a.jpg", pictures.jpeg(60, 40, seed=1)))
    assert CloneRequest.objects.get().state == "waiting"
    return ident


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        (OriginFailed("b answered 500"), 1.6, 2.4),
        (OriginBusy("b wants a pause", 400), 400, 400),
        (ZeroDivisionError("a defect"), LONGEST_PAUSE, LONGEST_PAUSE),
    ],
    ids=["failed", "busy", "defect"],
)
def test_a_copy_that_fails_is_tried_again(
    here: Engine, origin: Origin, error: Exception, least: float, most: float
) -> None:
    picture(here, origin)
    before, client = time.time(), Failing(error)
    sent(here, client, _told)
    request = CloneRequest.objects.get()
    assert (request.state, request.attempts, client.asked) == ("waiting", 1, 1)
    assert before + least <= request.due <= time.time() + most
    assert request.reason


def test_a_copy_that_its_peer_refuses_is_not_tried_again(here: Engine, origin: Origin) -> None:
    picture(here, origin)
    sent(here, Failing(PeerRefused("b answered 403: no")), _told)
    request = CloneRequest.objects.get()
    assert (request.state, request.reason) == ("dead", "b answered 403: no")


def test_a_peer_that_is_a_peer_no_more_is_sent_nothing(here: Engine, origin: Origin, tmp_path: Path) -> None:
    picture(here, origin)
    befriend(tmp_path / "data")
    client = Failing(AssertionError("it was sent"))
    sent(here, client, _told)
    request = CloneRequest.objects.get()
    assert (request.state, request.reason, client.asked) == ("dead", "there is no such peer any more", 0)


def test_what_is_gone_is_not_sent(here: Engine, origin: Origin) -> None:
    picture(here, origin)
    here.records.delete(key_of(origin.url("/a.jpg")))
    client = Failing(AssertionError("it was sent"))
    sent(here, client, _none_left)
    assert client.asked == 0


def test_bytes_that_the_cache_has_lost_are_not_sent(tmp_path: Path, origin: Origin) -> None:
    befriend_with_b(tmp_path)
    with opened(tmp_path / "data", MEZZOTINT_FETCH_KEEP="kept.example") as engine:
        ident = picture(engine, origin)
        engine.bases.forget(Ident(ident))
        engine.cache.purge_file(ident)
        client = Failing(AssertionError("it was sent"))
        sent(engine, client, _none_left)
        assert client.asked == 0


def test_a_copy_under_way_is_broken_off_with_its_worker_and_does_not_count(here: Engine, origin: Origin) -> None:
    picture(here, origin)
    owner, client = Owner(), Standing()
    cloner = Cloner(here.bases, here.records, here.peers, client, owner)  # type: ignore[arg-type]
    asyncio.run(_run_until(cloner, client.begun.is_set))
    owner.close()
    request = CloneRequest.objects.get()
    assert client.cancelled
    assert (request.state, request.owner, request.attempts) == ("waiting", "", 0)
