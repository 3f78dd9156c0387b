"""`--quick`: without servers and processes, for after each change.

A file that has to do with servers or processes is left out by what it imports, a test also by its fixtures. What is
missed by that fails when it opens a socket or starts a process through Python.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_TELLING = {"subprocess", "multiprocessing", "socket", "httpx", "tests.servers", "tests.origin", "tests.archive"}
_BELOW = ("tests.archive.", "tests.backends.")
_FIXTURES = {
    "server",
    "serve",
    "swift",
    "breakable_swift",
    "identity",
    "postgresql",
    "redis",
    "breakable_redis",
    "aws",
    "world",
    "origin",
}
_CLOSED = {
    "subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec", "os.spawn",
    "socket.connect", "socket.bind",
}  # fmt: skip

_OURS = "http|servers|origin|archive|backends|nginx|proof"
_IMPORT = re.compile(
    rf"^(?:from|import) (?:subprocess|multiprocessing|socket|httpx|tests\.(?:{_OURS}))\b", re.MULTILINE
)

_running: list[str] = []
_refused: dict[str, str] = {}
"""by test: what it tried, also where the code under test has swallowed the error"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only what needs no server and no process")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "processes: needs a server or a process of its own; not for --quick")
    if config.getoption("--quick"):
        sys.addaudithook(_refuse)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files that say it in their own imports need not even be imported."""
    if config.getoption("--quick") and collection_path.suffix == ".py" and _IMPORT.search(collection_path.read_text()):
        return True
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--quick"):
        left_out = {item for item in items if needs_processes(item)}
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    _running.append(item.nodeid)
    try:
        return (yield)
    finally:
        _running.pop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    result = yield
    if item.nodeid in _refused:
        pytest.fail(f"not for --quick ({_refused[item.nodeid]}): mark it with pytest.mark.processes")
    return result


def needs_processes(item: pytest.Item) -> bool:
    if item.get_closest_marker("processes") or _FIXTURES & set(getattr(item, "fixturenames", ())):
        return True
    return _has_to_do_with_processes(getattr(item, "module", pytest))


@cache
def _has_to_do_with_processes(module: ModuleType) -> bool:
    for name in {_home(value) for value in vars(module).values()} - {module.__name__, "tests.conftest"}:
        if name in _TELLING or name.startswith(_BELOW):
            return True
        if name.startswith("tests.") and _has_to_do_with_processes(sys.modules[name]):
            return True
    return False


def _home(value: object) -> str:
    """The module that something is from."""
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
    return name if isinstance(name, str) and name in sys.modules else ""


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if _running and event in _CLOSED and not _is_local(event, arguments):
        _refused[_running[-1]] = event
        raise AssertionError(f"not for --quick: {event}")


def _is_local(event: str, arguments: tuple[Any, ...]) -> bool:
    """A socket of this host alone, as an event loop has for itself."""
    return event.startswith("socket.") and not isinstance(arguments[1], tuple)
