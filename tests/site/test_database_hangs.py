"""A database that takes connections and does not answer: what needs it is told so, and nothing else waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests import pictures
from tests.backends.postgresql import PostgreSQL
from tests.backends.relay import Relay
from tests.servers import Server, start_server
from tests.waiting import IN_TIME, PATIENCE

CROWD = 60


@pytest.fixture
def hanging(postgresql: PostgreSQL, tmp_path: Path) -> Iterator[tuple[Server, str, Relay]]:
    address = postgresql.new_database()
    port = urlsplit(address).port
    assert port is not None
    with Relay(port) as relay:
        url = address.replace(f":{port}/", f":{relay.port}/")
        server = start_server(tmp_path / "data", DATABASE_URL=url, MEZZOTINT_WORKERS="1")
        try:
            ident = server.upload(pictures.jpeg(200, 100, seed=42))
            assert server.http.get(f"/images/{ident}-w40.jpg").status_code == 200
            relay.black()
            yield server, ident, relay
        finally:
            relay.clear()
            server.stop()


def test_pictures_go_on_and_the_rest_is_told_in_time(hanging: tuple[Server, str, Relay]) -> None:
    server, ident, relay = hanging
    begun = threading.Barrier(CROWD + 1)

    def browse(number: int) -> httpx.Response:
        begun.wait()
        return httpx.get(f"{server.url}/api/images/", timeout=PATIENCE)

    with ThreadPoolExecutor(CROWD) as threads:
        asked = [threads.submit(browse, number) for number in range(CROWD)]
        begun.wait()
        time.sleep(0.5)  # they are on their way
        started = time.monotonic()
        for path in (f"/images/{ident}-w40.jpg", f"/images/{ident}-w50.jpg", f"/images/{ident}", "/health", "/metrics"):
            assert server.http.get(path).status_code == 200, path
        refused = server.http.get("/api/images/")
        assert refused.status_code == 503
        for path in ("/api/status/", "/ready"):
            assert server.http.get(path).status_code == 503, path
        assert time.monotonic() - started < IN_TIME
        relay.clear()
        told = [refused, *(one.result() for one in asked)]
    assert {one.status_code for one in told} <= {200, 503}
    assert any("requests are going on" in one.text for one in told), "there are more than may go on"
    assert server.http.get("/api/status/").status_code == 200
