"""The cache's index in Redis: any number of processes, on any number of hosts that share the directory.

Keys, all of one cache under one hash tag: `entries`, a hash by path; `used`, their paths by date; `group:<group>`, sets
of paths; `totals`, a hash; `mark`, `cleaner`. Every change to entries is one script, so totals are exact. (The last
word of an entry was a digest in earlier releases, whose nodes may still be there.)
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mezzotint.cache.index import Entry, Totals
from mezzotint.cache.places import CONTROL
from mezzotint.host.files import place, temporary, while_removed

log = logging.getLogger(__name__)
T = TypeVar("T")
_TIMEOUT = 0.5
"""seconds; whoever waits for a picture waits for this once, and then nobody does until Redis answers again"""
_LEAD = 60_000
_AT_ONCE = 500
_NOT = object()
_NAME = re.compile("[0-9a-f]{32}")

_LOSE = """
local function lose(path)
    local old = redis.call('HGET', KEYS[1], path)
    if old then
        local size, kind, group = string.match(old, '^(%d+) (%S+) (%S+)')
        redis.call('HDEL', KEYS[1], path)
        redis.call('ZREM', KEYS[2], path)
        redis.call('SREM', KEYS[4] .. group, path)
        redis.call('HINCRBY', KEYS[3], kind .. ':files', -1)
        redis.call('HINCRBY', KEYS[3], kind .. ':bytes', 0 - size)
    end
end
"""
_ADD = (
    _LOSE
    + """
