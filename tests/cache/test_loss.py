"""Redis paused, gone, emptied, full or read-only, at any moment: the cache goes on, and counts all in the end."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import redis as client_of_redis

from mezzotint.cache import Cache, Cleaner
from mezzotint.cache import cleaner as cleaner_module
from mezzotint.cache.cleaner import Housekeeping
from tests.backends.redis import Redis
from tests.cache.caches import (
    assert_holds,
    counted,
    held,
    ident_of,
    name_of,
    name_of_any_kind,
    open_cache,
    settled,
)
from tests.cache.indexes import Indexes


def _nothing(server: Redis) -> None:
    """It is as it should be already."""


def _say(*command: str) -> Callable[[Redis], None]:
    def said(server: Redis) -> None:
        with server.client() as client:
            client.execute_command(*command)

    return said


@dataclass(frozen=True)
class Fault:
    """What becomes of a Redis, and how that ends."""

    strike: Callable[[Redis], None]
    mend: Callable[[Redis], None]


FAULTS = {
    "paused": Fault(Redis.pause, Redis.resume),
    "killed": Fault(Redis.kill, Redis.restart),
    "restarted empty": Fault(Redis.restart, _nothing),
    "restarted with what it had": Fault(partial(Redis.restart, empty=False), _nothing),
    "flushed": Fault(_say("FLUSHALL"), _nothing),
    "without its scripts": Fault(_say("SCRIPT", "FLUSH"), _nothing),
    "connections cut": Fault(_say("CLIENT", "KILL", "TYPE", "normal"), _nothing),
    "full": Fault(_say("CONFIG", "SET", "maxmemory", "1"), _say("CONFIG", "SET", "maxmemory", "0")),
    "read-only": Fault(_say("REPLICAOF", "127.0.0.1", "1"), _say("REPLICAOF", "NO", "ONE")),
}


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> Fault:
    return FAULTS[request.param]


@pytest.fixture
def open_index(breakable_redis: Redis) -> Iterator[Indexes]:
    indexes = Indexes(breakable_redis.url)
    yield indexes
    indexes.close()


@pytest.fixture
def cache(open_index: Indexes, tmp_path: Path) -> Iterator[Cache]:
    opened = open_cache(tmp_path / "cache", open_index=open_index)
    yield opened
    opened.close()


@pytest.fixture
def other(cache: Cache, open_index: Indexes) -> Iterator[Cache]:
    """Another process's, on the same directory."""
    opened = open_cache(cache.directory, open_index=open_index)
    yield opened
    opened.close()


def body(n: int) -> bytes:
    return b"%d " % n * (n + 1)


def steps_of(cache: Cache, other: Cache, contents: dict[str, bytes]) -> Iterator[None]:
    """A life of two processes, step by step; `contents` is what the cache holds at each."""

    def put(by: Cache, n: int, data: bytes) -> None:
        by.put(name_of_any_kind(n), data)
        contents[name_of_any_kind(n)] = data

    for n in range(8):
        put(cache, n, body(n))
    yield
    assert all(held(other, name) == data for name, data in contents.items())
    yield
    put(other, 8, body(8))
    yield
    put(cache, 1, b"other bytes for what was there")
    assert held(other, name_of_any_kind(1)) == contents[name_of_any_kind(1)]
    yield
    entries = cache.index.of_group(ident_of(4))
    cache.drop(entries)
    for entry in entries:
        assert entry.path == cache.path_of(name_of_any_kind(4))
        del contents[name_of_any_kind(4)]
    yield
    for one in (cache, other):
        one.flush()
        one.totals()
        one.index.totals_by_kind()
    yield
    cache.purge(ident_of(0))
    contents.pop(name_of_any_kind(0), None)
    yield
    other.purge_file(name_of_any_kind(5))
    contents.pop(name_of_any_kind(5), None)
    yield
    settled((other,))
    yield
    put(other, 0, body(0))
    put(cache, 12, body(12))
    yield
    assert all(held(cache, name) == data for name, data in contents.items())
    Cleaner(cache).clean()
    settled((cache, other))


