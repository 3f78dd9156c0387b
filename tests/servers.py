"""Running `mezzotint` for real: commands, and servers on free ports."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg

from mezzotint import tokens
from mezzotint.settings import Settings
from tests import http
from tests.backends.processes import children, lasting_port
from tests.waiting import PATIENCE, until

PROGRAM = Path(sys.executable).with_name("mezzotint")
_PATIENT = [sys.executable, Path(__file__).parent / "running" / "patient.py"]
SERVING: list[Any] = _PATIENT if "COVERAGE_RUN" in os.environ else [PROGRAM]


def environment(data: Path, **more: str) -> dict[str, str]:
    """What a `mezzotint` of its own is started with."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MEZZOTINT_", "DJANGO_"))}
    if "DATABASE_URL" in kept and "DATABASE_URL" not in more:
        kept["DATABASE_URL"] = _database_of(data, kept["DATABASE_URL"])
    quiet = {"MEZZOTINT_LOOKS": "false"}  # nobody looks at pictures beside what is tested
    return kept | quiet | {"MEZZOTINT_DATA": str(data), "MEZZOTINT_WORKERS": "1"} | more


def _make_tables(data: Path, more: Mapping[str, str]) -> None:
    """Where `data` is not there yet, and is to have the store too: a database of empty tables, which to make takes a
    quarter of a start."""
    if not data.exists() and not {"MEZZOTINT_DATA", "MEZZOTINT_STORE", "DATABASE_URL"} & {*os.environ, *more}:
        data.mkdir()
        shutil.copy(_migrated(), data / "mezzotint.sqlite3")


@cache
def _migrated() -> Path:
    """A database of empty tables, of this process; it goes with it."""
    directory = Path(tempfile.mkdtemp(prefix="mezzotint-tables-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("MEZZOTINT_", "DJANGO_"))}
    command = [str(PROGRAM), "manage", "migrate", "--verbosity", "0"]
    subprocess.run(command, env=variables | {"MEZZOTINT_DATA": str(directory)}, check=True, cwd=directory)
    return directory / "mezzotint.sqlite3"


def _database_of(data: Path, server: str) -> str:
    """Where the tests run on PostgreSQL, each data directory has a database of its own."""
    name = f"data_{hashlib.sha256(str(data).encode()).hexdigest()[:16]}"
    with psycopg.connect(server, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{server.rpartition('/')[0]}/{name}"


def rows(data: Path, query: str) -> list[tuple[Any, ...]]:
    """What a `mezzotint` with this data directory has in its database."""
    if "DATABASE_URL" in os.environ:
        with psycopg.connect(_database_of(data, os.environ["DATABASE_URL"])) as connection:
            return connection.execute(query.encode()).fetchall()
    with closing(sqlite3.connect(f"file:{data}/mezzotint.sqlite3?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def rm_rf(directory: Path) -> None:
    """`rm -rf`, as often as it takes where somebody goes on writing there."""
    until(lambda: subprocess.run(["rm", "-rf", directory], stderr=subprocess.DEVNULL).returncode == 0)


def run(data: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `mezzotint` and wait for it."""
    return subprocess.run(
        [PROGRAM, *arguments],
        env=environment(data, **more),
        cwd=data.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
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
        self.http = http.Client(base_url=self.url, timeout=PATIENCE)
        self.writer = self.client(tokens.Scope.WRITE)

    def client(self, scope: tokens.Scope) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.token(scope)}"}
        return http.Client(base_url=self.url, timeout=PATIENCE, headers=headers)

    def token(self, scope: tokens.Scope) -> str:
        return tokens.issue(self.settings.secret_key, scope, days=1)

    def upload(self, data: bytes, **fields: str) -> str:
        """One-shot; returns the ident."""
        answer = self.writer.post("/api/images/", files={"file": ("a.jpg", data)}, data=fields)
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["ident"])

    def workers(self) -> set[int]:
        """Its processes, but the one that watches over them."""
        return {
            pid
            for pid in children(self.process.pid)
            if b"serve" in (command := _command(pid)) and b"tracker" not in command
        }

    def stop(self) -> None:
        """It may have ended by itself."""
        self._end(self.process.terminate)

    def kill(self) -> None:
        """As when the power goes: nothing is closed, by no worker either."""
        self._end(lambda: os.killpg(self.process.pid, signal.SIGKILL))

    def _end(self, how: Callable[[], None]) -> None:
        self.http.close()
        self.writer.close()
        with suppress(ProcessLookupError):
            how()
        self.process.wait(PATIENCE)


def start_server(data: Path, *options: str, **more: str) -> Server:
    """`mezzotint serve`, on a free port; back when it answers."""
    port = lasting_port()
    log = data.parent / f"{data.name}-serve.log"
    _make_tables(data, more)
    variables = environment(data, MEZZOTINT_BIND=f"127.0.0.1:{port}", **more)
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [*SERVING, "serve", *options],
            env=variables,
            cwd=data.parent,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        until(lambda: process.poll() is not None or answers(f"http://127.0.0.1:{port}"))
        assert process.poll() is None
    except AssertionError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"the server did not come up:\n{log.read_text()}") from None
    return Server(data, port, process, log, Settings.read(variables))


def answers(url: str) -> bool:
    """Whether a server is healthy."""
    with suppress(OSError, httpx.HTTPError), socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)):
        return http.get(f"{url}/health", timeout=PATIENCE).status_code == 200
    return False


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
