"""`mezzotint serve` refuses what it cannot serve, and begins anew where its workers have died, but not for ever."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mezzotint.host import HostLocks
from mezzotint.settings import Settings
from tests import pictures
from tests.backends.processes import lasting_port
from tests.conftest import Server, environment, figure, run
from tests.servers import answers
from tests.waiting import PATIENCE, until


@pytest.mark.parametrize("store", ["memory:", "memory://"])
def test_a_store_in_memory_is_for_one_process(tmp_path: Path, store: str) -> None:
    bind = f"127.0.0.1:{lasting_port()}"
    done = run(tmp_path / "data", "serve", MEZZOTINT_STORE=store, MEZZOTINT_BIND=bind)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "MEZZOTINT_STORE: cannot be memory" in done.stderr
    assert not (tmp_path / "data" / "mezzotint.sqlite3").exists()


def test_any_asgi_server_serves_it(tmp_path: Path) -> None:
    """`mezzotint.site.asgi:Site`, with its own beginning and end."""
    data, port, log = tmp_path / "data", lasting_port(), tmp_path / "log"
    assert run(data, "commits").returncode == 0
    variables = environment(data, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    program = str(Path(sys.executable).with_name("uvicorn"))
    command = [program, "--factory", "--port", str(port), "mezzotint.site.asgi:Site"]
    with open(log, "ab") as output:
        process = subprocess.Popen(command, env=variables, cwd=tmp_path, stdout=output, stderr=output)
    try:
        until(lambda: process.poll() is not None or answers(f"http://127.0.0.1:{port}"))
        server = Server(data, port, process, log, Settings.read(variables))
        ident = server.upload(pictures.png(seed=2), title="Kallitype")
        assert server.http.get(f"/images/{ident}-20x15.png").status_code == 200
        asked = server.writer.post("/api/snapshots/").headers["location"]
        assert until(lambda: server.writer.get(asked).json()["state"] == "done"), "what goes on beside requests does so"
        server.stop()
    finally:
        process.kill()
        process.wait(PATIENCE)
    assert process.returncode in {0, -signal.SIGTERM} and "Traceback" not in log.read_text(), log.read_text()


def test_two_servers_of_one_directory_keep_their_figures_apart(serve: Callable[..., Server]) -> None:
    first = serve()
    ident = first.upload(pictures.png(seed=3))
    first.http.get(f"/images/{ident}-20x15.png").raise_for_status()
    before = figure(first, "mezzotint_render_seconds_count")
    assert before

    def figures() -> set[str]:
        return {path.name for path in (first.data / "metrics").iterdir()}

    def has_ended(name: str) -> bool:
        with HostLocks(first.data / "host" / "locks").attempt(f"metrics:{name}") as free:
            return free

    [of_first] = figures()
    second = serve(first.data, MEZZOTINT_SHARE_DATA="true")
    assert figure(second, "mezzotint_render_seconds_count") == 0
    assert figure(first, "mezzotint_render_seconds_count") == before
    [of_second] = figures() - {of_first}
    second.process.kill()
    second.stop()
    until(lambda: has_ended(of_second))
    assert not has_ended(of_first)
    serve(first.data, MEZZOTINT_SHARE_DATA="true")
    assert len(figures()) == 2 and of_first in figures() and of_second not in figures(), "of the dead nothing is left"
    assert figure(first, "mezzotint_render_seconds_count") == before
