"""Nodes and workers that are killed in the middle of it: everything arrives, and the origin hardly notices."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests import pictures
from tests.conftest import PROGRAM, Server, environment
from tests.imagecloud.nodes import OPEN, again, batch, befriend, finished, key_of, limit, named, stop_hard
from tests.origin import Asked, Origin
from tests.servers import rows
from tests.waiting import PATIENCE, until

HOSTS = ("127.0.0.1", "127.0.1.1", "127.0.2.1", "127.0.3.1")
MOST_IN_FLIGHT = 2 * len(HOSTS) + 16
"""two downloads a host, and what is just being stored"""


@pytest.fixture
def origin() -> Iterator[Origin]:
    """Every path is another picture, and takes a while."""

    async def give(asked: Asked) -> None:
        await asyncio.sleep(0.05)
        number = int(asked.path.strip("/").partition(".")[0])
        await asked.send(200, pictures.jpeg(32, 24, seed=number), content_type="image/jpeg")

    with Origin(hosts=HOSTS, default=give) as started:
        yield started


def urls_of(origin: Origin, count: int) -> list[str]:
    return [origin.url(f"/{number}.jpg", HOSTS[number % len(HOSTS)]) for number in range(count)]


def stored(data: Path) -> set[str]:
    """The keys of the URLs that a node has loaded."""
    return {path.stem for path in (data / "store" / "remote").rglob("*.json")}


def in_flight(origin: Origin, data: Path, urls: list[str]) -> set[str]:
    """Paths that the origin was asked for, and that the node has nothing of."""
    origin.settle()
    asked, there = set(origin.asked), stored(data)
    return {path for url in urls if (path := urlsplit(url).path) in asked and key_of(url) not in there}


def asked_twice(origin: Origin) -> dict[str, int]:
    return {path: count for path, count in origin.asked.items() if count > 1}


def count(server: Server, table: str, where: str = "1 = 1") -> int:
    return int(rows(server.data, f"SELECT COUNT(*) FROM imagecloud_{table} WHERE {where}")[0][0])


def test_a_node_that_is_killed_loads_and_sends_the_rest_when_it_is_back(
    tmp_path: Path, serve: Callable[..., Server], origin: Origin
) -> None:
    urls = urls_of(origin, 400)
    limit(tmp_path / "a", all=2)
    a, b = serve(tmp_path / "a", **OPEN), serve(tmp_path / "b", **OPEN)
    befriend(a.data, named(b, "b", clone=True))
    os.killpg(b.process.pid, signal.SIGSTOP)  # it takes connections, and says nothing
    try:
        accepted = batch(a.writer, urls)
        assert accepted["queued"] == 400
        assert until(lambda: len(origin.asked) >= 120 and count(a, "clonerequest") >= 20, 0.01)
        a.kill()
        flying = in_flight(origin, a.data, urls)
        loaded = len(stored(a.data))
        assert 0 < loaded < 390, "it was killed in the middle of it"
        assert len(flying) <= MOST_IN_FLIGHT, sorted(flying)
    finally:
        os.killpg(b.process.pid, signal.SIGCONT)
    a = again(a)
    try:
        stand = finished(a.writer, accepted)
        assert stand["counts"] == {"waiting": 0, "running": 0, "done": 400, "dead": 0}
        assert stored(a.data) == {key_of(url) for url in urls}
        twice = asked_twice(origin)
        assert twice.keys() <= flying, "what was loaded before the kill is not loaded again"
        assert max(twice.values(), default=2) == 2
        assert until(lambda: stored(b.data) == stored(a.data))
        assert until(lambda: count(a, "clonerequest", "state = 'done'") == 400), count(a, "clonerequest")
        assert until(lambda: count(b, "remoteimage", "via = 'clone'") == 400)
        assert until(lambda: count(a, "remoteimage", "kept") == 400), "and the database knows of all of them"
        assert asked_twice(origin) == twice, "the peer asked nobody"
    finally:
        a.stop()


def test_a_list_that_was_accepted_outlives_a_kill_at_once(serve: Callable[..., Server], origin: Origin) -> None:
    a = serve(**OPEN)
    urls = urls_of(origin, 40)
    accepted = batch(a.writer, urls)
    a.kill()
    flying = in_flight(origin, a.data, urls)
    a = again(a)
    try:
        assert finished(a.writer, accepted)["counts"]["done"] == 40
        assert asked_twice(origin).keys() <= flying
    finally:
        a.stop()


def owners(server: Server) -> set[str]:
    return {name for (name,) in rows(server.data, "SELECT owner FROM imagecloud_prefetchitem WHERE state = 'running'")}


def test_what_a_killed_worker_had_is_done_by_the_others(serve: Callable[..., Server], origin: Origin) -> None:
    a = serve(**OPEN)
    limit(a.data, all=1)
    urls = urls_of(origin, 240)
    with open(a.data.parent / "work.log", "wb") as log:
        worker = subprocess.Popen(
            [PROGRAM, "work"], env=environment(a.data, **OPEN), stdout=log, stderr=log, start_new_session=True
        )
    try:
        until(lambda: b"working" in (a.data.parent / "work.log").read_bytes())
        accepted = batch(a.writer, urls)
        assert until(lambda: len(owners(a)) == 2, 0.02), "both work on it"
        os.killpg(a.process.pid, signal.SIGSTOP)  # or it has done over again, when one looks, what was under way
        try:
            stop_hard(worker.pid)
            worker.wait(PATIENCE)
            flying = in_flight(origin, a.data, urls)
        finally:
            os.killpg(a.process.pid, signal.SIGCONT)
        assert finished(a.writer, accepted)["counts"] == {"waiting": 0, "running": 0, "done": 240, "dead": 0}
        assert asked_twice(origin).keys() <= flying
        assert len(flying) <= MOST_IN_FLIGHT, sorted(flying)
        assert set(origin.asked) == {urlsplit(url).path for url in urls}
    finally:
        stop_hard(worker.pid)
        worker.wait(PATIENCE)
