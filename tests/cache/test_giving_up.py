"""An index that cannot be had, and files that cannot be looked at: nothing stays open, and the files are the truth."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from mezzotint.cache import Cache, SqliteIndex
from mezzotint.cache import sqlite as sqlite_module
from mezzotint.cache.losing import files_of
from mezzotint.errors import StorageFull
from tests.cache.caches import assert_holds, file_of, held, name_of, on_disk, open_cache
from tests.cache.indexes import Indexes

OF_SQLITE = {"lost": sqlite3.SQLITE_IOERR, "busy": sqlite3.SQLITE_BUSY, "odd": sqlite3.SQLITE_ERROR}


def error(kind: str) -> sqlite3.OperationalError:
    made = sqlite3.OperationalError(f"a {kind} database")
    made.sqlite_errorcode = OF_SQLITE[kind]
    return made


def fails(why: Exception) -> Callable[..., Any]:
    def failing(*arguments: object, **options: object) -> None:
        raise why

    return failing


class Failing:
    """A connection on which everything fails so."""

    def __init__(self, why: Exception) -> None:
        self.execute = fails(why)

    def close(self) -> None: ...


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    opened = open_cache(tmp_path / "cache")
    yield opened
    opened.close()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_file_that_cannot_be_looked_at_is_closed(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put(name_of(1), b"one")
    monkeypatch.setattr(cache.index, "find", fails(error("odd")))
    before = open_files()
    with pytest.raises(sqlite3.OperationalError):
        cache.open(name_of(1))
    assert open_files() == before


def test_a_file_that_is_not_kept_is_closed_and_gone(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.index, "add", fails(StorageFull("no space left for the cache's index")))
    before = open_files()
    with cache.receiving(name_of(1)) as received:
        received.write(b"one")
        with pytest.raises(StorageFull):
            received.keep()
    assert open_files() == before
    assert (held(cache, name_of(1)), on_disk(cache)) == (None, {})
    monkeypatch.undo()
    with cache.receiving(name_of(1)) as received:
        received.write(b"one")
        assert received.digest() == hashlib.sha256(b"one").hexdigest()
        os.close(received.keep())
    assert_holds(cache, {name_of(1): b"one"})


def test_an_index_whose_directory_goes_as_fast_as_it_is_made_is_given_up(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache.put(name_of(1), b"one")
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_module, "_PAUSE", 0.0)
        patch.setattr(sqlite_module, "make_directory", fails(FileNotFoundError("it is gone")))
        for file in files_of(cache.index._path):
            file.unlink()
        cache.index.look()
        assert not cache.index.available
        assert (cache.index.find("a"), cache.index.totals().files) == (None, 0)
        cache.put(name_of(2), b"two")
        assert [held(cache, name_of(n)) for n in (1, 2)] == [b"one", b"two"], "the files are the truth"
    assert len([line for line in caplog.messages if "the cache's index is unavailable" in line]) == 1
    cache.look()
    cache.complete()
    assert_holds(cache, {name_of(1): b"one", name_of(2): b"two"})


@pytest.mark.parametrize("kind", ["busy", "odd"])
def test_an_index_that_cannot_be_opened_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(sqlite_module, "_PAUSE", 0.0)
    tries = list[Path]()

    def connect(path: Path) -> None:
        tries.append(path)
        raise error(kind)

    monkeypatch.setattr(sqlite_module, "_connect", connect)
    with pytest.raises(sqlite3.OperationalError, match=f"a {kind} database"):
        SqliteIndex(tmp_path / "index.sqlite3")
    assert len(tries) == (1 if kind == "odd" else sqlite_module._TRIES)


def test_an_error_that_is_no_loss_is_raised(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(cache.index, "_reader", Failing(error("odd")))
        patch.setattr(cache.index, "_transact", fails(error("odd")))
        with pytest.raises(sqlite3.OperationalError):
            cache.index.recall("key")
        with pytest.raises(sqlite3.OperationalError):
            cache.index.remember("key", "value")
    assert cache.index.available
    cache.index.remember("key", "value")
    assert cache.index.recall("key") == "value"


@pytest.mark.parametrize("what", ["asked", "changed"])
def test_an_index_that_is_lost_again_each_time_it_begins_anew_is_given_up(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    index, begun = cache.index, list[Exception]()
    with monkeypatch.context() as patch:
        patch.setattr(index, "_begin_anew", lambda held, why: begun.append(why))
        patch.setattr(index, "_reader", Failing(error("lost")))
        patch.setattr(index, "_transact", fails(error("lost")))
        if what == "asked":
            assert index.recall("key") is None
        else:
            index.remember("key", "value")
        assert (index.available, len(begun)) == (False, sqlite_module._TRIES)
    index.look()
    assert (index.available, index.recall("key")) == (True, None)


def test_completing_that_cannot_begin_leaves_all_as_it_is(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put(name_of(1), b"one")
    cache.index._begin_anew(cache.index._inodes)
    with monkeypatch.context() as patch:
        patch.setattr(cache.index, "begin_completing", lambda: False)
        file_of(cache, name_of(2)).parent.mkdir(parents=True)
        file_of(cache, name_of(2)).write_bytes(b"")
        cache.rescan()
        assert not cache.index.is_complete(cache.directories)
        assert file_of(cache, name_of(2)).exists()
    cache.rescan()
    assert_holds(cache, {name_of(1): b"one"})


def test_what_is_being_written_is_left_alone(cache: Cache) -> None:
    cache.put(name_of(1), b"one")
    directory = file_of(cache, name_of(1)).parent
    young, old, other = (directory / name for name in (".young.part", ".old.part", ".other"))
    for file in (young, old, other):
        file.write_bytes(b"x")
        os.utime(file, (then := time.time() - (10 if file == young else 7200), then))
    cache.rescan()
    assert [file.exists() for file in (young, old, other)] == [True, False, True]
    assert_holds(cache, {name_of(1): b"one"})


def test_an_index_that_cannot_be_doubted_in_redis_is_doubted_here(
    open_redis: Indexes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory has become that of another name, and Redis goes away before it hears of it."""
    one = open_redis(tmp_path / "index")
    (tmp_path / "name").unlink()
    two = open_redis(tmp_path / "index")
    two.begin_completing()
    two.set_complete("1")
    assert two.is_complete("1")
    with monkeypatch.context() as patch:
        patch.setattr(one, "_doubt", fails(redis.ConnectionError("it is away")))
        one.look()
    assert not one.is_complete("1")
    assert not two.is_complete("1"), "it is written down beside the index"
    one.look()
    assert one.begin_completing()
    one.set_complete("1")
    assert one.is_complete("1") and two.is_complete("1")
