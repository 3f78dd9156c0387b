"""Whether the database may have changed: seen at once, whoever changed it, and not where nobody did."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from django.db import connection

from mezzotint.repository.changes import Changes


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of its own, which the connection's settings name; with an odd name."""
    path = tmp_path / "a %41 b?#.sqlite3"
    change(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t (x)")
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))
    return path


def change(path: Path, *statements: str) -> None:
    other = sqlite3.connect(path)
    for statement in statements:
        other.execute(statement)
    other.commit()
    other.close()


def test_what_others_commit_is_seen_once(path: Path) -> None:
    changes = Changes()
    assert changes.are_there(), "at first nothing is known"
    assert not changes.are_there()
    change(path, "INSERT INTO t VALUES (1)")
    assert changes.are_there()
    assert not changes.are_there()
    changes.close()
    assert changes.are_there(), "what was before is not known any more"
    assert not changes.are_there()


def test_what_is_not_committed_is_no_change(path: Path) -> None:
    changes = Changes()
    assert changes.are_there()
    other = sqlite3.connect(path)
    other.execute("INSERT INTO t VALUES (1)")
    assert not changes.are_there()
    other.commit()
    other.close()
    assert changes.are_there()


def test_time_is_a_change_and_so_is_what_waits(path: Path) -> None:
    assert [Changes(0.0).are_there() for _ in range(2)] == [True, True]
    always = Changes(0.0)
    assert [always.are_there() for _ in range(3)] == [True, True, True]
    changes = Changes()
    assert changes.are_there()
    changes.expect()
    assert [changes.are_there(), changes.are_there()] == [True, False]


def test_another_database_in_its_place_is_a_change(path: Path) -> None:
    changes = Changes()
    assert changes.are_there()
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    copy.replace(path)
    assert changes.are_there()
    assert not changes.are_there()
    change(path, "INSERT INTO t VALUES (2)")
    assert changes.are_there()
    path.unlink()
    assert [changes.are_there(), changes.are_there()] == [True, True], "whoever asks has to find out"
