"""The longest files first, each file on one core, so that all cores end together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.running.durations import known, unit_of

_UNKNOWN = 10.0
"""seconds that a file is expected to take which nobody has measured yet"""


class _ByFile(LoadScopeScheduling):
    """A file's tests share its servers, so they stay together."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByFile:
    config.option.loadscopereorder = False
    return _ByFile(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: one more than there are cores, as now and then a test only waits."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items[:] = longest_first(items)


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Whatever took long the last time begins early; within a file the order stays."""
    seconds = known()
    return sorted(items, key=lambda item: -seconds.get(unit := unit_of(item.nodeid), _UNKNOWN * (unit not in seconds)))
