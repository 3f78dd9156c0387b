"""What is lost while several look at it: begun anew once, and told where it does not end."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mezzotint.cache import Cache, SqliteIndex, Totals
from mezzotint.cache.directories import identity_of
from mezzotint.cache.losing import files_of
from mezzotint.cache.missed import Missed
from mezzotint.files import open_shared, while_removed
from tests.cache.caches import assert_holds, held, name_of, open_cache, settled
from tests.cache.indexes import entry


def at_once(count: int, work: Callable[[], object]) -> list[BaseException]:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_threads_that_meet_the_same_damage_begin_anew_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    index = SqliteIndex(tmp_path / "index.sqlite3")
    for n in range(200):
        index.add(entry(f"{n:03}", 10))
    for file in files_of(tmp_path / "index.sqlite3")[1:]:
        file.unlink()
    assert at_once(6, index.look) == []
    assert len([line for line in caplog.messages if "begins anew" in line]) == 1
    index.add(entry("a", 5))
    assert at_once(6, index.look) == []
    assert index.totals() == Totals(1, 5)
    index.close()


def test_processes_that_begin_anew_share_what_they_have_then(tmp_path: Path) -> None:
    caches = [open_cache(tmp_path) for _ in range(2)]
    for turn in range(20):
        remove = files_of(tmp_path / ".control" / "index.sqlite3")[turn % 3 :]
        for file in remove:
            file.unlink(missing_ok=True)
        threads = [threading.Thread(target=cache.look) for cache in caches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        settled(caches * 2)
        for number, cache in enumerate(caches):
            cache.put(name_of(turn * 2 + number), b"%d" % turn)
        contents = {name_of(n): b"%d" % (n // 2) for n in range(turn * 2 + 2)}
        for cache in caches:
            assert_holds(cache, contents)
    for cache in caches:
        cache.close()


def test_a_cache_goes_on_while_its_whole_directory_is_removed(tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "cache")
    done = threading.Event()
    removals = 0

    def use() -> None:
        while removals < 60:
            cache.put(name_of(1), b"one")
            assert held(cache, name_of(1)) in (None, b"one")
            settled([cache])

    def remove() -> None:
        nonlocal removals
        while not done.wait(0.01):
            shutil.rmtree(tmp_path / "cache", ignore_errors=True)
            removals += 1

    removing = threading.Thread(target=remove)
    removing.start()
    failures = at_once(2, use)
    done.set()
    removing.join()
    assert failures == []
    settled([cache] * 2)
    cache.put(name_of(1), b"one")
    assert_holds(cache, {name_of(1): b"one"})
    cache.close()


def test_an_index_that_cannot_be_had_raises_nothing_and_is_completed_when_it_can(tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "cache")
    cache.put(name_of(1), b"one")
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").symlink_to(tmp_path / "a disk that is not there")
    index = cache.index
    index.look()
    index.add(entry("a", 5))
    index.remember("key", "value")
    index.touch([("a", 1)])
    index.remove(["a"])
    assert not index.available
    assert (index.find("a"), index.totals(), index.least_recently_used(9)) == (None, Totals(0, 0), [])
    assert (list(index.batches(9)), index.recall("key"), index.totals_by_kind()) == ([], None, {})
    assert not index.available and not index.is_complete(cache.directories)
    (tmp_path / "cache").unlink()
    settled([cache] * 2)
    assert index.available and index.is_complete(cache.directories)
    cache.put(name_of(2), b"two")
    assert_holds(cache, {name_of(2): b"two"})
    cache.close()


def test_an_index_that_may_not_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index.sqlite3"
    index = SqliteIndex(path)

    def only_read(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA query_only = ON")
        return connection

    monkeypatch.setattr("mezzotint.cache.sqlite._connect", only_read)
    index._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        index.add(entry("a", 5))
    index.close()


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").symlink_to(tmp_path / "a disk that is not there")
    with pytest.raises(FileNotFoundError):
        open_shared(tmp_path / "cache" / ".control" / "locks")


def test_what_is_removed_a_few_times_is_done_in_the_end() -> None:
    tries = iter([False] * 5 + [True])

    def work() -> str:
        if not next(tries):
            raise FileNotFoundError
        return "done"

    assert while_removed(work) == "done"


def test_what_was_missed_is_known_also_where_it_cannot_be_written_down(tmp_path: Path) -> None:
    (tmp_path / "full").write_bytes(b"no directory")
    missed = Missed(tmp_path / "full" / "missed")
    assert not missed
    missed.note(["a"])
    assert missed
    missed.take(lambda paths: False)
    assert missed
    missed.take(lambda paths: paths == [])
    assert not missed


def test_what_was_missed_is_taken_once(tmp_path: Path) -> None:
    missed, other = Missed(tmp_path / "missed"), Missed(tmp_path / "missed")
    missed.note(["a", "b"])
    assert other
    taken: list[list[str]] = []
    other.take(lambda paths: bool(taken.append(paths)))
    assert other and missed
    missed.take(lambda paths: taken.append(paths) is None)
    missed.take(lambda paths: taken.append(paths) is None)
    assert not other and not missed
    assert taken == [["a", "b"], ["a", "b"]]


def test_settled_directories_stay_so_whatever_the_clock_shows(tmp_path: Path) -> None:
    first = identity_of(tmp_path)
    assert first.endswith(".new") and identity_of(tmp_path) == first
    for mark in tmp_path.glob("*/.id-*"):
        os.utime(mark, (then := time.time() - 900, then))
    assert identity_of(tmp_path) == first.removesuffix(".new")
    assert {mark.stat().st_mtime for mark in tmp_path.glob("*/.id-*")} == {0}


def test_a_cache_that_redis_cannot_say_anything_of_is_not_called_new(tmp_path: Path) -> None:
    class OutOfReach(SqliteIndex):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            self.available = False

    cache = Cache(tmp_path, OutOfReach, 10**9)
    assert cache.directories.endswith(".new")
    cache.close()
