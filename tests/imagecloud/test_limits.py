"""How many downloads at once an origin sees, over all the processes of a host."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import pictures
from tests.conftest import PROGRAM, Server, environment
from tests.imagecloud.nodes import OPEN, batch, finished, image, limit, standing, stop_hard
from tests.origin import Asked, Origin
from tests.waiting import HANGS, IN_TIME, PATIENCE, until

HOSTS = ("127.0.0.1", "127.0.1.1", "127.0.2.1")
HANGING = ("127.0.8.1", "127.0.9.1")
LIMIT = 3


@pytest.fixture
def origin() -> Iterator[Origin]:
    """Every path is another picture, and takes a while; some hosts never answer."""

    async def give(asked: Asked) -> None:
        await asyncio.sleep(HANGS if asked.host in HANGING else 0.1)
        number = int(asked.path.strip("/").partition(".")[0])
        await asked.send(200, pictures.jpeg(32, 24, seed=number), content_type="image/jpeg")

    with Origin(hosts=HOSTS + HANGING, default=give) as started:
        yield started


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[[Server], None]]:
    """Start a `mezzotint work` beside a server."""
    started: list[subprocess.Popen[bytes]] = []

    def start(server: Server) -> None:
        with open(tmp_path / "work.log", "wb") as log:
            started.append(
                subprocess.Popen(
                    [PROGRAM, "work"],
                    env=environment(server.data, **OPEN),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        until(lambda: b"working" in (tmp_path / "work.log").read_bytes())

    yield start
    for one in started:
        stop_hard(one.pid)
        one.wait(PATIENCE)


def test_never_one_connection_more_with_four_processes_and_a_worker(
    serve: Callable[..., Server], worker: Callable[[Server], None], origin: Origin, tmp_path: Path
) -> None:
    limit(tmp_path / "data", all=LIMIT)
    server = serve(**OPEN, MEZZOTINT_WORKERS="4")
    worker(server)
    numbers = itertools.count()

    def some(count: int) -> list[str]:
        return [origin.url(f"/{number}.jpg", HOSTS[number % 3]) for number in itertools.islice(numbers, count)]

    accepted = batch(server.writer, some(150))
    with ThreadPoolExecutor(24) as clients:
        answers = list(clients.map(lambda url: image(server.writer, url).status_code, some(120)))
    assert answers == [200] * 120
    assert finished(server.writer, accepted)["counts"]["done"] == 150
    assert {host: origin.most[host] for host in HOSTS} == dict.fromkeys(HOSTS, LIMIT), "all of what is allowed is used"
    assert max(origin.most_connections[host] for host in HOSTS) == LIMIT
    assert sum(origin.asked.values()) == 270


def test_a_limit_is_read_again_when_it_changes(serve: Callable[..., Server], origin: Origin, tmp_path: Path) -> None:
    limit(tmp_path / "data", all=1)
    server = serve(**OPEN)
    url = [origin.url(f"/{number}.jpg") for number in range(60)]
    assert finished(server.writer, batch(server.writer, url[:10]))["finished"]
    assert origin.most["127.0.0.1"] == 1
    limit(tmp_path / "data", all=5)
    batch(server.writer, url[10:])
    assert until(lambda: origin.most["127.0.0.1"] == 5)
    assert finished(server.writer, batch(server.writer, url))["finished"]
    assert origin.most["127.0.0.1"] == 5


def test_hosts_that_hang_slow_down_no_other_and_nothing_that_is_here(
    serve: Callable[..., Server], origin: Origin, tmp_path: Path
) -> None:
    limit(tmp_path / "data", all=LIMIT)
    server = serve(**OPEN, MEZZOTINT_FETCH_TIMEOUT="600s")
    here = origin.url("/900.jpg")
    image(server.writer, here).raise_for_status()
    hanging = [origin.url(f"/{1000 + number}.jpg", HANGING[number % 2]) for number in range(200)]
    sound = [origin.url(f"/{number}.jpg", HOSTS[number % 3]) for number in range(90)]
    stuck = batch(server.writer, hanging)
    assert until(lambda: all(origin.now[host] == LIMIT for host in HANGING)), "they have all turns that they may have"
    accepted = batch(server.writer, sound)
    assert image(server.writer, origin.url("/901.jpg", HOSTS[1])).elapsed.total_seconds() < IN_TIME
    assert finished(server.writer, accepted)["counts"]["done"] == 90
    assert image(server.http, here).elapsed.total_seconds() < IN_TIME
    assert all(origin.now[host] == LIMIT for host in HANGING), "they hang all the while"
    assert standing(server.writer, stuck)["counts"]["done"] == 0
    assert {host: origin.most[host] for host in HANGING} == dict.fromkeys(HANGING, LIMIT)
