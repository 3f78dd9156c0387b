"""What all tests share: a data directory of their own, an engine on it, a real server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_DATA = Path(tempfile.mkdtemp(prefix="mezzotint-tests-"))
for _name in [name for name in os.environ if name.startswith(("MEZZOTINT_", "DJANGO_", "DATABASE_", "REDIS_"))]:
    del os.environ[_name]
os.environ["MEZZOTINT_DATA"] = str(_DATA)
os.environ["MEZZOTINT_WORKERS"] = "1"
os.environ["DJANGO_SETTINGS_MODULE"] = "mezzotint.site.settings"

import httpx
import pytest
from hypothesis import HealthCheck, settings

from mezzotint import tokens, wiring
from mezzotint.settings import Settings
from mezzotint.wiring import Engine

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")

PROGRAM = Path(sys.executable).with_name("mezzotint")


def pytest_sessionfinish() -> None:
    wiring.close_engine()
    shutil.rmtree(_DATA, ignore_errors=True)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on an empty directory, which is this process's engine meanwhile."""
    with engine_on(tmp_path / "data") as opened:
        yield opened


@contextmanager
def engine_on(data: Path, **variables: str) -> Iterator[Engine]:
    """`with engine_on(data, MEZZOTINT_...=...) as engine`: this process's engine meanwhile."""
    chosen = Settings.read({"MEZZOTINT_DATA": str(data), "MEZZOTINT_WORKERS": "1"} | variables)
    opened = wiring.open_engine(chosen)
    before, wiring._engine = wiring._engine, opened
    try:
        yield opened
    finally:
        wiring._engine = before
        opened.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(data: Path, **more: str) -> dict[str, str]:
    """What a `mezzotint` of its own is started with."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MEZZOTINT_", "DJANGO_"))}
    return kept | {"MEZZOTINT_DATA": str(data), "MEZZOTINT_WORKERS": "1"} | more


def run(data: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `mezzotint` and wait for it."""
    return subprocess.run(
        [PROGRAM, *arguments],
        env=environment(data, **more),
        cwd=data.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )


@dataclass
class Server:
    """A `mezzotint serve` of its own. `http` has its address; `writer` a token of scope write."""

    data: Path
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    settings: Settings
    http: httpx.Client = field(init=False)
    writer: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=60)
        self.writer = self.client(tokens.Scope.WRITE)

    def client(self, scope: tokens.Scope) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.token(scope)}"}
        return httpx.Client(base_url=self.url, timeout=60, headers=headers)

    def token(self, scope: tokens.Scope) -> str:
        return tokens.issue(self.settings.secret_key, scope, days=1)

    def upload(self, data: bytes, **fields: str) -> str:
        """One-shot; returns the ident."""
        answer = self.writer.post("/api/images/", files={"file": ("a.jpg", data)}, data=fields)
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["ident"])

    def stop(self) -> None:
        self.http.close()
        self.writer.close()
        self.process.terminate()
        self.process.wait(30)


def start_server(data: Path, **more: str) -> Server:
    port = free_port()
    log = data.parent / f"{data.name}-serve.log"
    variables = environment(data, MEZZOTINT_BIND=f"127.0.0.1:{port}", **more)
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [PROGRAM, "serve"], env=variables, cwd=data.parent, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).raise_for_status()
            return Server(data, port, process, log, Settings.read(variables))
        except httpx.HTTPError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    process.kill()
    raise AssertionError(f"the server did not come up:\n{log.read_text()}")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tests of one process share: they look only at what they put in."""
    started = start_server(tmp_path_factory.mktemp("server") / "data")
    yield started
    started.stop()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers of one's own: `serve(MEZZOTINT_...=...)`."""
    started: list[Server] = []

    def start(data: Path = tmp_path / "data", **more: str) -> Server:
        started.append(start_server(data, **more))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()


@pytest.fixture
def repository(transactional_db: None, engine: Engine) -> Engine:
    """An empty repository on an empty store."""
    return engine
