"""A Redis on loopback."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.backends import missing_redis, redis_binary
from tests.backends.processes import Leashed, lasting_port, wait_for

_DATABASES = 1000


@dataclass
class Redis:
    """One server that keeps nothing on disk. It ends with its owner, a process, if nobody stops it before."""

    directory: Path
    owner: int
    port: int
    options: tuple[str, ...]
    process: Leashed | None

    @classmethod
    def start(cls, directory: Path, owner: int | None = None, *options: str) -> Self:
        """Make a new one in `directory`, which it makes; back when it answers. `owner`: this process if not given.

        `options` are as on the server's command line: `"--maxmemory", "1mb"`.
        """
        directory.mkdir(parents=True, exist_ok=True)
        server = cls(directory, owner or os.getpid(), lasting_port(), options, None)
        server.restart()
        return server

    def stop(self) -> None:
        if self.process:
            self.process.stop()
            self.process = None

    @property
    def url(self) -> str:
        return self._url(0)

    def client(self, seconds: float = 5) -> redis.Redis:
        """On database 0; it tries once, and waits no longer than this. Close it."""
        return _client(self.url, seconds)

    def database(self) -> str:
        """The URL of an empty database that nobody else was given; the count is in database 0, which nobody is."""
        with self.client() as client:
            number = 1 + int(client.incr("databases-given-out")) % (_DATABASES - 1)
        with _client(self._url(number)) as client:
            client.flushdb()
        return self._url(number)

    def pause(self) -> None:
        """It accepts connections but does not answer, until `resume`."""
        self._running().send(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send(signal.SIGCONT)

    def kill(self) -> None:
        """It is gone; connections are refused, until `restart`."""
        self._running().end(signal.SIGKILL)
        self.process = None

    def restart(self, empty: bool = True) -> None:
        """One at the same address, back when it answers; the one before, if there is one, is killed.

        Not `empty`: with what the one before has, which must still run.
        """
        self._dump.unlink(missing_ok=True)
        if not empty:
            self.save()
        self.fall_back()

    def save(self) -> None:
        """Take down what it has now, for one `fall_back`."""
        with self.client() as client:
            client.save()

    def fall_back(self) -> None:
        """One at the same address with what was saved, back when it answers; the one before is killed."""
        if self.process:
            self.kill()
        self.process = Leashed.start(self._command(), owner=self.owner, log=self.directory / "redis.log")
        try:
            wait_for(self._answers, self.process, self.directory / "redis.log")
        except BaseException:
            self.stop()
            raise
        self._dump.unlink(missing_ok=True)

    def state(self) -> dict[str, Any]:
        """As JSON takes it, for `attach` in another process."""
        return asdict(self) | {"directory": str(self.directory)}

    @classmethod
    def attach(cls, state: Mapping[str, Any]) -> Self:
        """The server another process started, from its `state`."""
        known = dict(state) | {"directory": Path(state["directory"]), "options": tuple(state["options"])}
        return cls(**known | {"process": Leashed(**state["process"])})

    @property
    def _dump(self) -> Path:
        return self.directory / "dump.rdb"

    def _command(self) -> list[str]:
        binary = redis_binary()
        assert binary, missing_redis()
        listening = ["--bind", "127.0.0.1", "--port", str(self.port), "--databases", str(_DATABASES)]
        keeping = ["--save", "", "--appendonly", "no", "--dir", str(self.directory)]
        return [binary, *listening, *keeping, *self.options]

    def _running(self) -> Leashed:
        assert self.process, "the server was killed"
        return self.process

    def _answers(self) -> bool:
        with suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def _url(self, database: int) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"


def _client(url: str, seconds: float = 5) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=seconds, retry=Retry(NoBackoff(), 0))