LIFE = 10
"""moments between two steps"""


@pytest.mark.parametrize("lasting", [1, 3])
def test_nothing_fails_whenever_it_strikes_and_all_is_counted_after(
    breakable_redis: Redis, open_index: Indexes, tmp_path: Path, fault: Fault, lasting: int
) -> None:
    for moment in range(LIFE):
        directory, contents = tmp_path / f"{moment}", dict[str, bytes]()
        cache, other = (open_cache(directory, open_index=open_index) for _ in range(2))
        life, passed = steps_of(cache, other, contents), 0
        for passed, _ in enumerate(life):
            if passed == moment:
                fault.strike(breakable_redis)
            elif passed == moment + lasting:
                fault.mend(breakable_redis)
        assert passed == LIFE - 1
        if moment + lasting > passed:
            fault.mend(breakable_redis)
        settled((cache, other))
        again = open_cache(directory, open_index=open_index)
        for one in (cache, other, again):
            assert_holds(one, contents)
            one.close()


def test_a_purge_that_redis_missed_is_counted(breakable_redis: Redis, cache: Cache, fault: Fault) -> None:
    for n in range(3):
        cache.put(name_of(n), body(n))
    fault.strike(breakable_redis)
    cache.purge(ident_of(0))
    cache.purge_file(name_of(1))
    fault.mend(breakable_redis)
    settled([cache])
    assert_holds(cache, {name_of(2): body(2)})


def test_a_cache_can_be_opened_meanwhile(
    breakable_redis: Redis, cache: Cache, open_index: Indexes, fault: Fault
) -> None:
    cache.put(name_of(1), body(1))
    fault.strike(breakable_redis)
    begun = open_cache(cache.directory, open_index=open_index)
    assert held(begun, name_of(1)) == body(1)
    begun.put(name_of(2), body(2))
    assert held(cache, name_of(2)) == body(2)
    fault.mend(breakable_redis)
    settled((cache, begun))
    for one in (cache, begun):
        assert_holds(one, {name_of(1): body(1), name_of(2): body(2)})
    begun.close()


def test_a_cache_that_began_without_redis_is_counted_when_it_comes(
    breakable_redis: Redis, open_index: Indexes, tmp_path: Path
) -> None:
    breakable_redis.kill()
    cache = open_cache(tmp_path / "cache", open_index=open_index)
    cache.put(name_of(1), body(1))
    assert held(cache, name_of(1)) == body(1)
    assert not cache.look()
    breakable_redis.restart()
    assert cache.look()
    cache.complete()
    assert not cache.look()
    assert_holds(cache, {name_of(1): body(1)})
    cache.close()


WRITER = """
from mezzotint.cache import Cache

cache = Cache(Path(sys.argv[1]), open_index, 1_000_000)
print("ready", flush=True)
for line in sys.stdin:
    what, name, text = line.split(" ")
    cache.put(name, text.strip().encode()) if what == "put" else cache.purge(name)
    print("done", flush=True)
"""


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


@pytest.mark.parametrize("begins", ["before", "meanwhile"])
def test_what_was_put_by_a_process_that_was_killed_meanwhile_is_counted(
    breakable_redis: Redis, cache: Cache, open_index: Indexes, fault: Fault, begins: str
) -> None:
    contents = {name_of(n): b"written-%d" % n for n in range(4)}
    cache.put(name_of(0), contents[name_of(0)])
    if begins == "meanwhile":
        fault.strike(breakable_redis)
    writer = open_index.process(WRITER, cache.directory)
    assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    if begins == "before":
        tell(writer, f"put {name_of(1)} written-1")
        fault.strike(breakable_redis)
    for n in range(1, 4):
        tell(writer, f"put {name_of(n)} written-{n}")
    writer.kill()
    writer.communicate()
    assert held(cache, name_of(3)) == b"written-3"
    fault.mend(breakable_redis)
    settled([cache])
    assert_holds(cache, contents)


