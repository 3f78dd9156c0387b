"""`mezzotint serve` killed, but not its workers: they end too, and it may be started again."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests import pictures
from tests.backends.processes import children
from tests.imagecloud.nodes import again, stop_hard, until
from tests.servers import start_server


def lives(pid: int) -> bool:
    """And is no zombie, which waits for its new parent to take note."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_workers_end_with_who_has_begun_them(tmp_path: Path) -> None:
    killed = start_server(tmp_path / "data", MEZZOTINT_WORKERS="2")
    try:
        data = pictures.jpeg(60, 40)
        ident = killed.upload(data)
        assert until(lambda: len(children(killed.process.pid)) == 2)
        workers = children(killed.process.pid)
        os.kill(killed.process.pid, signal.SIGKILL)
        killed.process.wait(30)
        assert until(lambda: not any(map(lives, workers))), "they go on alone"
        server = again(killed)
        assert server.http.get(f"/images/{ident}").content == data
        server.stop()
    finally:
        killed.http.close()
        killed.writer.close()
        stop_hard(killed.process.pid)
