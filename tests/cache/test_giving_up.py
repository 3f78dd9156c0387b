"""An index that cannot be had, and files that cannot be looked at: nothing stays open, and the files are the truth."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mezzotint.cache import Cleaner
from mezzotint.cache.rescanning import rescan
from mezzotint.errors import StorageFull
from tests.cache.caches import (
    OwnCache,
    assert_holds,
    counted,
    file_of,
    held,
    is_complete,
    name_of,
    open_cache,
    settled,
)


def fails(why: Exception) -> Callable[..., Any]:
    def failing(*arguments: object, **options: object) -> None:
        raise why

    return failing


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[OwnCache]:
    opened = open_cache(tmp_path / "cache")
    yield opened
    opened.close()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_file_that_cannot_be_looked_at_is_closed(cache: OwnCache, monkeypatch: pytest.MonkeyPatch) -> None:
    other = open_cache(cache.directory)
    other.put(name_of(1), b"one")
    other.close()
    monkeypatch.setattr(cache.index, "find", fails(sqlite3.OperationalError("odd")))
    before = open_files()
    with pytest.raises(sqlite3.OperationalError):
        cache.open(name_of(1))
    assert open_files() == before


def test_an_index_that_is_unavailable_is_completed_when_it_is_back(cache: OwnCache) -> None:
    cache.put(name_of(1), b"one")
    settled([cache])
    cache.host.database.available = False
    cache.put(name_of(2), b"two")
    assert [held(cache, name_of(n)) for n in (1, 2)] == [b"one", b"two"], "the files are the truth"
    assert cache.totals().files == 0
    cache.purge_file(name_of(1))
    settled([cache])
    assert_holds(cache, {name_of(2): b"two"})


def test_a_cleaning_that_the_index_cannot_note_ends_and_the_cache_is_gone_through(
    cache: OwnCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of the index is full, and not that of the files."""
    for n in range(5):
        cache.put(name_of(n), b"x" * 10)
    with monkeypatch.context() as patch:
        patch.setattr(cache.index, "remove", fails(StorageFull("no space left")))
        Cleaner(cache).clean_to(20)
        cache.purge(name_of(4)[:64])
        assert not is_complete(cache)
    settled([cache])
    assert cache.totals() == counted(cache)
    assert held(cache, name_of(4)) is None


def test_a_rescan_ends_where_the_index_goes(cache: OwnCache) -> None:
    for n in range(5):
        cache.put(name_of(n), b"x")
    seen: list[int] = []

    def go(count: int) -> None:
        seen.append(count)
        cache.host.database.available = False

    assert not rescan(cache.ledger, go)
    assert seen == [1]
    settled([cache])
    assert_holds(cache, {name_of(n): b"x" for n in range(5)})


def test_what_is_being_written_is_left_alone(cache: OwnCache) -> None:
    cache.put(name_of(1), b"one")
    directory = file_of(cache, name_of(1)).parent
    young, old, other = (directory / name for name in (".young.part", ".old.part", ".other"))
    for file in (young, old, other):
        file.write_bytes(b"x")
        os.utime(file, (then := time.time() - (10 if file == young else 7200), then))
    cache.rescan()
    assert [file.exists() for file in (young, old, other)] == [True, False, True]
    assert_holds(cache, {name_of(1): b"one"})
