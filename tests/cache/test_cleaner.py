"""The cleaner removes the least recently used, from above 95 % down to 90 %."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mezzotint.cache import Cleaner, Cleaning, Totals
from mezzotint.cache.cleaner import Housekeeping
from mezzotint.cache.index import BLOCK, Entry
from tests.cache.caches import OwnCache, file_of, held, name_of, on_disk, open_cache
from tests.waiting import PATIENCE

SIZE = 100
EACH = SIZE + BLOCK
"""what one takes on the disk, as it is counted"""


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[OwnCache]:
    """Holds a hundred files of SIZE."""
    opened = open_cache(tmp_path / "cache", max_size=100 * EACH)
    yield opened
    opened.close()


def fill(cache: OwnCache, count: int) -> None:
    """Files 0, 1, 2, ... in the order of their use."""
    for n in range(count):
        cache.put(name_of(n), b"x" * SIZE)
    cache.index.touch([(cache.path_of(name_of(n)), 2**50 + n) for n in range(count)])


@pytest.mark.parametrize(("files", "left"), [(0, 0), (90, 90), (95, 95), (96, 90), (100, 90), (130, 90)])
def test_cleaning_begins_above_the_upper_mark_and_ends_at_the_lower(cache: OwnCache, files: int, left: int) -> None:
    fill(cache, files)
    cleaner = Cleaner(cache)
    assert cleaner.is_needed() == (files > 95)
    assert cleaner.clean() == Cleaning(files - left, (files - left) * SIZE)
    assert cache.totals() == Totals(left, left * SIZE)
    assert not cleaner.is_needed()


def test_the_least_recently_used_go_first(cache: OwnCache) -> None:
    fill(cache, 100)
    for n in (0, 1, 2):
        assert held(cache, name_of(n)) is not None
    cache.index.touch([(cache.path_of(name_of(n)), 2**51) for n in (0, 1, 2)])
    Cleaner(cache).clean()
    gone = {n for n in range(100) if not file_of(cache, name_of(n)).exists()}
    assert gone == set(range(3, 13))


def test_a_hit_saves_a_file_from_the_next_cleaning(cache: OwnCache) -> None:
    for n in range(100):
        cache.put(name_of(n), b"x" * SIZE)
    assert held(cache, name_of(0)) is not None
    cache.flush()
    Cleaner(cache).clean()
    assert file_of(cache, name_of(0)).exists()
    assert not file_of(cache, name_of(1)).exists()


def test_files_and_index_agree_after_a_cleaning(cache: OwnCache) -> None:
    fill(cache, 120)
    Cleaner(cache).clean()
    files = on_disk(cache)
    assert cache.totals() == Totals(len(files), sum(files.values()))
    assert all(held(cache, name) == b"x" * SIZE for name in files)


def test_a_reader_finishes_what_the_cleaner_took_away(cache: OwnCache) -> None:
    fill(cache, 100)
    found = cache.open(name_of(0))
    assert found is not None
    Cleaner(cache).clean_to(0)
    assert on_disk(cache) == {}
    assert found.read() == b"x" * SIZE


def test_entries_without_files_are_cleaned_like_others(cache: OwnCache) -> None:
    fill(cache, 100)
    for n in range(50):
        file_of(cache, name_of(n)).unlink()
    Cleaner(cache).clean()
    assert cache.totals() == Totals(90, 9000)


def test_cleaning_tells_how_far_it_is(cache: OwnCache) -> None:
    fill(cache, 250)
    told: list[int] = []
    done = Cleaner(cache).clean_to(0, told.append)
    assert done == Cleaning(250, 250 * SIZE)
    assert sum(told) == 250 * EACH and len(told) > 1


def test_one_cleaner_works_at_a_time(cache: OwnCache) -> None:
    fill(cache, 100)
    with cache.locks.hold("cleaner"):
        assert Cleaner(open_cache(cache.directory, max_size=100 * EACH)).clean() == Cleaning(0, 0)
    assert Cleaner(cache).clean().removed_files == 10


def test_many_cleaners_together_remove_no_more_than_one(cache: OwnCache) -> None:
    fill(cache, 130)
    others = [open_cache(cache.directory, max_size=100 * EACH) for _ in range(4)]
    removed: list[int] = []
    threads = [threading.Thread(target=lambda c=c: removed.append(Cleaner(c).clean().removed_files)) for c in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert sum(removed) == 40
    assert cache.totals() == Totals(90, 9000)


def test_putting_while_cleaning_keeps_the_count(cache: OwnCache) -> None:
    fill(cache, 100)
    stop = threading.Event()

    def clean() -> None:
        while not stop.is_set():
            Cleaner(cache).clean_to(20 * EACH)

    cleaner = threading.Thread(target=clean)
    cleaner.start()
    for n in range(150):
        cache.put(name_of(n % 20, f"{n}x1"), b"x" * SIZE)
    stop.set()
    cleaner.join()
    files = on_disk(cache)
    assert cache.totals() == Totals(len(files), sum(files.values()))


def test_housekeeping_cleans_when_something_was_put_in(cache: OwnCache) -> None:
    fill(cache, 100)
    cleaned = threading.Event()
    drop = cache.drop

    def dropping(entries: list[Entry]) -> tuple[list[Entry], bool]:
        dropped = drop(entries)
        cleaned.set()
        return dropped

    cache.drop = dropping  # type: ignore[method-assign]
    housekeeping = Housekeeping(Cleaner(cache), interval=3600)
    housekeeping.start()
    cache.changed.set()
    assert cleaned.wait(PATIENCE)
    housekeeping.stop()
    assert cache.totals() == Totals(90, 9000)


def stick(cache: OwnCache, n: int) -> None:
    """In its place lies what cannot be unlinked, as a file of somebody else's, or an immutable one."""
    file_of(cache, name_of(n)).unlink()
    file_of(cache, name_of(n)).mkdir()


