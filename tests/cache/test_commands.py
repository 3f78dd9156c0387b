"""`mezzotint cache` with the index in Redis."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis as client_of_redis

from mezzotint.cache import Cache, Totals
from mezzotint.cache.index import on_disk
from tests.backends.redis import Redis
from tests.cache.caches import assert_holds, counted, file_of, held, name_of_any_kind, open_cache, settled
from tests.cache.indexes import Indexes
from tests.servers import run

CONTENTS = {name_of_any_kind(n): b"%d " % n * (n + 1) for n in range(10)}


@pytest.fixture
def cache(tmp_path: Path, open_breakable: Indexes) -> Iterator[Cache]:
    """That of the data directory, with CONTENTS."""
    opened = open_cache(tmp_path / "data" / "cache", open_index=open_breakable)
    for name, data in CONTENTS.items():
        opened.put(name, data)
    yield opened
    opened.close()


def command(cache: Cache, redis: Redis, *arguments: str) -> str:
    done = run(cache.directory.parent, "cache", *arguments, REDIS_URL=redis.url, MEZZOTINT_CACHE_MAX_SIZE="1M")
    assert done.returncode == 0, done.stderr
    return done.stdout


def status(cache: Cache, redis: Redis) -> tuple[Totals, dict[str, Totals]]:
    told = json.loads(command(cache, redis, "status", "--json"))
    assert (told["max_bytes"], told["index"], told["available"]) == (1 << 20, "redis", True)
    kinds = {kind: Totals(**of) for kind, of in told["kinds"].items() if of["files"]}
    return Totals(told["files"], told["bytes"]), kinds


def by_kind() -> dict[str, Totals]:
    sizes = dict[str, list[int]]()
    for name, data in CONTENTS.items():
        sizes.setdefault(Cache.path_of(name).partition("/")[0], []).append(len(data))
    return {kind: Totals(len(of), sum(of)) for kind, of in sizes.items()}


def test_the_status_is_what_there_is_of_each_kind(cache: Cache, breakable_redis: Redis) -> None:
    assert status(cache, breakable_redis) == (counted(cache), by_kind())
    assert set(by_kind()) == {"native", "remote", "release", "release-group"}
    assert "release-group" in command(cache, breakable_redis, "status")


def test_a_rescan_finds_what_redis_forgot(cache: Cache, breakable_redis: Redis) -> None:
    with breakable_redis.client() as client:
        client.flushall()
    assert status(cache, breakable_redis)[0] == Totals(0, 0)
    assert "10 files" in command(cache, breakable_redis, "rescan")
    assert status(cache, breakable_redis) == (counted(cache), by_kind())
    settled([cache])
    assert_holds(cache, CONTENTS)


def test_a_rescan_forgets_what_has_gone(cache: Cache, breakable_redis: Redis) -> None:
    name = name_of_any_kind(9)
    file_of(cache, name).unlink()
    command(cache, breakable_redis, "rescan")
    assert status(cache, breakable_redis)[0] == counted(cache)
    assert_holds(cache, {n: data for n, data in CONTENTS.items() if n != name})


def test_all_can_be_cleaned_away(cache: Cache, breakable_redis: Redis) -> None:
    command(cache, breakable_redis, "clean", "--to", "0", "--dry-run")
    assert_holds(cache, CONTENTS)
    assert "removed 10 files" in command(cache, breakable_redis, "clean", "--to", "0")
    assert status(cache, breakable_redis) == (Totals(0, 0), {})
    assert_holds(cache, {})


def test_the_least_recently_used_are_cleaned_away_first(cache: Cache, breakable_redis: Redis) -> None:
    cache.index.touch([(cache.path_of(name), 2**41) for name in [*CONTENTS][:5]])
    left = {name: CONTENTS[name] for name in [*CONTENTS][:5]}
    command(cache, breakable_redis, "clean", "--to", str(on_disk(sum(map(len, left.values())), len(left))))
    assert_holds(cache, left)


@pytest.mark.parametrize("fault", [Redis.kill, Redis.pause])
def test_without_redis_a_rescan_says_so_and_the_files_stay(
    cache: Cache, breakable_redis: Redis, fault: Callable[[Redis], None]
) -> None:
    fault(breakable_redis)
    done = run(cache.directory.parent, "cache", "rescan", REDIS_URL=breakable_redis.url)
    assert done.returncode == 2
    assert "Redis" in done.stderr and "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("mezzotint: ")]) == 1
    assert [name for name, data in CONTENTS.items() if held(cache, name) != data] == []


@pytest.mark.parametrize("arguments", [("status", "--json"), ("status",), ("clean",), ("clean", "--to", "0")])
def test_without_redis_no_other_command_breaks_down(
    cache: Cache, breakable_redis: Redis, arguments: tuple[str, ...]
) -> None:
    breakable_redis.kill()
    done = run(cache.directory.parent, "cache", *arguments, REDIS_URL=breakable_redis.url)
    assert done.returncode in {0, 2}, done.stderr
    assert "Redis" in done.stderr and "Traceback" not in done.stderr
    assert [name for name, data in CONTENTS.items() if held(cache, name) != data] == []
    breakable_redis.restart()
    command(cache, breakable_redis, "rescan")
    assert status(cache, breakable_redis) == (counted(cache), by_kind())


def test_a_redis_that_asks_for_a_password_is_told_as_out_of_reach(cache: Cache, breakable_redis: Redis) -> None:
    with breakable_redis.client() as client:
        client.config_set("requirepass", "secret")
    done = run(cache.directory.parent, "cache", "rescan", REDIS_URL=breakable_redis.url)
    assert done.returncode == 2 and "Redis" in done.stderr and "Traceback" not in done.stderr
    with_password = breakable_redis.url.replace("redis://", "redis://:secret@")
    done = run(cache.directory.parent, "cache", "rescan", REDIS_URL=with_password)
    assert done.returncode == 0, done.stderr
    with client_of_redis.Redis.from_url(with_password) as client:
        assert client.dbsize() > 0
