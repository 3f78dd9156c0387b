"""Indexes of both kinds, in this process and in others."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from mezzotint.cache import Entry, Index, SqliteIndex, Totals
from mezzotint.cache.redis import RedisIndex
from mezzotint.host import Host

_OPEN_INDEX = """
import sys
from pathlib import Path
from tests.cache.caches import open_cache
from tests.cache.indexes import Indexes

open_index = Indexes(sys.argv.pop(1) or None)
"""


@dataclass(frozen=True)
class Indexes:
    """Opens indexes of one kind: Redis's where there is a `url`. What it opened is closed at the end."""

    url: str | None
    _opened: list[Index | Host] = field(default_factory=list)

    def __call__(self, host: Host, directory: Path) -> Index:
        """Of a cache in `directory`."""
        if self.url is None:
            return SqliteIndex(host.database)
        index = RedisIndex(self.url, directory)
        self._opened.append(index)
        return index

    def at(self, directory: Path) -> Index:
        """On a host of its own, whose things are in the same directory."""
        host = Host(directory)
        self._opened.append(host)
        return self(host, directory)

    def process(self, script: str, *arguments: object, **variables: str) -> subprocess.Popen[str]:
        """Another process, whose `script` has the same `open_index`, `arguments` from `sys.argv[1]`, and `variables`
        in its environment."""
        command = [sys.executable, "-W", "error", "-c", _OPEN_INDEX + script, self.url or "", *map(str, arguments)]
        pipe = subprocess.PIPE
        environment = os.environ | variables
        return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def close(self) -> None:
        for opened in self._opened:
            opened.close()


def entry(path: str, size: int = 10, used: int = 0, group: str = "g", kind: str = "native") -> Entry:
    return Entry(path, kind, group, size, used)


def counted(index: Index) -> Totals:
    """The totals, by counting every entry, of which all listings have the same."""
    by_use = {one.path: one for one in index.least_recently_used(1_000_000)}
    gone_through = {one.path: one.size for batch in index.batches(100) for one in batch}
    groups = {one.group for one in by_use.values()}
    by_group = {one.path: one.size for group in groups for one in index.of_group(group)}
    assert {path: one.size for path, one in by_use.items()} == gone_through == by_group
    return Totals(len(by_use), sum(one.size for one in by_use.values()))