def test_a_file_that_cannot_be_removed_keeps_no_other_from_being_cleaned(
    cache: OwnCache, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(20):
        cache.put(name_of(n), b"x" * SIZE)
        entry = cache.index.find(cache.path_of(name_of(n)))
        assert entry is not None
        cache.index.add(replace(entry, used=n))
    for n in (0, 3):
        stick(cache, n)
    assert Cleaner(cache).clean_to(5 * EACH) == Cleaning(15, 15 * SIZE)
    assert Cleaner(cache).clean_to(0) == Cleaning(3, 3 * SIZE)
    assert Cleaner(cache).clean_to(0) == Cleaning(0, 0)
    assert cache.totals() == Totals(2, 2 * SIZE)
    assert any("cannot be removed" in line for line in caplog.messages)


def test_a_file_that_cannot_be_removed_keeps_no_rescan_from_its_end(
    cache: OwnCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache, 5)
    file_of(cache, name_of(2)).write_bytes(b"")
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path == file_of(cache, name_of(2)):
            raise PermissionError(1, "Operation not permitted", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    cache.rescan()
    assert not cache.look(), "all that can be known is known"
    assert held(cache, name_of(2)) is None
    assert held(cache, name_of(3)) is not None


def test_an_empty_cache_has_nothing_to_clean(cache: OwnCache) -> None:
    assert Cleaner(cache).clean_to(0) == Cleaning(0, 0)


def test_housekeeping_starts_once_however_many_threads_ask_for_it(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    housekeeping = Housekeeping(Cleaner(cache))
    threads = [threading.Thread(target=housekeeping.start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    running = [thread for thread in threading.enumerate() if thread.name == "cache-housekeeping"]
    assert len(running) == 1
    housekeeping.stop()
    assert not running[0].is_alive()
    cache.close()


def test_an_index_that_is_lost_while_it_is_cleaned_ends_it(cache: OwnCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it cannot forget it would name again and again."""
    fill(cache, 20)
    batches = cache.index.least_recently_used(20)

    def lost(count: int) -> list[Entry]:
        cache.host.database.available = False
        return batches[:count]

    monkeypatch.setattr(cache.index, "least_recently_used", lost)
    assert Cleaner(cache).clean_to(0) == Cleaning(0, 0)


def test_small_files_are_counted_as_the_disk_counts_them(tmp_path: Path) -> None:
    """A crop of one pixel is of a hundred bytes, and takes a block."""
    cache = open_cache(tmp_path / "small", max_size=1_000_000)
    for n in range(1000):
        cache.put(name_of(n), b"x" * 60)
        Cleaner(cache).clean()
    os.sync()
    taken = sum(file_of(cache, name).stat().st_blocks * 512 for name in on_disk(cache))
    assert 0 < taken <= 1_000_000
    assert cache.totals().on_disk >= taken
    cache.close()
