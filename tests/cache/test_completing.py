"""The index is completed where it may not know of all: Redis fell back or failed meanwhile, or a rescan was killed."""

from __future__ import annotations

import pytest

from mezzotint.cache import Cache
from tests.backends.redis import Redis
from tests.cache.caches import assert_holds, name_of, name_of_any_kind, settled
from tests.cache.indexes import Indexes
from tests.cache.redis_faults import Fault

CONTENTS = {name_of_any_kind(n): b"%d " % n * (n + 1) for n in range(8)}


def test_what_redis_forgot_as_it_fell_back_is_found_again(breakable_redis: Redis, cache: Cache, other: Cache) -> None:
    """As one that takes down what it has now and then is after a power cut."""
    for name, data in CONTENTS.items():
        cache.put(name, data)
    later = {name_of(n): b"later" for n in range(100, 104)}
    replaced = {name_of(0): b"1 ", name_of(4): b"other bytes, and more of them"}
    breakable_redis.save()
    for name, data in (later | replaced).items():
        cache.put(name, data)
    gone = [name for name in CONTENTS if name.startswith("release/")]
    cache.drop([entry for name in gone if (entry := cache.index.find(cache.path_of(name))) is not None])
    breakable_redis.fall_back()
    settled((cache, other))
    for one in (cache, other):
        assert_holds(one, {n: d for n, d in (CONTENTS | later | replaced).items() if n not in gone})


RESCAN = """

def progress(count):
    if count == 3:
        print("under way", flush=True)
        sys.stdin.read()

open_cache(Path(sys.argv[1]), 1_000_000, open_index).rescan(progress)
"""


def test_a_rescan_that_was_killed_is_done_again(
    breakable_redis: Redis, cache: Cache, open_breakable: Indexes, fault: Fault
) -> None:
    fault.strike(breakable_redis)
    for name, data in CONTENTS.items():
        cache.put(name, data)
    fault.mend(breakable_redis)
    rescan = open_breakable.process(RESCAN, cache.directory)
    assert rescan.stdout is not None and rescan.stdout.readline() == "under way\n"
    rescan.kill()
    rescan.communicate()
    settled([cache])
    assert_holds(cache, CONTENTS)


@pytest.mark.parametrize("moment", [1, 4, 8])
def test_a_rescan_during_which_it_strikes_is_done_again(
    breakable_redis: Redis, cache: Cache, other: Cache, fault: Fault, moment: int
) -> None:
    for name, data in CONTENTS.items():
        cache.put(name, data)

    moments = iter([moment])

    def strike(count: int) -> None:
        if count == moment and next(moments, None):  # it is gone through more than once
            fault.strike(breakable_redis)

    other.rescan(strike)
    fault.mend(breakable_redis)
    settled((other, cache))
    for one in (cache, other):
        assert_holds(one, CONTENTS)


@pytest.mark.parametrize("moment", [1, 4, 8])
def test_what_is_put_during_a_rescan_while_redis_fails_is_counted(
    breakable_redis: Redis, cache: Cache, other: Cache, fault: Fault, moment: int
) -> None:
    for name, data in CONTENTS.items():
        cache.put(name, data)
    more = {name_of(n): b"more" for n in range(100, 110)}

    moments = iter([moment])

    def strike(count: int) -> None:
        if count == moment and next(moments, None):
            fault.strike(breakable_redis)
            for name, data in more.items():
                cache.put(name, data)
            fault.mend(breakable_redis)
            cache.look()

    other.rescan(strike)
    settled((other, cache))
    for one in (cache, other):
        assert_holds(one, CONTENTS | more)
