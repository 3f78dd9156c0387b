"""What befalls a cache rarely: it is told once, and the cache goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.cache import Cache, SqliteIndex
from mezzotint.cache import files as files_module
from mezzotint.cache.cleaner import Housekeeping
from mezzotint.cache.hits import Hits
from mezzotint.cache.locks import HostLocks
from mezzotint.cache.losing import files_of
from mezzotint.errors import StorageFull
from tests.cache.caches import assert_holds, file_of, held, name_of, open_cache
from tests.waiting import until


def full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def _raise(error: Exception) -> None:
    raise error


class Closed:
    """A connection whose file was removed."""

    def execute(self, *arguments: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    def close(self) -> None: ...


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    opened = open_cache(tmp_path / "cache")
    yield opened
    opened.close()


def test_patience_for_a_lock_has_an_end(tmp_path: Path) -> None:
    locks = HostLocks(tmp_path / "control" / "locks")
    with locks.hold("a"), pytest.raises(TimeoutError, match="the lock a is held"), locks.hold("a", patience=0):
        pass


def test_a_log_of_hits_that_cannot_be_read_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "hits.log").mkdir()
    hits, locks = Hits(tmp_path / "hits.log"), HostLocks(tmp_path / "locks")
    assert [hits.take(locks) for _ in range(3)] == [{}, {}, {}]
    assert len([line for line in caplog.messages if "what nginx has sent does not count" in line]) == 1


def test_housekeeping_that_fails_is_told_and_goes_on(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([OSError("no"), OSError("never")])
    housekeeping, cleaned = Housekeeping(cache, 0.01), []

    def clean() -> None:
        for error in failures:
            raise error
        cleaned.append(1)

    monkeypatch.setattr(housekeeping._cleaner, "clean", clean)
    housekeeping.start()
    try:
        until(lambda: cleaned)
    finally:
        housekeeping.stop()


def test_completing_ends_with_housekeeping_and_is_done_later(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(5):
        cache.put(name_of(n), b"x")
    housekeeping, counted = Housekeeping(cache, 60), []
    complete = cache.complete

    def stopped_half_way(progress: object) -> None:
        def count(number: int) -> None:
            counted.append(number)
            housekeeping._stopped = number == 2
            progress(number)  # type: ignore[operator]

        complete(count)

    cache.index._begin_anew(cache.index._inodes)
    monkeypatch.setattr(cache, "complete", stopped_half_way)
    housekeeping._complete()
    assert counted == [1, 2]
    assert not cache.index.is_complete(cache.directories)
    monkeypatch.setattr(cache, "complete", complete)
    cache.complete()
    assert_holds(cache, {name_of(n): b"x" for n in range(5)})


def test_completing_that_fails_is_told(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(progress: object) -> None:
        raise OSError("no such disk")

    monkeypatch.setattr(cache, "complete", fails)
    Housekeeping(cache, 60)._complete()
    assert any("could not be completed" in line for line in caplog.messages)


def test_what_is_remembered_of_files_is_bounded(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "_REMEMBERED", 3)
    for n in range(10):
        cache.put(name_of(n), b"%d" % n)
    for _ in range(2):
        assert [held(cache, name_of(n)) for n in range(10)] == [b"%d" % n for n in range(10)]
        assert len(cache._seen) <= 3


def test_a_file_is_seen_once_it_was_opened_as_it_is_now(cache: Cache) -> None:
    cache.put(name_of(1), b"one")
    assert cache.open_seen(name_of(1)) is None
    assert held(cache, name_of(1)) == b"one"
    found = cache.open_seen(name_of(1))
    assert found is not None and found.read() == b"one"
    file_of(cache, name_of(1)).unlink()
    assert cache.open_seen(name_of(1)) is None


def test_a_cache_whose_directory_cannot_be_made_again_is_full(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "cache").rename(tmp_path / "away")
    (tmp_path / "cache").symlink_to(tmp_path / "a disk that is not there")
    with pytest.raises(StorageFull, match="is being removed"):
        cache.put(name_of(1), b"one")


@pytest.mark.parametrize("what", ["a query", "a change", "opening"])
def test_an_index_on_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    index = SqliteIndex(tmp_path / "index.sqlite3")

    def fails(*arguments: object) -> None:
        raise full()

    if what == "a change":
        monkeypatch.setattr(index, "_transact", fails)
        with pytest.raises(StorageFull):
            index.remember("key", "value")
    elif what == "opening":
        monkeypatch.setattr("mezzotint.cache.sqlite._connect", fails)
        with pytest.raises(StorageFull):
            SqliteIndex(tmp_path / "other.sqlite3")
    else:
        monkeypatch.setattr("mezzotint.cache.sqlite._connect", fails)
        held_before = index._inodes
        with pytest.raises(StorageFull):
            index._begin_anew(held_before)
        assert not index.available
        assert index.recall("key") is None
    monkeypatch.undo()
    index.look()
    index.remember("key", "value")
    assert index.recall("key") == "value"
    index.close()


def test_who_only_asks_does_not_fail_of_a_full_disk(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index's file is gone, and there is no room for another."""
    cache.put(name_of(1), b"one")
    with monkeypatch.context() as patch:
        patch.setattr("mezzotint.cache.sqlite._connect", lambda path: _raise(full()))
        for file in files_of(cache.index._path):
            file.unlink()
        patch.setattr(cache.index, "_reader", Closed())
        assert cache.index.find("a") is None
        assert not cache.index.available
        assert held(cache, name_of(1)) == b"one", "the files are the truth"
    cache.look()
    cache.complete()
    assert_holds(cache, {name_of(1): b"one"})
