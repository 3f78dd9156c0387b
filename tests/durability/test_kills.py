"""kill -9 wherever something is written, and again as it recovers: then the oracle is asked."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.durability.directories import copied, lose_database, ran
from tests.durability.oracle import check_directory
from tests.durability.walk import STATES

GRACE = {"MEZZOTINT_GRACE": "0s"}


@dataclass(frozen=True)
class Case:
    """Killed at one failpoint of the walk, and at another as it recovers, having lost its database or not."""

    at: str
    again: str = ""
    lost: bool = False
    astray: bool = False

    def __str__(self) -> str:
        return " ".join(filter(None, (self.at, self.again, "lost" * self.lost)))


CASES = [
    Case("upload.before-put"),
    Case("upload.after-put"),
    Case("files.before-place"),
    Case("files.after-place"),
    Case("files.after-place:3"),
    Case("commit.before-segment"),
    Case("commit.before-segment:2"),
    Case("commit.after-segment", again="replay.before-commit"),
    Case("commit.after-segment:2", again="apply.before-commit"),
    Case("commit.after-segment:3", again="restore.before-commit", lost=True),
    Case("apply.before-commit"),
    Case("commit.before-database", again="settle.after-trash"),
    Case("checkpoint.before-put"),
    Case("checkpoint.after-hint"),
    Case("checkpoint.before-removal"),
    Case("settle.before-trash", again="settle.before-trash"),
    Case("settle.after-trash", again="restore.segments", lost=True),
    Case("reconcile.before-trash", astray=True),
    Case("reconcile.after-trash", astray=True),
    Case("reconcile.before-recovery", astray=True),
    Case("reconcile.before-purge"),
    Case("purge.before-delete"),
    Case("purge.after-delete"),
]
_OF_THE_DATABASE = {"commit", "apply", "replay", "restore", "settle", "reconcile"}
ON_POSTGRESQL = [case for case in CASES if {at.partition(".")[0] for at in (case.at, case.again)} & _OF_THE_DATABASE]
"""uploads, files, checkpoints and purges write to the object store alone"""
ON_SQLITE = [*CASES, Case("checkpoint.after-put", again="restore.before-place", lost=True)]
"""a restore makes the file of an SQLite database aside"""


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with something in it, for each case to take a copy of."""
    data = tmp_path_factory.mktemp("begun") / "data"
    status, _, complained = ran("walk", data, "begin", **GRACE)
    assert status == 0, complained
    return data


def killed_at(failpoint: str, data: Path, what: str) -> int:
    """How many steps were acknowledged until then."""
    status, said, complained = ran("walk", data, what, MEZZOTINT_FAILPOINT=failpoint, **GRACE)
    assert status == -signal.SIGKILL, f"nothing was injected: {status}\n{complained}"
    return said.count("acknowledged")


@pytest.mark.parametrize("case", ON_POSTGRESQL if "DATABASE_URL" in os.environ else ON_SQLITE, ids=str)
def test_a_killed_walk_keeps_what_was_acknowledged_and_nothing_by_halves(
    case: Case, begun: Path, tmp_path: Path
) -> None:
    data = copied(begun, tmp_path / "data")
    steps = killed_at(case.at, data, "go")
    if case.lost:
        lose_database(data)
    if case.again:
        killed_at(case.again, data, "recover")
    check_directory(data, STATES[steps : steps + 2], GRACE, astray=case.astray)


def test_a_walk_that_nobody_kills_ends_where_it_should(begun: Path, tmp_path: Path) -> None:
    data = copied(begun, tmp_path / "data")
    status, said, complained = ran("walk", data, "go", **GRACE)
    assert (status, said.count("acknowledged")) == (0, len(STATES) - 1), complained
    check_directory(data, STATES[-1:], GRACE)
