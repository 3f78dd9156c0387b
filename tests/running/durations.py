"""What the tests cost: told at the end of a run, and kept in `durations.json` for the order of the next one."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

_MANY = 200
"""tests; of fewer nobody asks what they cost"""
_KEPT = Path(__file__).with_name("durations.json")
_ROOT = Path(__file__).parent.parent.parent
_SLOWEST = 20
_APART = "tests/test_postgresql.py"
"""each of its tests is a whole file of others, and goes by itself"""


def unit_of(nodeid: str) -> str:
    """What goes to one process as a whole: a file, as a rule."""
    file = nodeid.partition("::")[0]
    return nodeid if file == _APART else file


def known() -> dict[str, float]:
    """Seconds by unit, as `make durations` has measured them."""
    return dict(json.loads(_KEPT.read_text())) if _KEPT.exists() else {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-durations", action="store_true", help="write down how long each file took")


class _Clock:
    """Setup, call and teardown of each test, together."""

    def __init__(self) -> None:
        self.tests: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.tests[report.nodeid] += report.duration  # type: ignore[assignment]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if terminalreporter.config.getoption("--keep-durations"):
            self._keep()
        if len(self.tests) < _MANY:
            return
        say = terminalreporter.write_line
        directories: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        for nodeid, seconds in self.tests.items():
            parts = nodeid.partition("::")[0].split("/")
            directory = "/".join(parts[:2])
            directories[directory] += seconds
            counts[directory] += 1
        terminalreporter.section("what it cost, in seconds of one process")
        for nodeid, seconds in self.tests.most_common(_SLOWEST):
            say(f"{seconds:8.1f}  {nodeid}")
        say("")
        for directory, seconds in directories.most_common():
            say(f"{seconds:8.1f}  {counts[directory]:5d} tests  {directory}")
        say(f"{self.tests.total():8.1f}  {len(self.tests):5d} tests  in all")

    def _keep(self) -> None:
        units: Counter[str] = Counter()
        for nodeid, seconds in self.tests.items():
            units[unit_of(nodeid)] += seconds
        there = {unit: s for unit, s in (known() | units).items() if (_ROOT / unit.partition("::")[0]).exists()}
        text = json.dumps({unit: round(seconds, 1) for unit, seconds in sorted(there.items())}, indent=1)
        _KEPT.write_text(text + "\n")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Clock(), "what-it-cost")
