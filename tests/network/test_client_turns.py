"""Turns: from no domain more at once than its limit, counted at the origin, whoever asks and whatever goes wrong."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.network.client import Client
from mezzotint.network.limits import DomainLimits
from tests.network.host import Host, leading, load, outcome, resolving
from tests.origin import Asked, Origin
from tests.waiting import until_async as until

BODY = b"\x89PNG and so on"
LOOK_AGAIN = 1.1
"""seconds after which a changed file is seen"""


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin(hosts=("127.0.0.1", "127.0.1.1")) as started:
        started.picture("/a", BODY)
        started.picture("/slow", BODY, delay=0.05)
        yield started


async def many(client: Client, *urls: str) -> None:
    assert [await one for one in [asyncio.ensure_future(outcome(client, url)) for url in urls]] == [BODY] * len(urls)


def test_a_domain_has_as_many_downloads_as_its_limit_and_not_one_more(host: Host, origin: Origin) -> None:
    host.limit(**{"127_0_0_1": 3, "all": 5})
    urls = [origin.url("/slow")] * 12 + [origin.url("/slow", "127.0.1.1")] * 15
    host.run(lambda client: many(client, *urls))
    assert origin.most == {"127.0.0.1": 3, "127.0.1.1": 5}
    assert origin.most_connections == {"127.0.0.1": 3, "127.0.1.1": 5}


def test_without_a_file_the_limit_is_eight(host: Host, origin: Origin) -> None:
    host.run(lambda client: many(client, *[origin.url("/slow")] * 24))
    assert origin.most == {"127.0.0.1": 8}


def test_the_limit_is_that_of_all_processes_of_the_host_together(host: Host, origin: Origin) -> None:
    host.limit(all=3)
    work = lambda: host.run(lambda client: many(client, *[origin.url("/slow")] * 10))  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert origin.asked["/slow"] == 30
    assert origin.most == {"127.0.0.1": 3}
    assert origin.most_connections == {"127.0.0.1": 3}


def test_two_clients_of_one_loop_share_the_limit_and_both_come_to_their_turn(host: Host, origin: Origin) -> None:
    host.limit(all=1)

    async def work() -> None:
        async with host.client() as one, host.client() as other:
            await asyncio.gather(many(one, *[origin.url("/a")] * 3), many(other, *[origin.url("/a")] * 3))

    asyncio.run(work())
    assert origin.most_connections == {"127.0.0.1": 1}


@pytest.mark.parametrize("ending", ["reset", "close", "404", "500", "redirect", "too long"])
def test_downloads_that_fail_leave_no_connection_beyond_the_limit(host: Host, origin: Origin, ending: str) -> None:
    host.limit(all=2)

    async def answer(asked: Asked) -> None:
        await asyncio.sleep(0.01)
        if ending == "reset":
            asked.reset()
        elif ending == "close":
            asked.writer.close()
        elif ending == "too long":
            await asked.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Encoding: gzip\r\n\r\nabc")
        else:
            await asked.send(302 if ending == "redirect" else int(ending), b"x" * 100, location="/a")

    origin.answers["/fails"] = answer

    async def work(client: Client) -> None:
        await asyncio.gather(*(outcome(client, origin.url("/fails")) for _ in range(12)))

    host.run(work)
    assert origin.most["127.0.0.1"] <= 2
    assert origin.most_connections["127.0.0.1"] <= 2


def test_a_named_domain_counts_together_with_all_below_it(host: Host, origin: Origin) -> None:
    host.limit(example_test=2)
    resolve = resolving(**dict.fromkeys(["example_test", "a_example_test", "b_c_example_test"], "127.0.0.1"))
    names = ["example.test", "a.example.test", "b.c.example.test"]
    urls = [f"http://{name}:{origin.port}/slow" for name in names * 4]
    host.run(lambda client: many(client, *urls), resolve=resolve)
    assert origin.most == {"127.0.0.1": 2}
    assert origin.most_connections == {"127.0.0.1": 2}


def test_an_idle_connection_counts_for_the_domain_too(host: Host, origin: Origin) -> None:
    """One to `a.example.test` that is kept for the next download, and one to `b.example.test`, would be two."""
    host.limit(example_test=1)
    resolve = resolving(a_example_test="127.0.0.1", b_example_test="127.0.0.1")
    urls = [f"http://{name}.example.test:{origin.port}/a" for name in "abab"]

    async def one_by_one(client: Client) -> None:
        for url in urls:
            await load(client, url)

    host.run(one_by_one, resolve=resolve)
    assert origin.most_connections == {"127.0.0.1": 1}


def test_the_ports_of_a_host_that_is_named_count_together(host: Host, origin: Origin) -> None:
    host.limit(**{"127_0_0_1": 1})
    with Origin() as other:
        meanwhile: list[int] = []

        async def answer(asked: Asked) -> None:
            await asyncio.sleep(0.1)  # until the other origin has seen that its connection was closed
            meanwhile.append(origin.connections["127.0.0.1"])
            await asked.send(200, BODY)

        other.answers["/a"] = answer

        async def work(client: Client) -> None:
            await load(client, origin.url("/a"))
            await load(client, other.url("/a"))

        host.run(work)
    assert meanwhile == [0]


def test_a_redirect_waits_for_a_turn_where_it_leads(host: Host, origin: Origin) -> None:
    host.limit(**{"127_0_0_1": 1, "all": 8})
    origin.answers["/redirect"] = leading(origin.url("/slow"))
    urls = [origin.url("/redirect", "127.0.1.1")] * 6 + [origin.url("/redirect")] * 3
    host.run(lambda client: many(client, *urls))
    assert origin.most["127.0.0.1"] == 1
    assert origin.most_connections["127.0.0.1"] == 1


def test_a_limit_that_is_raised_lets_more_in(host: Host, origin: Origin) -> None:
    host.limit(all=1)
    origin.picture("/slow", BODY, delay=0.3)

    async def work(client: Client) -> None:
        await load(client, origin.url("/a"))
        host.limit(all=4)
        await asyncio.sleep(LOOK_AGAIN)
        await many(client, *[origin.url("/slow")] * 4)

    host.run(work)
    assert origin.most == {"127.0.0.1": 4}


def test_a_limit_that_is_lowered_holds_while_earlier_downloads_still_run(host: Host, origin: Origin) -> None:
    host.limit(all=3)
    origin.picture("/long", BODY, delay=1.4)
    origin.picture("/longer", BODY, delay=1.7)
    beside: list[int] = []

    async def answer(asked: Asked) -> None:
        beside.append(origin.now["127.0.0.1"])
        await asked.send(200, BODY)

    origin.answers["/short"] = answer

    async def work(client: Client) -> None:
        await load(client, origin.url("/a"))
        first = asyncio.ensure_future(load(client, origin.url("/long")))
        await until(lambda: origin.asked["/long"] == 1)
        second = asyncio.ensure_future(load(client, origin.url("/longer")))
        await until(lambda: origin.asked["/longer"] == 1)
        host.limit(all=1)
        await asyncio.sleep(LOOK_AGAIN)
        await asyncio.gather(first, second, load(client, origin.url("/short")), load(client, origin.url("/short")))

    host.run(work)
    assert beside == [1, 1]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"*": 0}', '{"*": 1.5}', '{"*": "8"}', '{"*": true}'])
def test_a_file_that_became_wrong_changes_nothing(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(1, 1000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(moments)))
    path = tmp_path / "limits.json"
    path.write_text('{"*": 2, "a.test": 3}')
    limits = DomainLimits(path)
    assert limits.of("b.a.test") == ("a.test", 3)
    path.write_text(text)
    assert (limits.of("b.a.test"), limits.of("test")) == (("a.test", 3), ("test", 2))
