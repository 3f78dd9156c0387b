"""A store that hangs takes along only those who ask it for something."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests import pictures
from tests.backends.swift import SwiftCluster
from tests.servers import Server, start_server
from tests.waiting import HANGS, IN_TIME, until

COLD = 30
SIZES = (60, 70, 80)


@pytest.fixture
def hung(breakable_swift: SwiftCluster, tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """One worker whose store has stopped answering, some pictures asked for that it would have to have from there, and
    one that is on its disk."""
    variables = breakable_swift.environment() | {
        "MEZZOTINT_STORE": f"swift://{breakable_swift.new_container()}",
        "MEZZOTINT_STORE_TIMEOUT": str(int(HANGS)),
        "MEZZOTINT_STORE_CONNECTIONS": "4",
        "MEZZOTINT_WORKERS": "1",
    }
    server = start_server(tmp_path / "data", **variables)
    try:
        ident = server.upload(pictures.jpeg(300, 200, seed=41))
        for path in (f"{ident}", *(f"{ident}-w{width}.jpg" for width in SIZES)):
            assert server.http.get(f"/images/{path}").status_code == 200
        breakable_swift.pause()
        with ThreadPoolExecutor(COLD) as threads:
            begun = threading.Barrier(COLD + 1)

            def cold(number: int) -> int:
                begun.wait()
                try:
                    return httpx.get(f"{server.url}/images/{number:064x}-w50.jpg", timeout=HANGS).status_code
                except httpx.HTTPError:
                    return 0

            asked = [threads.submit(cold, number) for number in range(COLD)]
            begun.wait()
            time.sleep(0.5)  # they are on their way; none is answered
            yield server, ident
            breakable_swift.resume()
            assert {one.result() for one in asked} <= {404, 503, 0}
    finally:
        breakable_swift.resume()
        server.stop()


def test_what_is_on_this_host_is_given_while_the_store_hangs(hung: tuple[Server, str]) -> None:
    server, ident = hung
    begun = time.monotonic()
    for path in (
        "/health",
        "/metrics",
        "/cache-status",
        "/api/status/",
        "/api/images/",
        "/",
        f"/images/{ident}",
        f"/images/{ident}-w60.jpg",
        f"/images/{ident}-fit70x70.jpg",
        f"/images/{ident}-w90.jpg",
    ):
        assert server.http.get(path).status_code == 200, path
    assert server.http.get("/api/status/").json()["durable"] is None
    assert time.monotonic() - begun < IN_TIME


def test_who_is_one_too_many_is_told_so_at_once(hung: tuple[Server, str]) -> None:
    server, _ = hung
    numbers = itertools.count(COLD)

    def refusal() -> httpx.Response | None:
        """A machine that is busy has not got the others' requests yet."""
        with suppress(httpx.TimeoutException):
            return httpx.get(f"{server.url}/images/{next(numbers):064x}-w50.jpg", timeout=1)
        return None

    refused = until(refusal)
    assert refused is not None
    assert (refused.status_code, "object store" in refused.json()["detail"]) == (503, True)
    assert int(refused.headers["retry-after"]) > 0
