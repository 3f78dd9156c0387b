"""Redis paused, gone, emptied, full or read-only, at any moment: the cache goes on, and counts all in the end."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
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
    is_complete,
    name_of,
    name_of_any_kind,
    open_cache,
    settled,
)
from tests.cache.indexes import Indexes
from tests.cache.redis_faults import FAULTS, Fault
from tests.waiting import until


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
    breakable_redis: Redis, open_breakable: Indexes, tmp_path: Path, fault: Fault, lasting: int
) -> None:
    for moment in range(LIFE):
        directory, contents = tmp_path / f"{moment}", dict[str, bytes]()
        cache, other = (open_cache(directory, open_index=open_breakable) for _ in range(2))
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
        again = open_cache(directory, open_index=open_breakable)
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


@pytest.mark.parametrize("data", [b"2nd", b"a longer second"])
def test_what_was_replaced_meanwhile_has_its_own_bytes_and_digest(
    breakable_redis: Redis, cache: Cache, other: Cache, open_breakable: Indexes, fault: Fault, data: bytes
) -> None:
    cache.put(name_of(1), b"1st")
    fault.strike(breakable_redis)
    cache.totals()  # where nothing is asked of it, it may still be told
    digest = cache.put(name_of(1), data)
    for one in (cache, other):
        found = one.open(name_of(1))
        assert found is not None
        assert (found.digest, found.read()) == (digest, data)
    fault.mend(breakable_redis)
    settled((cache, other))
    begun = open_cache(cache.directory, open_index=open_breakable)
    for one in (cache, other, begun):
        assert_holds(one, {name_of(1): data})
    begun.close()


def test_a_cache_can_be_opened_meanwhile(
    breakable_redis: Redis, cache: Cache, open_breakable: Indexes, fault: Fault
) -> None:
    cache.put(name_of(1), body(1))
    fault.strike(breakable_redis)
    begun = open_cache(cache.directory, open_index=open_breakable)
    assert held(begun, name_of(1)) == body(1)
    begun.put(name_of(2), body(2))
    assert held(cache, name_of(2)) == body(2)
    fault.mend(breakable_redis)
    settled((cache, begun))
    for one in (cache, begun):
        assert_holds(one, {name_of(1): body(1), name_of(2): body(2)})
    begun.close()


def test_a_cache_that_began_without_redis_is_counted_when_it_comes(
    breakable_redis: Redis, open_breakable: Indexes, tmp_path: Path
) -> None:
    breakable_redis.kill()
    cache = open_cache(tmp_path / "cache", open_index=open_breakable)
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

cache = open_cache(Path(sys.argv[1]), 1_000_000, open_index)
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
    breakable_redis: Redis, cache: Cache, open_breakable: Indexes, fault: Fault, begins: str
) -> None:
    contents = {name_of(n): b"written-%d" % n for n in range(4)}
    cache.put(name_of(0), contents[name_of(0)])
    if begins == "meanwhile":
        fault.strike(breakable_redis)
    writer = open_breakable.process(WRITER, cache.directory)
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


def whole(cache: Cache) -> bool:
    return is_complete(cache) and cache.totals() == counted(cache)


def test_threads_go_on_through_one_fault_after_another(
    breakable_redis: Redis, cache: Cache, other: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With housekeeping, which makes the index whole by itself."""
    monkeypatch.setattr(cleaner_module, "FLUSH_SECONDS", 0.05)
    keeping = [Housekeeping(Cleaner(one), interval=0.05) for one in (cache, other)]
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
    for keeper in keeping:
        keeper.start()
    for thread in threads:
        thread.start()
    try:
        for fault in FAULTS.values():
            fault.strike(breakable_redis)
            time.sleep(0.3)
            fault.mend(breakable_redis)
            time.sleep(0.3)
        stop.set()
        for thread in threads:
            thread.join()
        until(lambda: all(whole(one) for one in (cache, other)), 0.05)
    finally:
        stop.set()
        for keeper in keeping:
            keeper.stop()
    assert failures == []
    for one in (cache, other):
        assert_holds(one, contents)


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
