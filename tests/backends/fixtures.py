"""Servers that all tests of one run share, however many pytest workers there are: a plugin.

The first test that wants a server starts it, and the run's controller, which is this process where there are no
workers, stops it at the end. A test gets a container or a database of its own; what stops or pauses a server that
others use wants `breakable_swift`, `breakable_redis`, or a server that it starts itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import pytest

from tests.backends import missing_postgresql, missing_redis, missing_swift
from tests.backends.aws import Aws
from tests.backends.identity import Identity
from tests.backends.postgresql import PostgreSQL
from tests.backends.redis import Redis
from tests.backends.swift import SwiftCluster


class _Sharable(Protocol):
    @classmethod
    def start(cls, directory: Path, owner: int | None = None) -> Self: ...

    @classmethod
    def attach(cls, state: Mapping[str, Any]) -> Self: ...

    def state(self) -> dict[str, Any]: ...

    def stop(self) -> None: ...


_Server = TypeVar("_Server", bound=_Sharable)
_SHARED: tuple[type[SwiftCluster] | type[PostgreSQL] | type[Redis] | type[Aws], ...] = (
    SwiftCluster,
    PostgreSQL,
    Redis,
    Aws,
)


@dataclass(frozen=True)
class _Run:
    """One run of pytest: where its servers are, and the process that they belong to."""

    directory: Path
    owner: int

    def server(self, kind: type[_Server]) -> _Server:
        """The run's one server of this kind, started if need be."""
        state = self._state(kind)
        with open(state.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if state.exists():
                return kind.attach(json.loads(state.read_text()))
            server = kind.start(self.directory / kind.__name__, self.owner)
            state.write_text(json.dumps(server.state()))
            return server

    def stop(self) -> None:
        for kind in _SHARED:
            state = self._state(kind)
            if state.exists():
                kind.attach(json.loads(state.read_text())).stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _state(self, kind: type[_Sharable]) -> Path:
        return self.directory / f"{kind.__name__}.json"


_run = pytest.StashKey[_Run]()


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    if _is_worker(config):
        directory, owner = config.workerinput["backends"]  # type: ignore[attr-defined]
        config.stash[_run] = _Run(Path(directory), owner)
    else:
        config.stash[_run] = _Run(Path(tempfile.mkdtemp(prefix="backends-")), os.getpid())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist's, in the controller: what a worker is told."""
    run = node.config.stash[_run]
    node.workerinput["backends"] = (str(run.directory), run.owner)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not _is_worker(config):
        config.stash[_run].stop()


@pytest.fixture(scope="session")
def swift(pytestconfig: pytest.Config) -> SwiftCluster:
    """The run's Swift: get a container from it, and leave its proxy alone."""
    if missing := missing_swift():
        pytest.skip(missing)
    return pytestconfig.stash[_run].server(SwiftCluster)


@pytest.fixture(scope="session")
def aws(pytestconfig: pytest.Config) -> Aws:
    """The run's S3 and SQS: get a bucket from it."""
    return pytestconfig.stash[_run].server(Aws)


@pytest.fixture
def breakable_swift(swift: SwiftCluster) -> Iterator[SwiftCluster]:
    """The run's Swift through a proxy of this test's own, to be paused and killed."""
    through = swift.another_proxy()
    yield through
    through.stop()


@pytest.fixture
def identity(swift: SwiftCluster) -> Iterator[Identity]:
    """An Identity v3 whose tokens are good for `swift`."""
    started = Identity(swift)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def postgresql(pytestconfig: pytest.Config) -> PostgreSQL:
    """The run's PostgreSQL: get a database from it."""
    if missing := missing_postgresql():
        pytest.skip(missing)
    return pytestconfig.stash[_run].server(PostgreSQL)


@pytest.fixture(scope="session")
def redis(pytestconfig: pytest.Config) -> Redis:
    """The run's Redis: get a database from it."""
    if missing := missing_redis():
        pytest.skip(missing)
    return pytestconfig.stash[_run].server(Redis)


@pytest.fixture
def breakable_redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis of this test's own, to be paused, filled and killed."""
    if missing := missing_redis():
        pytest.skip(missing)
    started = Redis.start(tmp_path / "redis")
    yield started
    started.stop()
