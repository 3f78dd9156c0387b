"""One client that does what it can to hold the server, and another one that notices nothing of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests import http, pictures
from tests.servers import Server, start_server
from tests.waiting import IN_TIME

STUCK_BODIES, STUCK_HEADS, SLOW_READERS = 250, 150, 150
GROWTH = 100 << 20
"""bytes that all of them together may cost; the picture that they do not read has 150 times more"""


@pytest.fixture
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("attacked") / "data", MEZZOTINT_WORKERS="1")
    yield server
    server.stop()


def memory(server: Server) -> int:
    """Resident bytes of the worker."""
    [worker] = server.workers()
    with open(f"/proc/{worker}/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_hundreds_of_stuck_connections_hold_nobody(attacked: Server) -> None:
    ident = attacked.upload(pictures.jpeg(1800, 1200, seed=61, quality=98))
    large = f"/images/{ident}-1700x1133.png"
    hit = f"/images/{ident}-300x200.jpg"
    for path in (large, hit, hit):
        assert len(attacked.http.get(path).raise_for_status().content) > (1 << 20 if path == large else 0)
    before = memory(attacked)
    sent = [
        *[b"POST /api/images/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx"] * STUCK_BODIES,
        *[b"GET /images/x HTTP/1.1\r\nX-Slow: "] * STUCK_HEADS,
        *[f"GET {large} HTTP/1.1\r\nHost: x\r\n\r\n".encode()] * SLOW_READERS,
    ]
    with ExitStack() as stack, http.Client(base_url=attacked.url, timeout=IN_TIME) as victim:
        for request in sent:
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect(("127.0.0.1", attacked.port))
            one.sendall(request)
        for n in range(20):
            assert victim.get("/health").status_code == 200
            assert victim.get(hit).status_code == 200
            assert victim.get(f"/images/{ident}-{200 + n}x150.jpg").status_code == 200
            assert victim.get("/api/images/").status_code == 200
        assert memory(attacked) - before < GROWTH
