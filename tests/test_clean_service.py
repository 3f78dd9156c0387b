"""`mezzotint clean`, and `mezzotint clean --loop` as a service of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from mezzotint.cache import Cache
from mezzotint.cache.index import BLOCK
from tests.backends.redis import Redis
from tests.cache.caches import OwnCache, counted, file_of, name_of, name_of_any_kind
from tests.cache.indexes import Indexes
from tests.conftest import PROGRAM, environment, run
from tests.servers import rm_rf
from tests.waiting import PATIENCE, until

FILE = bytes(10_000 - BLOCK)
"""takes 10,000 of the disk, as it is counted"""
SMALL = {"COVER_ART_CACHE_MAX_SIZE": "1", "COVER_ART_CACHE_CLEANUP_INTERVAL": "1"}
LIMIT = 1 << 20
HIGH, LOW = int(LIMIT * 0.95), int(LIMIT * 0.90)
LEFT = LOW // 10_000


@pytest.fixture(params=["sqlite", "redis"])
def variables(request: pytest.FixtureRequest) -> dict[str, str]:
    """Of a cache of 1 MB, whose index is kept by each kind."""
    if request.param == "sqlite":
        return SMALL
    server: Redis = request.getfixturevalue("redis")
    return SMALL | {"REDIS_URL": server.database()}


@contextmanager
def opened(data: Path, variables: dict[str, str]) -> Iterator[Cache]:
    """The cache that those who are started with these `variables` have."""
    url = variables.get("REDIS_URL")
    with closing(OwnCache(data / "cache", LIMIT, Indexes(url), data / "host")) as cache:
        yield cache


@contextmanager
def loop(data: Path, variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`mezzotint clean --loop`, when it has begun. What it says goes to one pipe."""
    process = subprocess.Popen(
        [PROGRAM, "clean", "--loop"],
        env=environment(data, **variables),
        cwd=data.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout
        assert "cleaning" in process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)
        if process.stdout:
            process.stdout.close()


