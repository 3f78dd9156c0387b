"""nginx, Redis, a server of four workers and a cleaner, all on one small cache."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from mezzotint.cache.index import on_disk
from mezzotint.cache.places import KINDS, name_at
from mezzotint.cache.redis import RedisIndex
from mezzotint.cache.stamps import Stamps
from tests.archive import Archive
from tests.backends.redis import Redis
from tests.imagecloud.nodes import limit
from tests.nginx.fronting import Front, fronted, reaching
from tests.servers import PROGRAM, environment, run
from tests.waiting import PATIENCE, until

WORKERS = 4
CACHE = 2 << 20

Counts = dict[str, tuple[int, int]]
"""files and bytes of each kind"""


@dataclass
class Installation:
    front: Front
    redis: Redis
    variables: dict[str, str]
    cleaner: subprocess.Popen[bytes]
    first_workers: list[int] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.front.server.data

    @property
    def cache(self) -> Path:
        return self.front.server.settings.cache

    def workers(self) -> set[int]:
        return self.front.server.workers()

    def answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return self.front.http.get("/health").status_code == 200
        return False

    def clean(self) -> None:
        """A cleaner that goes on, beside the server's own."""
        self.cleaner = _clean(self.data, self.variables)

    def rescan(self) -> None:
        done = run(self.data, "cache", "rescan", **self.variables)
        assert done.returncode == 0, done.stderr

    def is_whole(self) -> bool:
        """Whether the index knows of everything again."""
        index = RedisIndex(self.redis.url, self.cache)
        try:
            return Stamps(self.cache).agree(index.identity)
        finally:
            index.close()

    def counted(self) -> Counts:
        """By the index."""
        shown = json.loads(run(self.data, "cache", "status", "--json", **self.variables).stdout)
        assert (shown["index"], shown["available"]) == ("redis", True)
        return {kind: (n["files"], n["bytes"]) for kind, n in shown["kinds"].items() if n["files"] or n["bytes"]}

    def on_disk(self) -> Counts:
        found: Counts = {}
        for kind in KINDS:
            sizes = []
            for path in (self.cache / kind).rglob("*"):
                with suppress(FileNotFoundError):
                    if path.is_file() and name_at(str(path.relative_to(self.cache))):
                        sizes.append(path.stat().st_size)
            if sizes:
                found[kind] = (len(sizes), sum(sizes))
        return found

    def assert_exact(self) -> None:
        """Once all is quiet."""
        assert until(lambda: self.counted() == self.on_disk(), 0.5), (self.counted(), self.on_disk())
        used = sum(on_disk(size, files) for files, size in self.on_disk().values())
        assert CACHE // 2 < used <= CACHE


@contextmanager
def installed(directory: Path, archive: Archive, redis: Redis) -> Iterator[Installation]:
    variables = reaching(archive) | {
        "REDIS_URL": redis.url,
        "MEZZOTINT_WORKERS": str(WORKERS),
        "COVER_ART_CACHE_MAX_SIZE": f"{CACHE >> 10}K",
        "COVER_ART_CACHE_CLEANUP_INTERVAL": "1",
    }
    limit(directory / "data", all=64)
    with fronted(directory / "data", **variables) as front:
        installation = Installation(front, redis, variables, _clean(directory / "data", variables))
        try:
            assert until(lambda: len(installation.workers()) == WORKERS), installation.workers()
            installation.first_workers = sorted(installation.workers())
            yield installation
        finally:
            installation.cleaner.terminate()
            installation.cleaner.wait(PATIENCE)


def _clean(data: Path, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    with open(data.parent / "clean.log", "ab") as log:
        return subprocess.Popen(
            [PROGRAM, "clean", "--loop"], env=environment(data, **variables), stdout=log, stderr=log, cwd=data.parent
        )
