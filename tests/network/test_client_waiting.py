"""Waiting for a turn: cancelled, given up, or behind others that hang; none of it costs anybody else theirs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from mezzotint.errors import OriginBusy, OriginTimedOut
from mezzotint.network.client import Client
from mezzotint.network.urls import parse_url
from tests.network.host import Host, dripping, infos, load, outcome, status
from tests.origin import Origin
from tests.waiting import HANGS, IN_TIME
from tests.waiting import until_async as until

BODY = b"\x89PNG and so on"


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin(hosts=("127.0.0.1", "127.0.1.1")) as started:
        started.picture("/a", BODY)
        yield started


def test_whoever_gets_no_turn_in_time_is_told_that_the_origin_is_busy(host: Host, origin: Origin) -> None:
    host.limit(all=1)
    origin.picture("/long", BODY, delay=0.6)

    async def work(client: Client) -> Exception | bytes:
        running = asyncio.ensure_future(load(client, origin.url("/long")))
        await until(lambda: origin.asked["/long"] == 1)
        told = await outcome(client, origin.url("/a"))
        assert (await running)[1] == BODY
        assert (await load(client, origin.url("/a")))[1] == BODY
        return told

    assert isinstance(host.run(work, patience=0.2), OriginBusy)
    assert origin.asked["/a"] == 1


def test_cancelled_waiting_costs_no_turn(host: Host, origin: Origin) -> None:
    host.limit(all=1)
    origin.picture("/long", BODY, delay=0.2)

    async def work(client: Client) -> None:
        running = asyncio.ensure_future(load(client, origin.url("/long")))
        await until(lambda: origin.asked["/long"] == 1)
        waiting = [asyncio.ensure_future(load(client, origin.url("/a"))) for _ in range(5)]
        for task in waiting:
            await asyncio.sleep(0.01)
            task.cancel()
        last = asyncio.ensure_future(load(client, origin.url("/a")))
        assert all(
            isinstance(told, asyncio.CancelledError) for told in await asyncio.gather(*waiting, return_exceptions=True)
        )
        assert (await running)[1] == (await last)[1] == BODY

    host.run(work, patience=2)
    assert (origin.asked["/a"], origin.most_connections["127.0.0.1"]) == (1, 1)


@pytest.mark.parametrize("steps", range(8))
def test_waiting_that_is_cancelled_as_a_turn_comes_free_is_cancelled(host: Host, origin: Origin, steps: int) -> None:
    """Two turns, of which another client has one: so the second download waits for either."""
    host.limit(all=2)

    async def work() -> None:
        async with host.client() as client, host.client() as other:
            async with other.get(parse_url(origin.url("/a")), {}):
                async with client.get(parse_url(origin.url("/a")), {}) as response:
                    waiting = asyncio.ensure_future(load(client, origin.url("/b")))
                    await asyncio.sleep(0.02)
                    assert [chunk async for chunk in response.chunks] == [BODY]
                for _ in range(steps):
                    await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            assert await outcome(client, origin.url("/a")) == BODY

    asyncio.run(work())


def test_a_cancelled_download_gives_its_turn_and_its_connection_back(host: Host, origin: Origin) -> None:
    host.limit(all=1)
    origin.answers["/drips"] = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x", 0.02)

    async def work(client: Client) -> None:
        for _ in range(3):
            running = asyncio.ensure_future(load(client, origin.url("/drips")))
            await until(lambda: origin.now["127.0.0.1"] == 1)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert (await load(client, origin.url("/a")))[1] == BODY
            await until(lambda: origin.now["127.0.0.1"] == 0)

    host.run(work, patience=1)
    assert origin.asked == {"/drips": 3, "/a": 3}


def test_a_turn_that_one_client_no_longer_uses_is_soon_anothers(host: Host, origin: Origin) -> None:
    host.limit(all=1)

    async def work() -> None:
        async with host.client() as idle, host.client(patience=1.5) as other:
            await load(idle, origin.url("/a"))
            await load(other, origin.url("/a"))
            await load(idle, origin.url("/a"))

    asyncio.run(work())
    assert origin.most_connections == {"127.0.0.1": 1}


def test_a_host_that_hangs_slows_down_no_other(host: Host, origin: Origin) -> None:
    origin.answers["/hangs"] = status(200, HANGS)

    async def work(client: Client) -> float:
        hanging = [asyncio.ensure_future(outcome(client, origin.url("/hangs"))) for _ in range(100)]
        await until(lambda: origin.asked["/hangs"] == 8)
        begun = time.monotonic()
        for _ in range(20):
            await load(client, origin.url("/a", "127.0.1.1"))
        took = time.monotonic() - begun
        assert origin.asked["/hangs"] == 8
        assert not any(one.done() for one in hanging)
        await ended(hanging)
        return took

    assert host.run(work, total=HANGS, patience=HANGS) < IN_TIME


def test_each_that_waits_behind_a_host_that_hangs_is_told_why(host: Host, origin: Origin) -> None:
    """Who had a turn ran out of time; who had none found the origin busy; each asked the origin once at most."""
    host.limit(all=2)
    origin.answers["/hangs"] = status(200, HANGS)

    async def work(client: Client) -> list[Exception | bytes]:
        return await asyncio.gather(*(outcome(client, origin.url("/hangs")) for _ in range(12)))

    told = host.run(work, total=1.0, patience=0.5)
    kinds = Counter(type(one) for one in told)
    assert set(kinds) == {OriginTimedOut, OriginBusy}
    assert kinds[OriginTimedOut] == 2 >= origin.asked["/hangs"]


async def ended(tasks: Sequence[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_a_name_server_that_hangs_slows_down_no_other_domain(host: Host, origin: Origin) -> None:
    hanging = threading.Event()
    resolving: list[str] = []

    def resolve(name: str, port: int) -> list[tuple[Any, ...]]:
        if name.startswith("hangs"):
            resolving.append(name)
            hanging.wait(HANGS)
        return infos(["127.0.0.1"], port)

    async def work(client: Client) -> float:
        tasks = [asyncio.ensure_future(outcome(client, f"http://hangs{number % 5}.test/")) for number in range(60)]
        await until(lambda: len(resolving) >= 4)
        begun = time.monotonic()
        told = await outcome(client, f"http://quick.test:{origin.port}/a")
        took = time.monotonic() - begun
        hanging.set()
        await ended(tasks)
        assert told == BODY
        return took

    try:
        assert host.run(work, total=HANGS, patience=HANGS, resolve=resolve) < IN_TIME
    finally:
        hanging.set()
