"""Cleaning 1,000 files out of a cache of 1,000,000 against out of one of 10,000."""

from __future__ import annotations

import hashlib
import sqlite3
import statistics
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from operator import itemgetter
from pathlib import Path

from tests.cache.caches import OpenIndex, OwnCache, database_of, in_sqlite, open_cache

from bench.figures import Figure, fresh, seconds
from mezzotint.cache import Cache, Cleaner, Entry
from mezzotint.cache.places import NATIVE
from mezzotint.cache.redis import RedisIndex

SMALL, LARGE, CLEANED, SIZE = 10_000, 1_000_000, 1_000, 100
ROUNDS = 5


def cleaner() -> list[Figure]:
    small, large = filled("cleaner-small", SMALL, SIZE, in_sqlite), filled("cleaner-large", LARGE, SIZE, in_sqlite)
    pairs = [(_clean(large), _clean(small)) for _ in range(ROUNDS)]
    ratio = statistics.median(a / b for a, b in pairs)
    a, b = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
    for name in ("cleaner-small", "cleaner-large"):
        fresh(name)
    what = f"cleaning {CLEANED:,} files out of {LARGE:,} against out of {SMALL:,}"
    return [Figure(what, f"{a:.0f} ms", f"{b:.0f} ms", ratio, "at most 1.5", ratio <= 1.5)]


def filled(name: str, count: int, size: int, open_index: OpenIndex) -> OwnCache:
    """A cache of `count` small files, as `Cache.put` would leave it, its least recently used anywhere in it."""
    directory = fresh(name)
    for first in range(16**3):
        (directory / NATIVE / f"{first:03x}"[0] / f"{first:03x}"[:2] / f"{first:03x}").mkdir(parents=True)
    cache = open_cache(directory, 2**62, open_index)
    entries = _files(directory, count, size)
    if isinstance(cache.index, RedisIndex):
        _fill_redis(cache.index, entries)
        return cache
    cache.close()
    _fill_sqlite(database_of(cache)[0], entries)
    return open_cache(directory, 2**62, open_index)


def _fill_sqlite(path: Path, entries: Iterator[Entry]) -> None:
    """In order, without the trigger and the indexes beside, which are there again when the index opens."""
    rows = sorted(map(_row, entries), key=itemgetter(0))
    with closing(sqlite3.connect(path)) as index, index:
        index.execute("DROP TRIGGER entries_added")
        index.execute("DROP INDEX entries_used")
        index.execute("DROP INDEX entries_group")
        index.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", rows)
        index.execute("INSERT INTO totals SELECT kind, count(*), sum(size) FROM entries GROUP BY kind")


def _row(entry: Entry) -> tuple[str, str, str, int, int]:
    return entry.path, entry.kind, entry.group, entry.size, entry.used


def _fill_redis(index: RedisIndex, entries: Iterator[Entry]) -> None:
    while some := list(islice(entries, 1000)):
        with index._redis.pipeline(transaction=False) as pipe:
            for entry in some:
                said: list[str | int | float] = [entry.path, entry.size, entry.kind, entry.group, entry.used]
                index._add(keys=index._keys, args=said, client=pipe)
            pipe.execute()


def _files(directory: Path, count: int, size: int) -> Iterator[Entry]:
    body = b"x" * size
    for i in range(count):
        ident = hashlib.sha256(str(i).encode()).hexdigest()
        path = Cache.path_of(f"{ident}-100x100.jpg")
        with open(f"{directory}/{path}", "xb", buffering=0) as file:
            file.write(body)
        yield Entry(path, NATIVE, ident, size, i)


def _clean(cache: Cache) -> float:
    target = cache.totals().bytes - CLEANED * SIZE
    taken = seconds(lambda: Cleaner(cache).clean_to(target))
    assert cache.totals().bytes == target
    return taken
