"""A PostgreSQL on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import psycopg

from tests.backends import missing_postgresql, postgresql_binaries
from tests.backends.processes import Leashed, lasting_port, wait_for

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}


@dataclass
class PostgreSQL:
    """One server, one superuser, nothing fsynced: what is committed survives `restart` and a kill, but no power loss.

    It ends with its owner, a process, if nobody stops it before.
    """

    directory: Path
    data: Path
    owner: int
    port: int
    process: Leashed | None

    @classmethod
    def start(cls, directory: Path, owner: int | None = None) -> Self:
        """Make a new one in `directory`, which it makes; back when it answers. `owner`: this process if not given.

        PostgreSQL does not run as root. Then another user runs it, who must be able to reach its data, so these are in
        a temporary directory of their own, which goes with the server.
        """
        binaries, user = _binaries(), _other_user()
        directory.mkdir(parents=True, exist_ok=True)
        data = directory / "data"
        if user:
            data = Path(tempfile.mkdtemp(prefix="postgresql-"))
            shutil.chown(data, user, pwd.getpwnam(user).pw_gid)
        server = cls(directory, data, owner or os.getpid(), lasting_port(), None)
        try:
            _make(binaries, data, user)
            server._run()
        except BaseException:
            server.stop()
            raise
        return server

    def stop(self) -> None:
        if self.process:
            self.process.stop()
            self.process = None
        if _other_user():
            shutil.rmtree(self.data, ignore_errors=True)

    @property
    def url(self) -> str:
        return self._url("postgres")

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"box_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self._url(name)

    def restart(self, *, immediate: bool = False) -> None:
        """As `pg_ctl restart -m fast`, or `-m immediate`, after which it recovers: all connections are cut."""
        self.end(immediate=immediate)
        self._run()

    def end(self, *, immediate: bool = False) -> None:
        """It is gone, until `restart`; connections are refused."""
        if self.process:
            self.process.end(signal.SIGQUIT if immediate else signal.SIGINT)
            self.process = None

    def state(self) -> dict[str, Any]:
        """As JSON takes it, for `attach` in another process."""
        return asdict(self) | {"directory": str(self.directory), "data": str(self.data)}

    @classmethod
    def attach(cls, state: Mapping[str, Any]) -> Self:
        """The server another process started, from its `state`."""
        paths = {name: Path(state[name]) for name in ("directory", "data")}
        return cls(**dict(state) | paths | {"process": Leashed(**state["process"])})

    def _run(self) -> None:
        user, log = _other_user(), self.directory / "postgresql.log"
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        self.process = Leashed.start(
            [str(_binaries() / "postgres"), "-D", str(self.data), "-p", str(self.port), *settings],
            owner=self.owner,
            log=log,
            stop_signal=signal.SIGQUIT,
            user=user,
            remove=self.data if user else None,
        )
        wait_for(self._answers, self.process, log)

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=5):
            return True
        return False

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"


def _binaries() -> Path:
    binaries = postgresql_binaries()
    assert binaries, missing_postgresql()
    return binaries


def _other_user() -> str:
    """Who runs it when we are root, else an empty string."""
    if os.geteuid():
        return ""
    with suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return "nobody"


def _make(binaries: Path, data: Path, user: str) -> None:
    options = ["--username=postgres", "--auth=trust", "--locale=C.UTF-8", "--encoding=UTF8", "--no-sync"]
    group = pwd.getpwnam(user).pw_gid if user else None
    made = subprocess.run(
        [binaries / "initdb", "-D", data, *options],
        cwd="/",
        user=user or None,
        group=group,
        extra_groups=None if group is None else [group],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert made.returncode == 0, f"initdb did not succeed:\n{made.stdout}"