def ended(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> str:
    """What it had said when this signal had ended it."""
    process.send_signal(number)
    told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told
    assert "Traceback" not in told
    return told


def removed(told: str) -> int:
    """How many files, by what was said of it."""
    return sum(int(count.replace(",", "")) for count in re.findall(r"removed ([\d,]+) files", told))


def fill(cache: Cache, numbers: Iterable[int], named: Callable[[int], str] = name_of) -> list[str]:
    """Files that were used one after the other, from now on."""
    names = [named(n) for n in numbers]
    for name in names:
        cache.put(name, FILE)
    begun = int(time.time() * 1000) + 1000
    cache.index.touch((cache.path_of(name), begun + n) for n, name in enumerate(names))
    return names


def is_exact(cache: Cache) -> bool:
    """What is cleaned at this moment is still counted, or not any more."""
    with suppress(FileNotFoundError):
        return cache.totals() == counted(cache)
    return False


def kept(cache: Cache, names: list[str]) -> list[str]:
    return [name for name in names if file_of(cache, name).exists()]


def cleaned(data: Path, variables: dict[str, str]) -> int:
    done = run(data, "clean", **variables)
    assert done.returncode == 0, done.stderr
    return removed(done.stdout)


def test_it_begins_above_95_percent_and_ends_at_90(tmp_path: Path, variables: dict[str, str]) -> None:
    with opened(tmp_path / "data", variables) as cache:
        names = fill(cache, range(HIGH // 10_000))
        assert cleaned(tmp_path / "data", variables) == 0
        assert kept(cache, names) == names
        names += fill(cache, [len(names)])
        assert cache.totals().on_disk > HIGH
        assert cleaned(tmp_path / "data", variables) == len(names) - LEFT
        assert LOW - 10_000 < cache.totals().on_disk <= LOW
        assert cache.totals() == counted(cache)
        assert kept(cache, names) == names[-LEFT:], "the least recently used went first"


def test_what_was_used_since_stays(tmp_path: Path, variables: dict[str, str]) -> None:
    with opened(tmp_path / "data", variables) as cache:
        names = fill(cache, range(104), name_of_any_kind)
        used = names[:30:3]
        later = int(time.time() * 1000) + 60_000
        cache.index.touch((cache.path_of(name), later) for name in used)
        assert cleaned(tmp_path / "data", variables) == len(names) - LEFT
        rest = [name for name in names if name not in used]
        gone = rest[: len(names) - LEFT]
        assert kept(cache, names) == [name for name in names if name not in gone]
        assert cache.totals() == counted(cache)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_service_cleans_whenever_it_is_needed_until_it_is_ended(
    tmp_path: Path, variables: dict[str, str], number: int
) -> None:
    with loop(tmp_path / "data", variables) as service, opened(tmp_path / "data", variables) as cache:
        gone = 0
        for start in (0, 110, 220):
            for n in range(start, start + 110):
                cache.put(name_of(n), FILE)
            assert until(lambda: cache.totals().on_disk <= HIGH), cache.totals()
            assert until(lambda: cache.totals() == counted(cache)), (
                "between two batches a file is gone before its entry"
            )
            gone = start + 110 - cache.totals().files
        assert removed(ended(service, number)) == gone
        assert kept(cache, [name_of(n) for n in range(220)]) == []


def test_the_service_outlives_the_removal_of_everything(tmp_path: Path, variables: dict[str, str]) -> None:
    with loop(tmp_path / "data", variables) as service:
        with opened(tmp_path / "data", variables) as cache:
            fill(cache, range(90))
        rm_rf(tmp_path / "data" / "cache")
        with opened(tmp_path / "data", variables) as cache:  # which begins before the service has noticed
            fill(cache, range(110))
            assert until(lambda: cache.totals().on_disk <= HIGH and is_exact(cache)), (cache.totals(), counted(cache))
        ended(service)


def test_it_is_a_service_without_a_database(tmp_path: Path) -> None:
    with loop(tmp_path / "data", SMALL) as service:
        ended(service)
    assert not list((tmp_path / "data").rglob("mezzotint.sqlite3"))


def test_who_cleans_elsewhere_is_waited_for(tmp_path: Path, redis: Redis) -> None:
    variables = SMALL | {"REDIS_URL": redis.database()}
    with opened(tmp_path / "data", variables) as cache:
        fill(cache, range(110))
        assert cache.index.lead(), "as another host would"
        assert cleaned(tmp_path / "data", variables) == 0
        assert cache.totals().files == 110
        cache.index.resign()
        with cache.locks.attempt("cleaner") as mine:
            assert mine, "as another process of this host would"
            assert cleaned(tmp_path / "data", variables) == 0
        assert cleaned(tmp_path / "data", variables) == 110 - LEFT


def test_two_at_once_remove_each_file_once(tmp_path: Path, variables: dict[str, str]) -> None:
    data, count, writers = tmp_path / "data", 400, 3

    def put(cache: Cache, first: int) -> None:
        for n in range(first, first + count):
            cache.put(name_of_any_kind(n), FILE)

    with loop(data, variables) as one, loop(data, variables) as other, opened(data, variables) as cache:
        threads = [threading.Thread(target=put, args=(cache, n * count)) for n in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert until(lambda: cache.totals().on_disk <= HIGH), cache.totals()
        gone = removed(ended(one)) + removed(ended(other))
        assert cache.totals() == counted(cache)
        assert gone == writers * count - cache.totals().files
        assert cache.totals().on_disk > LOW - 2 * 10_000, "and none that need not go"


def test_a_service_whose_redis_is_away_goes_on_when_it_is_back(tmp_path: Path, breakable_redis: Redis) -> None:
    variables = SMALL | {"REDIS_URL": breakable_redis.url}
    with loop(tmp_path / "data", variables) as service:
        breakable_redis.kill()
        with opened(tmp_path / "data", variables) as cache:
            fill(cache, range(110))
        breakable_redis.restart()
        with opened(tmp_path / "data", variables) as cache:
            assert until(lambda: 0 < cache.totals().on_disk <= HIGH and is_exact(cache)), cache.totals()
        assert removed(ended(service)) == 110 - LEFT


def test_once_without_its_redis_it_ends_and_removes_nothing(tmp_path: Path, breakable_redis: Redis) -> None:
    variables = SMALL | {"REDIS_URL": breakable_redis.url}
    with opened(tmp_path / "data", variables) as cache:
        names = fill(cache, range(110))
        breakable_redis.kill()
        done = run(tmp_path / "data", "clean", **variables)
        assert "Traceback" not in done.stderr
        assert kept(cache, names) == names