RESCAN = """
from mezzotint.cache import Cache

def progress(count):
    if count == 3:
        print("under way", flush=True)
        sys.stdin.read()

Cache(Path(sys.argv[1]), open_index, 1_000_000).rescan(progress)
"""


def test_a_rescan_that_was_killed_is_done_again(
    breakable_redis: Redis, cache: Cache, open_index: Indexes, fault: Fault
) -> None:
    contents = {name_of_any_kind(n): body(n) for n in range(12)}
    cache.put(name_of_any_kind(0), body(0))
    fault.strike(breakable_redis)
    for name, data in contents.items():
        cache.put(name, data)
    fault.mend(breakable_redis)
    rescan = open_index.process(RESCAN, cache.directory)
    assert rescan.stdout is not None and rescan.stdout.readline() == "under way\n"
    rescan.kill()
    rescan.communicate()
    settled([cache])
    assert_holds(cache, contents)


@pytest.mark.parametrize("moment", [1, 4, 8])
def test_a_rescan_during_which_it_strikes_is_done_again(
    breakable_redis: Redis, cache: Cache, other: Cache, fault: Fault, moment: int
) -> None:
    contents = {name_of_any_kind(n): body(n) for n in range(8)}
    for name, data in contents.items():
        cache.put(name, data)

    def strike(count: int) -> None:
        if count == moment:
            fault.strike(breakable_redis)

    other.rescan(strike)
    fault.mend(breakable_redis)
    settled((other, cache))
    for one in (cache, other):
        assert_holds(one, contents)


def test_threads_go_on_through_one_fault_after_another(
    breakable_redis: Redis, cache: Cache, other: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With housekeeping, which makes the index whole by itself."""
    monkeypatch.setattr(cleaner_module, "FLUSH_SECONDS", 0.05)
    keeping = [Housekeeping(one, interval=0.05) for one in (cache, other)]
    stop, failures, contents = threading.Event(), list[BaseException](), dict[str, bytes]()

    def work(by: Cache, share: range) -> None:
        try:
            for turn in itertools.count():
                for n in share:
                    data = body(n + turn % 3)
                    by.put(name_of_any_kind(n), data)
                    contents[name_of_any_kind(n)] = data
                    assert held(by, name_of_any_kind(n)) == data
                if stop.is_set():
                    return
        except BaseException as failure:
            failures.append(failure)

    threads = [
        threading.Thread(target=work, args=(by, range(at, at + 4)))
        for by, at in ((cache, 0), (cache, 4), (other, 8), (other, 12))
    ]
    for one in (*keeping, *threads):
        one.start()
    for fault in FAULTS.values():
        fault.strike(breakable_redis)
        time.sleep(0.3)
        fault.mend(breakable_redis)
        time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (
        all(one.index.is_complete(one.directories) and one.totals() == counted(one) for one in (cache, other))
    ):
        time.sleep(0.05)
    for one in keeping:
        one.stop()
    for cache_of_one in (cache, other):
        assert_holds(cache_of_one, contents)


def test_redis_did_fail_in_each_of_these_ways(breakable_redis: Redis, cache: Cache) -> None:
    """What strikes is felt: a fault that changes nothing would prove nothing."""
    for which in ("paused", "killed", "full", "read-only"):
        cache.look()
        assert cache.index.available
        FAULTS[which].strike(breakable_redis)
        cache.put(name_of(1), which.encode())
        assert not cache.index.available, which
        FAULTS[which].mend(breakable_redis)
    for which in ("restarted empty", "flushed"):
        cache.look()
        cache.complete()
        with breakable_redis.client() as client:
            assert client.dbsize() > 0
            FAULTS[which].strike(breakable_redis)
            with suppress(client_of_redis.ConnectionError):
                client.ping()
            assert client.dbsize() == 0
