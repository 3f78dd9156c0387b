"""`mezzotint serve` refuses what it cannot serve, and begins anew where its workers have died, but not for ever."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mezzotint.cli import serving
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


class Ending:
    """A server that ends in one way each time it is begun; the last way again and again."""

    def __init__(self, *ways: BaseException | None, interrupted: bool = False) -> None:
        self._ways, self.begun, self.interrupt_signal = ways, 0, interrupted

    def serve(self) -> None:
        way = self._ways[min(self.begun, len(self._ways) - 1)]
        self.begun += 1
        if way is not None:
            raise way


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.read({"MEZZOTINT_DATA": str(tmp_path / "data")})


def served(monkeypatch: pytest.MonkeyPatch, settings: Settings, server: Any) -> None:
    monkeypatch.setattr(serving, "_server", lambda *given: server)
    serving._serve(settings, "127.0.0.1", lasting_port())


def test_workers_that_died_are_begun_anew(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Ending(SystemExit(1), SystemExit(1), None)
    served(monkeypatch, settings, server)
    assert server.begun == 3
    assert capsys.readouterr().err.count("all are started anew") == 2


def test_workers_that_die_at_once_again_and_again_end_it(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Ending(SystemExit(1))
    with pytest.raises(SystemExit):
        served(monkeypatch, settings, server)
    assert server.begun == 4
    assert capsys.readouterr().err.count("all are started anew") == 3


def test_ctrl_c_that_a_worker_hears_first_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Ending(SystemExit(1), interrupted=True)
    served(monkeypatch, settings, server)
    assert (server.begun, capsys.readouterr().err) == (1, "")


def test_a_server_that_cannot_begin_says_why(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    with pytest.raises(RuntimeError, match="no more threads"):
        served(monkeypatch, settings, Ending(RuntimeError("no more threads")))


def test_any_asgi_server_serves_it(tmp_path: Path) -> None:
    """`mezzotint.site.asgi:Site`, with its own beginning and end."""
    data, port, log = tmp_path / "data", lasting_port(), tmp_path / "log"
    assert run(data, "commits").returncode == 0
    variables = environment(data, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    program = str(Path(sys.executable).with_name("granian"))
    command = [program, "--interface", "asgi", "--factory", "--port", str(port), "mezzotint.site.asgi:Site"]
    with open(log, "ab") as output:
        process = subprocess.Popen(command, env=variables, cwd=tmp_path, stdout=output, stderr=output)
    try:
        until(lambda: process.poll() is not None or answers(f"http://127.0.0.1:{port}"))
        server = Server(data, port, process, log, Settings.read(variables))
        ident = server.upload(pictures.png(seed=2), title="Kallitype")
        assert server.http.get(f"/images/{ident}-20x15.png").status_code == 200
        asked = server.writer.post("/api/snapshots/").headers["location"]
        assert until(lambda: server.http.get(asked).json()["state"] == "done"), "what goes on beside requests does so"
        server.stop()
    finally:
        process.kill()
        process.wait(PATIENCE)
    assert (process.returncode, "Traceback" in log.read_text()) == (0, False), log.read_text()


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
    second = serve(first.data)
    assert figure(second, "mezzotint_render_seconds_count") == 0
    assert figure(first, "mezzotint_render_seconds_count") == before
    [of_second] = figures() - {of_first}
    second.process.kill()
    second.stop()
    until(lambda: has_ended(of_second))
    assert not has_ended(of_first)
    serve(first.data)
    assert len(figures()) == 2 and of_first in figures() and of_second not in figures(), "of the dead nothing is left"
    assert figure(first, "mezzotint_render_seconds_count") == before
