"""Files of the cache: whole, counted, and never an error when they are gone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.cache import Totals
from tests.cache.caches import OwnCache, counted, database_of, file_of, held, ident_of, name_of, on_disk, open_cache
from tests.waiting import PATIENCE

ADVANCE = """
import sys
from pathlib import Path
from tests.cache.caches import open_cache
cache = open_cache(Path(sys.argv[1]), 1000)
print(cache.purge(sys.argv[2]))
cache.close()
"""

LIMITED = """
import resource, sys
from pathlib import Path
from tests.cache.caches import open_cache
from mezzotint.errors import StorageFull
cache = open_cache(Path(sys.argv[1]), 10**9)
cache.put(sys.argv[2], b"x")
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    cache.put(sys.argv[3], b"x" * 900_000)
except StorageFull:
    print("full")
"""


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[OwnCache]:
    opened = open_cache(tmp_path / "cache")
    yield opened
    opened.close()


def test_what_was_put_is_opened(cache: OwnCache) -> None:
    digest = cache.put(name_of(1), b"derivative")
    assert digest == hashlib.sha256(b"derivative").hexdigest()
    found = cache.open(name_of(1))
    assert found is not None
    assert (found.size, found.digest, found.read()) == (10, digest, b"derivative")
    assert cache.open(name_of(2)) is None


def test_putting_again_replaces_and_counts_once(cache: OwnCache) -> None:
    cache.put(name_of(1), b"first")
    cache.put(name_of(1), b"a longer second")
    assert held(cache, name_of(1)) == b"a longer second"
    assert cache.totals() == Totals(1, 15)
    assert on_disk(cache) == {name_of(1): 15}


def test_files_lie_deep_under_their_own_name(cache: OwnCache) -> None:
    name = name_of(1)
    cache.put(name, b"x")
    relative = file_of(cache, name).relative_to(cache.directory)
    assert relative == Path("native", name[0], name[:2], name[:3], name)


def test_a_file_that_vanished_is_a_miss_and_can_be_put_again(cache: OwnCache) -> None:
    cache.put(name_of(1), b"x")
    file_of(cache, name_of(1)).unlink()
    assert cache.open(name_of(1)) is None
    cache.put(name_of(1), b"x")
    assert held(cache, name_of(1)) == b"x"
    assert cache.totals() == Totals(1, 1)


@pytest.mark.parametrize("length", [0, 1, 9])
def test_a_truncated_file_is_a_miss(cache: OwnCache, length: int) -> None:
    cache.put(name_of(1), b"derivative")
    os.truncate(file_of(cache, name_of(1)), length)
    assert cache.open(name_of(1)) is None
    cache.put(name_of(1), b"derivative")
    assert held(cache, name_of(1)) == b"derivative"


def test_a_whole_directory_that_vanished_is_a_miss(cache: OwnCache) -> None:
    cache.put(name_of(1), b"x")
    file_of(cache, name_of(1)).unlink()
    file_of(cache, name_of(1)).parent.rmdir()
    file_of(cache, name_of(1)).parent.parent.rmdir()
    assert cache.open(name_of(1)) is None
    cache.put(name_of(1), b"y")
    assert held(cache, name_of(1)) == b"y"


def test_a_file_that_nobody_counted_counts_from_now_on(cache: OwnCache) -> None:
    path = file_of(cache, name_of(1))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"from elsewhere")
    assert held(cache, name_of(1)) == b"from elsewhere"
    assert cache.totals() == Totals(1, 14)
    assert cache.purge(ident_of(1)) == 1


def test_an_open_file_stays_readable_when_it_is_dropped(cache: OwnCache) -> None:
    cache.put(name_of(1), b"still here")
    found = cache.open(name_of(1))
    assert found is not None
    cache.purge(ident_of(1))
    assert not file_of(cache, name_of(1)).exists()
    assert found.path.read_bytes() == b"still here"
    assert found.read() == b"still here"


def test_reading_and_missing_leave_no_descriptor_open(cache: OwnCache) -> None:
    cache.put(name_of(1), b"x")
    cache.put(name_of(2), b"xyz")
    os.truncate(file_of(cache, name_of(2)), 1)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        held(cache, name_of(1))
        held(cache, name_of(2))
        held(cache, name_of(3))
    assert len(os.listdir("/proc/self/fd")) == before


def test_readers_see_whole_files_only(cache: OwnCache) -> None:
    bodies = {size: bytes([size % 251]) * size for size in (1000, 50_000, 200_000)}
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for body in bodies.values():
                cache.put(name_of(1), body)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        read = [held(cache, name_of(1)) for _ in range(200)]
    finally:
        stop.set()
        writer.join()
    assert all(data is None or data == bodies[len(data)] for data in read)


def test_totals_are_exact_under_threads_that_put_and_purge(cache: OwnCache) -> None:
    def churn(seed: int) -> None:
        for n in range(30):
            if (n + seed) % 4:
                cache.put(name_of((n * seed) % 8, f"{n % 3 + 1}x1"), b"x" * (n + 1))
            else:
                cache.purge(ident_of(n % 8))

    threads = [threading.Thread(target=churn, args=(seed,)) for seed in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = on_disk(cache)
    assert cache.totals() == Totals(len(files), sum(files.values()))
    assert files
    assert all(held(cache, name) is not None for name in files)


def test_totals_are_exact_where_what_is_put_is_purged_at_once(cache: OwnCache) -> None:
    other, stop = open_cache(cache.directory), threading.Event()

    def purge() -> None:
        while not stop.is_set():
            other.purge(ident_of(1))

    purging = threading.Thread(target=purge)
    purging.start()
    for n in range(2000):
        cache.put(name_of(1, f"{n % 50}x1"), b"x")
    stop.set()
    purging.join()
    assert cache.totals() == counted(cache)
    other.close()


def test_purging_takes_all_of_one_image_and_none_of_another(cache: OwnCache) -> None:
    for size in ("1x1", "2x2", "3x3"):
        cache.put(name_of(1, size), b"x")
    cache.put(name_of(2), b"other")
    cache.host.facts.remember(ident_of(1), "facts")
    assert cache.purge(ident_of(1)) == 3
    assert on_disk(cache) == {name_of(2): 5}
    assert cache.totals() == Totals(1, 5)
    assert cache.host.facts.recall(ident_of(1)) is None
    assert cache.purge(ident_of(1)) == 0


def test_a_purge_in_another_process_moves_the_generation_on(cache: OwnCache) -> None:
    cache.put(name_of(1), b"x")
    before = cache.generation.now()
    assert cache.generation.now() == before
    done = subprocess.run(
        [sys.executable, "-c", ADVANCE, cache.directory, ident_of(1)], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.strip() == "1", done.stderr
    assert cache.generation.now() != before
    assert cache.open(name_of(1)) is None


def test_the_generation_moves_on_each_time_and_is_shared(cache: OwnCache) -> None:
    other = open_cache(cache.directory)
    seen = {cache.generation.now()}
    for _ in range(5):
        other.generation.advance()
        assert cache.generation.now() == other.generation.now()
        seen.add(cache.generation.now())
    assert len(seen) == 6
    other.close()


def test_uses_reach_the_index_when_they_are_flushed(cache: OwnCache) -> None:
    for n in (1, 2, 3):
        cache.put(name_of(n), b"x")
        cache.index.touch([(cache.path_of(name_of(n)), n)])
    time.sleep(0.01)
    held(cache, name_of(1))
    cache.flush()
    cache.flush()
    order = [entry.path for entry in cache.index.least_recently_used(3)]
    assert order == [cache.path_of(name_of(n)) for n in (2, 3, 1)]


def test_a_rescan_finds_what_is_on_disk_and_forgets_what_is_not(cache: OwnCache) -> None:
    for n in range(6):
        cache.put(name_of(n), b"x" * (n + 1))
    file_of(cache, name_of(0)).unlink()
    cache.index.remove([cache.path_of(name_of(1))])
    seen: list[int] = []
    assert cache.rescan(seen.append) == Totals(5, 2 + 3 + 4 + 5 + 6)
    assert seen == [1, 2, 3, 4, 5] * 2, "once more, to see that nothing is left to mend"
    found = cache.open(name_of(1))
    assert found is not None
    assert found.digest == hashlib.sha256(b"xx").hexdigest()
    assert found.read() == b"xx"
    assert cache.purge(ident_of(1)) == 1


def test_a_rescan_after_the_index_was_lost_finds_everything(tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "cache")
    for n in range(4):
        cache.put(name_of(n), b"abc")
    cache.close()
    for path in database_of(cache):
        path.unlink(missing_ok=True)
    again = open_cache(tmp_path / "cache")
    assert held(again, name_of(1)) == b"abc"
    assert again.rescan() == Totals(4, 12)
    assert held(again, name_of(1)) == b"abc"
    again.close()


def test_a_file_that_vanishes_during_a_rescan_is_no_error(cache: OwnCache) -> None:
    """Files of one image lie in one directory, which is listed before they are opened."""
    names = [name_of(1, f"{n}x1") for n in range(1, 6)]
    for name in names:
        cache.put(name, b"x")

    def vanish(count: int) -> None:
        if count == 1:
            for name in names[1:]:
                file_of(cache, name).unlink(missing_ok=True)

    assert cache.rescan(vanish) == Totals(1, 1)


def test_a_rescan_removes_only_old_leftovers_of_writers(cache: OwnCache) -> None:
    cache.put(name_of(1), b"x")
    directory = file_of(cache, name_of(1)).parent
    old, young = directory / ".00.part", directory / ".11.part"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (time.time() - 86400, time.time() - 86400))
    assert cache.rescan() == Totals(1, 1)
    assert not old.exists()
    assert young.exists()


def test_a_full_disk_is_told_and_leaves_neither_file_nor_count(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "cache"), name_of(1), name_of(2)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.strip() == "full", done.stderr
    cache = open_cache(tmp_path / "cache")
    assert on_disk(cache) == {name_of(1): 1}
    assert cache.open(name_of(2)) is None
    assert cache.totals() == Totals(1, 1)
    cache.close()
