"""What all tests share: a data directory of their own, an engine on it, a real server."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

gc.set_threshold(20_000, 20, 100)  # a twentieth of what the tests cost is looking for garbage where there is none
_DATA = Path(tempfile.mkdtemp(prefix="mezzotint-tests-"))
for _name in [name for name in os.environ if name.startswith(("MEZZOTINT_", "DJANGO_", "DATABASE_", "REDIS_"))]:
    del os.environ[_name]
os.environ["MEZZOTINT_DATA"] = str(_DATA)
os.environ["MEZZOTINT_WORKERS"] = "1"
os.environ["DJANGO_SETTINGS_MODULE"] = "mezzotint.site.settings"
if _postgresql := os.environ.get("TESTS_POSTGRESQL"):
    os.environ["DATABASE_URL"] = _postgresql  # whose tests these are: see tests/test_postgresql.py

import django
import pytest

django.setup()

from django.core.management.color import Style
from django.core.management.commands import flush
from django.db import connection
from hypothesis import HealthCheck, settings

from mezzotint import wiring
from mezzotint.repository.models import Captured
from mezzotint.settings import Settings
from mezzotint.wiring import Engine
from tests.figures import shown, total
from tests.origin import Origin
from tests.servers import PROGRAM, Server, environment, run, start_server

__all__ = ["PROGRAM", "Server", "engine_on", "environment", "figure", "run", "start_server"]

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")


_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CI") and _skipped:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED  # whatever a machine may lack, CI has it
    wiring.close_engine()
    shutil.rmtree(_DATA, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What needs another store than a directory is run on SQLite alone (see tests/test_postgresql.py)."""
    if connection.vendor == "postgresql":
        items[:] = [item for item in items if not _needs_swift(item)]


def _needs_swift(item: pytest.Item) -> bool:
    fixtures = " ".join(getattr(item, "fixturenames", ()))
    return "swift" in fixtures or "swift" in item.nodeid.partition("[")[2]


def pytest_sessionstart(session: pytest.Session) -> None:
    assert connection.vendor == ("postgresql" if "TESTS_POSTGRESQL" in os.environ else "sqlite")


_OF_DJANGO_ITSELF = {"django_content_type", "auth_permission"}
"""they hang on the models alone, and to make them anew takes longer than most tests"""


def _emptying(style: Style, tables: Sequence[str], **options: bool) -> list[str]:
    """What a test leaves behind goes row by row: there are few, and PostgreSQL takes ten times as long to truncate."""
    names = [connection.ops.quote_name(table) for table in tables if table not in _OF_DJANGO_ITSELF]
    deletes = [f"DELETE FROM {name}" for name in names]
    if connection.vendor == "sqlite":
        return deletes
    free, held = "SET session_replication_role = replica", "SET session_replication_role = DEFAULT"
    return ["; ".join([free, *deletes, held])]  # one way to the server and back for all of them


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """A file, as in life: SQLite in memory locks otherwise. On PostgreSQL a copy of what was migrated once."""
    connection.ops.sql_flush = _emptying  # type: ignore[method-assign]
    # Django would make anew what `_emptying` leaves: a fifth of a test's time
    flush.emit_post_migrate_signal = lambda *_, **__: None  # type: ignore[attr-defined]
    if connection.vendor == "postgresql":
        connection.settings_dict["TEST"]["TEMPLATE"] = os.environ["TESTS_TEMPLATE"]
    else:
        connection.settings_dict["TEST"]["NAME"] = str(_DATA / "test.sqlite3")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine on an empty directory, which is this process's engine meanwhile."""
    opened = wiring.open_engine(Settings.read({"MEZZOTINT_DATA": str(tmp_path / "data"), "MEZZOTINT_WORKERS": "1"}))
    monkeypatch.setattr(wiring, "_engine", opened)  # undone after what a test has patched over it
    yield opened
    opened.close()


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


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tests of one process share: they look only at what they put in."""
    started = start_server(tmp_path_factory.mktemp("server") / "data")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def serve_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """As `serve`, for all tests of one file."""
    started: list[Server] = []

    def start(data: Path | None = None, **more: str) -> Server:
        started.append(start_server(data or tmp_path_factory.mktemp("here") / "data", **more))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers of one's own: `serve(MEZZOTINT_...=...)`."""
    started: list[Server] = []

    def start(data: Path = tmp_path / "data", **more: str) -> Server:
        started.append(start_server(data, **more))
        return started[-1]

    yield start
    for one in started:  # also one that has ended already: its clients have not
        one.stop()


def figure(server: Server, name: str, **labels: str) -> float:
    """One figure of the server's `/metrics`, summed over the labels that are not given."""
    return total(shown(f"{server.url}/metrics"), name, **labels)


@pytest.fixture
def repository(transactional_db: None, engine: Engine) -> Engine:
    """An empty repository on an empty store. What the emptying of the tables left captured is of no interest."""
    from mezzotint.repository.models import Captured

    Captured.objects.all().delete()
    return engine


pytest_plugins = ["tests.backends.fixtures", "tests.running.durations", "tests.running.order", "tests.running.quick"]


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as started:
        yield started


@pytest.fixture
def keeping(transactional_db: None, tmp_path: Path) -> Iterator[Engine]:
    """A repository over a directory, in this process, that nothing has been captured of."""
    with engine_on(tmp_path / "data") as opened:
        Captured.objects.all().delete()
        yield opened
