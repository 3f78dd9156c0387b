"""`mezzotint serve` killed, but not its workers: they end too, and it may be started again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests import pictures
from tests.imagecloud.nodes import again
from tests.servers import Server, start_server
from tests.waiting import PATIENCE, until


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Server]:
    server = start_server(tmp_path / "data", MEZZOTINT_WORKERS="2")
    assert until(lambda: len(server.workers()) == 2)
    yield server
    server.kill()


def lives(pid: int) -> bool:
    """And is no zombie, which waits for its new parent to take note."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def assert_all_end(server: Server) -> None:
    workers = server.workers()
    assert len(workers) == 2
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(PATIENCE)
    assert until(lambda: not any(map(lives, workers))), "they go on alone"


def test_workers_end_with_who_has_begun_them(killed: Server) -> None:
    data = pictures.jpeg(60, 40)
    ident = killed.upload(data)
    assert_all_end(killed)
    server = again(killed)
    assert server.http.get(f"/images/{ident}").content == data
    server.stop()


def test_one_that_only_comes_up_ends_too(killed: Server) -> None:
    before = killed.workers()
    os.kill(min(before), signal.SIGKILL)
    assert until(lambda: len(killed.workers() - before) == 1, pause=0.01)
    assert_all_end(killed)
