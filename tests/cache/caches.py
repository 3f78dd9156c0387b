"""A cache on an empty directory, and names to put into it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from mezzotint.cache import Cache, Index, SqliteIndex, Totals
from mezzotint.cache.places import KINDS, name_at
from mezzotint.host import Host

OpenIndex = Callable[[Host, Path], Index]


def in_sqlite(host: Host, directory: Path) -> Index:
    return SqliteIndex(host.database)


class OwnCache(Cache):
    """With a host of its own, whose things lie beside the cache's directory."""

    def __init__(
        self,
        directory: Path,
        max_size: int = 1_000_000,
        open_index: OpenIndex = in_sqlite,
        host: Path | None = None,
        hits: Path | None = None,
    ) -> None:
        self.host = Host(host or directory.with_name(f"{directory.name}-host"))
        super().__init__(directory, open_index(self.host, directory), max_size, self.host, hits)

    def close(self) -> None:
        super().close()
        self.host.close()


def open_cache(directory: Path, max_size: int = 1_000_000, open_index: OpenIndex = in_sqlite) -> OwnCache:
    return OwnCache(directory, max_size, open_index)


def database_of(cache: OwnCache) -> list[Path]:
    """The files of the host's database, which has the index."""
    path = cache.directory.with_name(f"{cache.directory.name}-host") / "host.sqlite3"
    return [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]


def ident_of(n: int) -> str:
    return hashlib.sha256(n.to_bytes(8, "big")).hexdigest()


def name_of(n: int, size: str = "100x50") -> str:
    return f"{ident_of(n)}-{size}.jpg"


def name_of_any_kind(n: int) -> str:
    """A derivative, a remote record, a picture of a release, the listing of a release group, and so on."""
    mbid = uuid.UUID(ident_of(n)[:32])
    return (name_of(n), f"{ident_of(n)}.json", f"release/{mbid}-{n}.jpg", f"release-group/{mbid}.json")[n % 4]


def file_of(cache: Cache, name: str) -> Path:
    return cache.directory / cache.path_of(name)


def held(cache: Cache, name: str) -> bytes | None:
    found = cache.open(name)
    return None if found is None else found.read()


def on_disk(cache: Cache) -> dict[str, int]:
    """Every file of the cache by its name, with its size."""
    return {path.name: path.stat().st_size for path in (cache.directory / "native").rglob("[!.]*") if path.is_file()}


def counted(cache: Cache) -> Totals:
    """All files of ours that are there, of every kind."""
    files = [path for kind in KINDS for path in (cache.directory / kind).rglob("*") if path.is_file()]
    sizes = [path.stat().st_size for path in files if name_at(str(path.relative_to(cache.directory)))]
    return Totals(len(sizes), sum(sizes))


def settled(caches: Iterable[Cache]) -> None:
    """What housekeeping does now and then, in every one of them."""
    for cache in caches:
        if cache.look():
            cache.complete()


def is_complete(cache: Cache) -> bool:
    return cache.index.available and cache.ledger.is_complete()


def assert_holds(cache: Cache, contents: dict[str, bytes]) -> None:
    """Each of these with its bytes and their digest, and no file beside; and it is counted so."""
    for name, data in contents.items():
        found = cache.open(name)
        assert found is not None, name
        assert (found.size, found.digest) == (len(data), hashlib.sha256(data).hexdigest())
        assert found.read() == data
    exact = Totals(len(contents), sum(map(len, contents.values())))
    assert (counted(cache), cache.totals()) == (exact, exact)
