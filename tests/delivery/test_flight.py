"""Many clients at once, and what goes wrong under them."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import httpx
import pytest

from tests import http, pictures
from tests.conftest import Server, figure
from tests.servers import rm_rf
from tests.waiting import PATIENCE, until

# Some seconds of encoding, whatever the machine.
SLOW = "-3200x2399.avif"


@cache
def large() -> bytes:
    return pictures.jpeg(3200, 2400, seed=150)


@pytest.fixture
def clients() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(110) as threads:
        yield threads


def ask(server: Server, name: str) -> httpx.Response:
    """As a client of its own, with a connection of its own."""
    return http.get(f"{server.url}/images/{name}", timeout=PATIENCE)


def ask_again(server: Server, name: str) -> httpx.Response:
    """As a client that asks once more when its connection breaks."""
    for _ in range(20):
        try:
            answer = ask(server, name)
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if answer.status_code < 500:
            return answer
    raise AssertionError(f"nobody answered for {name}")


def until_rendering(server: Server) -> None:
    until(lambda: figure(server, "mezzotint_render_queue") >= 1)


def busiest(pids: set[int]) -> int:
    """The one that is using the processor now."""

    def used(pid: int) -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = {pid: used(pid) for pid in pids}
    until(lambda: max(used(pid) - before[pid] for pid in pids) >= 10)
    return max(pids, key=lambda pid: used(pid) - before[pid])


def served(answers: list[httpx.Response]) -> bytes:
    """Everyone got the same picture; returns it."""
    assert {answer.status_code for answer in answers} == {200}
    (picture,) = {answer.content for answer in answers}
    pictures.opened(picture)
    return picture


def test_a_hundred_clients_of_two_processes_cost_one_decode(
    serve: Callable[..., Server], clients: ThreadPoolExecutor
) -> None:
    server = serve(MEZZOTINT_WORKERS="2")
    ident = server.upload(large())
    assert len(server.workers()) == 2
    before = figure(server, "mezzotint_base_decodes_total")
    served(list(clients.map(lambda _: ask(server, f"{ident}-500x375.jpg"), range(100))))
    assert figure(server, "mezzotint_base_decodes_total") - before == 1


def test_a_worker_that_is_killed_at_work_strands_nobody(
    serve: Callable[..., Server], clients: ThreadPoolExecutor
) -> None:
    server = serve(MEZZOTINT_WORKERS="2")
    ident = server.upload(large())
    waiting = [clients.submit(ask_again, server, f"{ident}{SLOW}") for _ in range(12)]
    until_rendering(server)
    os.kill(busiest(server.workers()), signal.SIGKILL)
    assert not any(client.done() for client in waiting)
    served([client.result() for client in waiting])
    until(lambda: len(server.workers()) == 2)
    served([ask(server, f"{ident}{SLOW}") for _ in range(4)])


def test_a_full_queue_is_told_and_costs_nobody_else(serve: Callable[..., Server], clients: ThreadPoolExecutor) -> None:
    server = serve(MEZZOTINT_RENDER_QUEUE="1")
    ident = server.upload(large())
    small = ask(server, f"{ident}-100x75.jpg")
    first: Future[httpx.Response] = clients.submit(ask, server, f"{ident}{SLOW}")
    until_rendering(server)
    refused = ask(server, f"{ident}-120x90.jpg")
    cached, base = ask(server, f"{ident}-100x75.jpg"), ask(server, ident)
    joined: Future[httpx.Response] = clients.submit(ask, server, f"{ident}{SLOW}")
    assert not first.done()
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["cache-control"] == "no-store"
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["status"] == 503
    assert (cached.content, base.content) == (small.content, large())
    served([first.result(), joined.result()])
    assert ask(server, f"{ident}-120x90.jpg").status_code == 200


def test_a_client_that_goes_away_strands_nobody(serve: Callable[..., Server], clients: ThreadPoolExecutor) -> None:
    server = serve()
    ident = server.upload(large())
    before = figure(server, "mezzotint_base_decodes_total")
    with socket.create_connection(("127.0.0.1", server.port)) as gone:
        gone.sendall(f"GET /images/{ident}{SLOW} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        until_rendering(server)
        staying = [clients.submit(ask, server, f"{ident}{SLOW}") for _ in range(3)]
        time.sleep(0.2)
        assert not any(client.done() for client in staying)
    served([client.result() for client in staying])
    assert figure(server, "mezzotint_base_decodes_total") - before == 1


def test_renders_that_nobody_waits_for_are_given_up(serve: Callable[..., Server], clients: ThreadPoolExecutor) -> None:
    server = serve(MEZZOTINT_WORKERS="1")  # which shows at once what it does
    ident = server.upload(large())
    served([ask(server, f"{ident}-w1600.png")])  # the levels are there
    renders = figure(server, "mezzotint_render_seconds_count")
    atonce = server.settings.render_threads
    busy = [clients.submit(ask, server, f"{ident}-{3000 + n}x2000.avif") for n in range(atonce)]
    until(lambda: figure(server, "mezzotint_render_queue") == atonce)
    with ExitStack() as stack:
        for n in range(10):
            gone = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            gone.sendall(f"GET /images/{ident}-{2000 + n}x1500.png HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        until(lambda: figure(server, "mezzotint_render_queue") == atonce + 10)
    assert [client.result().status_code for client in busy] == [200] * atonce
    until(lambda: figure(server, "mezzotint_render_queue") == 0)
    assert figure(server, "mezzotint_render_seconds_count") == renders + atonce
    served([ask(server, f"{ident}-2000x1500.png")])


@pytest.mark.parametrize("memory", ["0", "64M"])
def test_cached_files_that_vanish_are_made_again(serve: Callable[..., Server], memory: str) -> None:
    server = serve(MEZZOTINT_MEMORY_CACHE=memory)
    ident = server.upload(pictures.jpeg(1200, 900, seed=151))
    names = [f"{ident}{suffix}" for suffix in ("-300x225.jpg", "-fit100x100.png", "-w200.webp")]
    before = [ask(server, name) for name in names]
    rm_rf(server.settings.cache / "native")
    after = [ask(server, name) for name in names]
    assert [one.content for one in after] == [one.content for one in before]
    assert ask(server, f"{ident}-310x233.jpg").status_code == 200
    assert all(ask(server, name).status_code == 200 for name in names)


@pytest.mark.parametrize("fault", ["truncated", "emptied"])
def test_a_cached_file_that_is_not_whole_is_not_served(serve: Callable[..., Server], fault: str) -> None:
    server = serve(MEZZOTINT_MEMORY_CACHE="0")
    ident = server.upload(pictures.jpeg(600, 400, seed=152))
    good = ask(server, f"{ident}-300x200.jpg").content
    (file,) = (server.settings.cache / "native").rglob(f"{ident}-300x200.jpg")
    os.truncate(file, len(good) // 2 if fault == "truncated" else 0)
    assert ask(server, f"{ident}-300x200.jpg").content == good
    assert file.read_bytes() == good


def test_a_base_that_is_gone_is_not_found_and_no_error(serve: Callable[..., Server]) -> None:
    server = serve()
    ident = server.upload(pictures.jpeg(600, 400, seed=153))
    for file in (server.data / "store").rglob(ident):
        file.unlink()
    assert ask(server, ident).status_code == 404
    assert ask(server, f"{ident}-300x200.jpg").status_code == 404
