"""The host's database: shared, and begun anew where it is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mezzotint.errors import StorageFull
from mezzotint.host import HostDatabase
from mezzotint.host import database as module

SCHEMA = "CREATE TABLE IF NOT EXISTS things (name TEXT PRIMARY KEY);"
ADD, ALL = "REPLACE INTO things VALUES (?)", "SELECT name FROM things ORDER BY name"


def open_database(directory: Path) -> HostDatabase:
    opened = HostDatabase(directory / "host.sqlite3")
    opened.use(SCHEMA)
    return opened


@pytest.fixture
def database(tmp_path: Path) -> Iterator[HostDatabase]:
    opened = open_database(tmp_path)
    yield opened
    opened.close()


def error(code: int) -> sqlite3.OperationalError:
    made = sqlite3.OperationalError("so")
    made.sqlite_errorcode = code
    return made


def fails(why: Exception) -> Callable[..., Any]:
    def failing(*arguments: object) -> None:
        raise why

    return failing


class Failing:
    """A connection on which everything fails so."""

    def __init__(self, why: Exception) -> None:
        self.execute = self.executescript = fails(why)

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...

    def close(self) -> None: ...


def names(database: HostDatabase) -> list[str]:
    return [name for (name,) in database.query(ALL)]


def test_what_one_puts_in_another_finds(database: HostDatabase, tmp_path: Path) -> None:
    other = open_database(tmp_path)
    assert database.change(ADD, [["a"], ["b"]])
    assert names(other) == ["a", "b"]
    assert other.identity == database.identity
    other.close()


def test_a_change_is_all_or_nothing(database: HostDatabase) -> None:
    database.change(ADD, [["a"]])
    with pytest.raises(sqlite3.Error):
        database.change("INSERT INTO things VALUES (?)", [["b"], ["a"]])
    assert names(database) == ["a"]
    assert database.change(ADD, [["c"]])


def test_another_boot_gives_it_another_identity(
    database: HostDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "boot_id", lambda: "the next one")
    other = open_database(tmp_path)
    assert other.identity != database.identity
    other.close()


def test_one_that_was_removed_is_begun_anew_by_all_who_look(database: HostDatabase, tmp_path: Path) -> None:
    other, before = open_database(tmp_path), database.identity
    database.change(ADD, [["a"]])
    for path in tmp_path.glob("host.sqlite3*"):
        path.unlink()
    for one in (database, other):
        one.look()
    database.change(ADD, [["b"]])
    assert names(database) == names(other) == ["b"]
    assert database.identity == other.identity != before
    other.close()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB])
def test_one_that_is_damaged_is_unavailable_until_it_is_begun_anew(
    database: HostDatabase, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    database.change(ADD, [["a"]])
    before, reader = database.identity, database._reader
    database._reader = Failing(error(code))  # type: ignore[assignment]
    assert names(database) == []
    database._reader = reader
    assert (database.available, database.identity) == (False, "")
    assert not database.change(ADD, [["b"]])
    database.look()
    assert (database.available, names(database)) == (True, [])
    assert database.identity not in ("", before)
    assert len([line for line in caplog.messages if "is unavailable" in line]) == 1


def test_one_that_cannot_be_read_for_a_moment_keeps_what_it_has(database: HostDatabase) -> None:
    database.change(ADD, [["a"]])
    connection = database._connection
    database._connection = Failing(error(sqlite3.SQLITE_IOERR_READ))  # type: ignore[assignment]
    assert not database.change(ADD, [["b"]])
    database._connection = connection
    assert not database.available
    database.look()
    assert names(database) == ["a"]


def test_an_error_that_is_no_loss_is_raised(database: HostDatabase) -> None:
    with pytest.raises(sqlite3.OperationalError):
        database.query("SELECT nothing")
    assert database.available
    database._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.change(ADD, [["a"]])
    assert database.available


def test_a_full_disk_is_told_and_costs_the_change(database: HostDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_connection", Failing(error(sqlite3.SQLITE_FULL)))
    with pytest.raises(StorageFull):
        database.change(ADD, [["a"]])
    monkeypatch.undo()
    assert database.change(ADD, [["a"]])


def test_one_that_cannot_be_begun_anew_is_tried_again(database: HostDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    database.available = False
    with monkeypatch.context() as patch:
        for why in (error(sqlite3.SQLITE_FULL), error(sqlite3.SQLITE_CANTOPEN), FileNotFoundError("gone")):
            patch.setattr(module, "_connect", fails(why))
            database.look()
            assert not database.available
    database.look()
    assert database.available


def test_threads_that_look_begin_it_anew_once(
    database: HostDatabase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database._is_damaged, database.available = True, False
    barrier = threading.Barrier(6)

    def look() -> None:
        barrier.wait()
        database.look()

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([line for line in caplog.messages if "begins anew" in line]) == 1
    assert database.change(ADD, [["a"]])


def test_what_is_no_database_at_all_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "host.sqlite3").write_bytes(b"no database at all " * 500)
    database = open_database(tmp_path)
    assert database.change(ADD, [["a"]])
    database.close()


def test_tables_that_cannot_be_made_are_made_when_it_is_begun_anew(tmp_path: Path) -> None:
    database = HostDatabase(tmp_path / "host.sqlite3")
    database._connection.close()
    database._connection = Failing(error(sqlite3.SQLITE_CORRUPT))  # type: ignore[assignment]
    database.use(SCHEMA)
    assert database.change(ADD, [["a"]])
    database.close()


def test_one_that_may_not_be_opened_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_connect", fails(error(sqlite3.SQLITE_ERROR)))
    with pytest.raises(sqlite3.OperationalError):
        HostDatabase(tmp_path / "host.sqlite3")


def test_beginning_anew_leaves_no_descriptor_open(database: HostDatabase, tmp_path: Path) -> None:
    def lose() -> None:
        for path in tmp_path.glob("host.sqlite3*"):
            path.unlink()
        database.look()

    lose()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        lose()
    assert len(os.listdir("/proc/self/fd")) == before


CLOSING = """
import sys, threading, time
from pathlib import Path
from mezzotint.host.database import HostDatabase

def ask(database, begun):
    begun.wait()
    while database.query("SELECT count(*) FROM numbers a, numbers b, numbers c WHERE a.n + b.n > c.n"):
        pass

for number in range(30):
    database, begun = HostDatabase(Path(sys.argv[1]) / f"{number}.sqlite3"), threading.Barrier(5)
    database.use("CREATE TABLE IF NOT EXISTS numbers (n INTEGER)")
    database.change("INSERT INTO numbers VALUES (?)", [(n,) for n in range(100)])
    threads = [threading.Thread(target=ask, args=(database, begun)) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    time.sleep(0.005)
    database.close()
    for thread in threads:
        thread.join()
"""


def test_it_may_be_closed_while_others_ask(tmp_path: Path) -> None:
    """In a process of its own: SQLite would end it with a segmentation fault."""
    done = subprocess.run([sys.executable, "-c", CLOSING, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
