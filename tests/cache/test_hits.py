"""The log that nginx writes: its lines are uses, each is counted once, and nothing in it is an error."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mezzotint.cache import Cache
from tests.cache.caches import OwnCache, ident_of, name_of_any_kind
from tests.cache.indexes import Indexes
from tests.waiting import until

NOW = 1_900_000_000.0
"""later than any use that a test makes by itself"""

TAKE = """
import json
from mezzotint.cache.hits import Hits
from mezzotint.host.locks import HostLocks

hits, locks = Hits(Path(sys.argv[1])), HostLocks(Path(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
for line in sys.stdin:
    print(json.dumps(hits.take(locks)), flush=True)
"""


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    opened = OwnCache(tmp_path / "cache", hits=tmp_path / "nginx" / "hits.log")
    opened.hits.prepare()
    yield opened
    opened.close()


def say(cache: Cache, *lines: str) -> None:
    with open(cache.hits.log, "a") as log:
        log.writelines(f"{line}\n" for line in lines)


def hit(n: int, at: float) -> str:
    """As nginx says it."""
    return f"{at:.3f} /{path_of(n)}"


def order(cache: Cache) -> list[str]:
    return [entry.path for entry in cache.index.least_recently_used(1000)]


def filled(cache: Cache, count: int) -> None:
    """Files 0, 1, 2, ... in the order of their use, long ago."""
    for n in range(count):
        cache.put(name_of_any_kind(n), b"x")
        entry = cache.index.find(path_of(n))
        assert entry is not None
        cache.index.add(replace(entry, used=n))


def path_of(n: int) -> str:
    return Cache.path_of(name_of_any_kind(n))


def test_the_least_recently_sent_come_first(cache: Cache) -> None:
    filled(cache, 6)
    say(cache, *(hit(n, NOW + at) for at, n in enumerate([0, 4, 1, 0, 3])))
    cache.flush()
    assert order(cache) == [path_of(n) for n in (2, 5, 4, 1, 0, 3)]
    found = cache.index.find(path_of(3))
    assert found is not None and found.used == int((NOW + 4) * 1000)


def test_the_last_use_counts_in_whatever_order_they_are_told(cache: Cache) -> None:
    """Each of nginx's processes writes for itself."""
    filled(cache, 3)
    say(cache, hit(0, NOW + 9), hit(1, NOW + 8), hit(0, NOW + 1))
    cache.flush()
    assert order(cache) == [path_of(n) for n in (2, 1, 0)]


def test_a_use_of_nginx_and_one_of_this_process_are_one(cache: Cache) -> None:
    filled(cache, 2)
    cache.touch(name_of_any_kind(0))
    say(cache, hit(0, NOW))
    cache.flush()
    found = cache.index.find(path_of(0))
    assert found is not None and found.used == int(NOW * 1000)
    cache.touch(name_of_any_kind(1))
    say(cache, hit(1, 1_500_000_000))
    cache.flush()
    found = cache.index.find(path_of(1))
    assert found is not None and 1_500_000_000_000 < found.used < NOW * 1000


FOREIGN = [
    "",
    " ",
    "nonsense",
    "1900000000.000",
    "1900000000.000 ",
    " {path}",
    "{path}",
    "yesterday {path}",
    "nan {path}",
    "inf {path}",
    "-inf {path}",
    "1e300 {path}",
    "-1e300 {path}",
    "1900000000.000  {path}",
    "1900000000.000 {path} ",
    "1900000000.000 {path}\t",
    "1900000000.000 /{path}",
    "1900000000.000 {directory}{path}",
    "1900000000.000 /elsewhere{path}",
    "1900000000.000 /../cache{path}",
    "1900000000.000 /.{path}",
    "1900000000.000 /native/..{path}",
    "1900000000.000 /../../../../etc/passwd",
    "1900000000.000 /native/../../../../etc/passwd",
    "1900000000.000 /.control/index.sqlite3",
    "1900000000.000 /native",
    "1900000000.000 /",
    "1900000000.000 {path}/",
    "1900000000.000 {path}\x00",
    "1900000000.000 {path}\\x22",
    "1900000000.000 {path}é",
    "1900000000.000 {path}?width=1",
    "1900000000.000 {path} 1900000000.000 {path}",
    "\x00" * 5000,
    "9" * 5000 + " {path}",
]


@pytest.mark.parametrize("line", FOREIGN)
def test_a_line_that_is_none_of_ours_is_ignored_and_the_rest_counts(cache: Cache, line: str) -> None:
    filled(cache, 3)
    before = cache.index.find(path_of(0))
    foreign = line.format(path=f"/{path_of(0)}", directory=cache.directory)
    say(cache, hit(2, NOW), foreign, hit(1, NOW + 1))
    cache.flush()
    assert order(cache) == [path_of(n) for n in (0, 2, 1)]
    assert cache.index.find(path_of(0)) == before
    assert cache.hits.log.stat().st_size == 0


def test_bytes_that_are_no_text_are_ignored(cache: Cache) -> None:
    filled(cache, 3)
    cache.hits.log.write_bytes(b"\xff\xfe 1\n" + os.urandom(4000) + f"\n{hit(1, NOW)}\n".encode())
    cache.flush()
    assert order(cache) == [path_of(n) for n in (0, 2, 1)]


def test_a_file_that_has_gone_is_not_counted_again(cache: Cache) -> None:
    filled(cache, 2)
    say(cache, hit(0, NOW), hit(100, NOW))
    cache.purge(ident_of(0))
    cache.flush()
    assert order(cache) == [path_of(1)]
    assert cache.totals().files == 1


def test_the_log_is_emptied_and_written_on(cache: Cache) -> None:
    """By whoever has it open, as nginx has."""
    filled(cache, 2)
    with open(cache.hits.log, "a") as nginx:
        for at, n in enumerate([0, 1, 0]):
            nginx.write(hit(n, NOW + at) + "\n")
            nginx.flush()
            assert cache.hits.take(cache.locks) == {name_of_any_kind(n): NOW + at}
            assert cache.hits.log.stat().st_size == 0
    assert cache.hits.take(cache.locks) == {}


def test_a_log_that_is_missing_is_no_error(cache: Cache) -> None:
    filled(cache, 1)
    cache.hits.log.unlink()
    cache.flush()
    cache.hits.log.parent.rmdir()
    cache.flush()
    cache.hits.prepare()
    say(cache, hit(0, NOW))
    assert cache.hits.take(cache.locks) == {name_of_any_kind(0): NOW}


def test_a_log_that_is_prepared_keeps_its_lines(cache: Cache) -> None:
    say(cache, hit(0, NOW))
    assert cache.hits.prepare() == cache.hits.log
    assert cache.hits.take(cache.locks) == {name_of_any_kind(0): NOW}


def test_of_a_huge_log_the_end_counts(cache: Cache) -> None:
    filled(cache, 3)
    say(cache, hit(0, NOW))
    with open(cache.hits.log, "r+b") as log:
        log.truncate(3 << 30)
    say(cache, "", hit(1, NOW))
    cache.flush()
    assert order(cache)[-1] == path_of(1)
    assert cache.hits.log.stat().st_size == 0


def test_each_line_is_told_to_one_process(cache: Cache) -> None:
    indexes = Indexes(None)
    locks = cache.directory / ".control" / "locks"
    processes = [indexes.process(TAKE, cache.hits.log, locks) for _ in range(4)]
    told = list[dict[str, float]]()
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for turn in range(50):
        say(cache, *(hit(n, NOW) for n in range(turn * 20, turn * 20 + 20)))
        for process in processes:  # at once
            assert process.stdin is not None
            process.stdin.write("\n" * (2 if turn == 0 else 1))
            process.stdin.flush()
        for process in processes:
            assert process.stdout is not None
            told.append(json.loads(process.stdout.readline()))
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * 4
    names = [name for one in told for name in one]
    assert sorted(names) == sorted(name_of_any_kind(n) for n in range(1000))


def test_threads_are_told_each_line_once(cache: Cache) -> None:
    told, stop = list[str](), threading.Event()

    def take() -> None:
        while not stop.is_set():
            told.extend(cache.hits.take(cache.locks))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(50):
        say(cache, *(hit(n, NOW) for n in range(turn * 10, turn * 10 + 10)))
        until(lambda: cache.hits.log.stat().st_size == 0, 0.001)
    stop.set()
    for thread in threads:
        thread.join()
    assert sorted(told) == sorted(name_of_any_kind(n) for n in range(500))