local path, size, kind, group, used = unpack(ARGV)
lose(path)
redis.call('HSET', KEYS[1], path, size .. ' ' .. kind .. ' ' .. group .. ' ?')
redis.call('ZADD', KEYS[2], used, path)
redis.call('SADD', KEYS[4] .. group, path)
redis.call('HINCRBY', KEYS[3], kind .. ':files', 1)
redis.call('HINCRBY', KEYS[3], kind .. ':bytes', size)
"""
)
_REMOVE = _LOSE + "for _, path in ipairs(ARGV) do lose(path) end"
_LEADS = """
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RESIGN = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class RedisIndex:
    """Safe for threads. A file in the cache's `directory` says what that is called in Redis."""

    kind = "redis"

    def __init__(self, url: str, directory: Path) -> None:
        self._me, self._run, self._name = uuid.uuid4().hex, "", ""
        self._name_file = directory / CONTROL / "name"
        self._adopt()
        self._redis = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),  # it may have been restarted
        )
        script = self._redis.register_script
        self._add, self._remove, self._leads, self._resign = map(script, (_ADD, _REMOVE, _LEADS, _RESIGN))
        self._broken = False
        self._last: dict[str, Totals] = {}

    def close(self) -> None:
        self._redis.close()

    @property
    def available(self) -> bool:
        return not self._broken

    @property
    def identity(self) -> str:
        """The cache's name there, a mark that goes where all is flushed, and which Redis it is: one that was restarted
        may have gone back to an earlier state."""

        def look() -> str:
            self._run = self._run or self._running()
            self._redis.set(self._mark, uuid.uuid4().hex, nx=True)
            mark: Any = self._redis.get(self._mark)
            return f"{self._name} {mark} {self._run}"

        return self._try(look, "")

    def look(self) -> None:
        self._adopt()
        if self._broken:
            with suppress(redis.RedisError):
                self._redis.set(self._asked, "", px=_LEAD)  # it may answer, and take nothing
                self._broken = False
                log.warning("Redis answers again")
        self._run = self._try(self._running, "")

    def _running(self) -> str:
        said: Any = self._redis.info("server")
        return str(said["run_id"])

    def lead(self) -> bool:
        return self._try(lambda: self._leads(keys=[self._cleaner], args=[self._me, _LEAD]), 0) == 1

    def resign(self) -> None:
        self._try(lambda: self._resign(keys=[self._cleaner], args=[self._me]), None)

    def find(self, path: str) -> Entry | None:
        def look() -> Entry | None:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.hget(self._entries, path)
                pipe.zscore(self._used, path)
                kept, used = pipe.execute()
            return _entry(path, kept, used)

        return self._try(look, None)

    def add(self, entry: Entry) -> bool:
        said: list[str | int] = [entry.path, entry.size, entry.kind, entry.group, entry.used]
        return self._change(lambda: self._add(keys=self._keys, args=said))

    def touch(self, used: Iterable[tuple[str, int]]) -> None:
        scores = dict(used)
        if scores:
            self._try(lambda: self._redis.zadd(self._used, scores, xx=True, gt=True), None)

    def least_recently_used(self, count: int) -> list[Entry]:
        def look() -> list[Entry]:
            oldest: Any = self._redis.zrange(self._used, 0, count - 1, withscores=True)
            return self._all(dict(oldest))

        return self._try(look, [])

    def of_group(self, group: str) -> list[Entry]:
        def look() -> list[Entry]:
            paths: Any = self._redis.smembers(self._group + group)
            return self._all(dict.fromkeys(paths, 0.0))

        return self._try(look, [])

    def remove(self, paths: Iterable[str]) -> bool:
        gone = list(paths)
        some = (gone[at : at + _AT_ONCE] for at in range(0, len(gone), _AT_ONCE))
        return all(self._change(partial(self._remove, keys=self._keys, args=these)) for these in some)

    def totals(self) -> Totals:
        kinds = self.totals_by_kind().values()
        return Totals(sum(kind.files for kind in kinds), sum(kind.bytes for kind in kinds))

    def totals_by_kind(self) -> dict[str, Totals]:
        """As they last were, where Redis is out of reach."""

        def look() -> dict[str, Totals]:
            kept: Any = self._redis.hgetall(self._totals)
            names = sorted({name.partition(":")[0] for name in kept})
            return {name: Totals(int(kept[f"{name}:files"]), int(kept[f"{name}:bytes"])) for name in names}

        self._last = self._try(look, self._last)
        return self._last

    def batches(self, count: int) -> Iterator[list[Entry]]:
        """In no order, by HSCAN; none where Redis is out of reach."""
        cursor: int | None = None
        while cursor != 0:
            scan: Callable[[], Any] = partial(self._redis.hscan, self._entries, cursor or 0, count=count)
            nothing: tuple[int, dict[str, str]] = (0, {})
            cursor, found = self._try(scan, nothing)
            entries = (_entry(path, text, 0.0) for path, text in found.items())
            yield [entry for entry in entries if entry is not None]

    def _all(self, used: dict[str, float]) -> list[Entry]:
        if not used:
            return []
        kept: Any = self._redis.hmget(self._entries, list(used))
        found = (_entry(path, text, used[path]) for path, text in zip(used, kept, strict=True))
        return [entry for entry in found if entry is not None]

    def _change(self, work: Callable[[], object]) -> bool:
        """Whether it was taken in."""
        return self._try(work, _NOT) is not _NOT

    def _try(self, work: Callable[[], T], otherwise: T) -> T:
        """Once something went wrong nobody waits for Redis until `look` has found it again."""
        if self._broken:
            return otherwise
        try:
            return work()
        except redis.RedisError as error:
            self._broken = True
            log.warning("Redis is out of reach, and the cache does without: %s", error)
            return otherwise

    def _adopt(self) -> None:
        """Go by the name that this directory has in Redis now, which is this one where it has none."""
        name = while_removed(lambda: self._named(self._name or uuid.uuid4().hex))
        if name != self._name:
            self._name = name
            key = f"mezzotint:{{{name}}}:"
            self._keys = [f"{key}{what}" for what in ("entries", "used", "totals", "group:")]
            self._entries, self._used, self._totals, self._group = self._keys
            self._mark, self._cleaner, self._asked = (f"{key}{what}" for what in ("mark", "cleaner", "asked"))

    def _named(self, name: str) -> str:
        """What the directory's file says; `name` where it says nothing."""
        found = self._name_file.read_text() if (there := self._name_file.exists()) else ""
        if _NAME.fullmatch(found):
            return found
        with temporary(self._name_file.parent, durable=False) as (part, stream):
            stream.write(name.encode())
            stream.flush()
            place(part, self._name_file, only_if_absent=not there, durable=False)
        return self._name_file.read_text()


def _entry(path: str, kept: str | None, used: float | None) -> Entry | None:
    size, kind, group = (*(kept or "").split(" "), "", "", "")[:3]
    return Entry(path, kind, group, int(size), int(used or 0)) if group else None
