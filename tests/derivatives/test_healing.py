"""Bases whose bytes, in the store or in this host's copy, are not those of their names, and what that costs."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from mezzotint.derivatives import bases as module
from mezzotint.errors import DamagedBase, NotFound, StorageFull
from mezzotint.names import Ident
from mezzotint.names.keys import base_key, trash_key
from mezzotint.objects import DirectoryStore, MemoryStore, ObjectStore
from tests.cache.caches import OwnCache, open_cache
from tests.derivatives.test_bases import cache, open_bases, store, whole
from tests.pictures import jpeg

__all__ = ["cache", "store"]


def damaged(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]


def test_a_base_that_is_damaged_in_the_store_is_never_given_and_healed_by_the_same_bytes(
    tmp_path: Path, store: ObjectStore, cache: OwnCache
) -> None:
    data = jpeg(200, 100)
    ident = open_bases(tmp_path, store, cache).add([data]).ident
    store.put(base_key(ident), damaged(data))
    with closing(open_cache(tmp_path / "another", 1 << 30)) as other:
        bases = open_bases(tmp_path, store, other)
        with pytest.raises(DamagedBase):
            whole(bases, ident)
        assert bases.add([data]).ident == ident
        assert store.read(base_key(ident)) == data
        assert whole(bases, ident) == data


def test_a_base_that_goes_while_it_is_looked_at_is_stored_anew(
    tmp_path: Path, store: ObjectStore, cache: OwnCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, bases = jpeg(200, 100), open_bases(tmp_path, store, cache)
    ident = bases.add([data]).ident
    put = store.put_if_absent

    def vanishes(key: str, body: bytes | Path, content_type: str | None = None) -> bool:
        """It is there, says the store, and then it is not."""
        monkeypatch.setattr(store, "put_if_absent", put)
        store.delete(key)
        return False

    monkeypatch.setattr(store, "put_if_absent", vanishes)
    assert bases.add([data]).ident == ident
    assert store.read(base_key(ident)) == data


def test_a_copy_of_this_host_that_is_damaged_is_fetched_anew(tmp_path: Path) -> None:
    store, data = MemoryStore(), jpeg(200, 100)
    with closing(open_cache(tmp_path / "cache", 1 << 30)) as cache:
        bases = open_bases(tmp_path, store, cache)
        ident = bases.add([data]).ident
        assert whole(bases, ident) == data
        copy = cache.directory / cache.path_of(ident)
        before = copy.stat()
        copy.chmod(0o644)
        copy.write_bytes(damaged(data))
        os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert whole(open_bases(tmp_path, store, cache), ident) == data


def test_a_cache_without_room_costs_speed_and_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, data = MemoryStore(), jpeg(200, 100)
    with closing(open_cache(tmp_path / "cache", 1 << 30)) as cache:
        bases = open_bases(tmp_path, store, cache)
        ident = bases.add([data]).ident

        def full() -> None:
            raise StorageFull("no space left")

        monkeypatch.setattr(bases, "_copying", full)
        assert whole(bases, ident) == data
        assert whole(bases, ident, 10, 20) == data[10:30]


def test_a_copy_that_the_index_does_not_take_is_closed_and_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, data = MemoryStore(), jpeg(200, 100)
    with closing(open_cache(tmp_path / "cache", 1 << 30)) as cache:
        bases = open_bases(tmp_path, store, cache)
        ident = bases.add([data]).ident

        def full(entry: object) -> bool:
            raise StorageFull("no space left for the cache's index")

        monkeypatch.setattr(cache.index, "add", full)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            assert whole(bases, ident) == data
        assert len(os.listdir("/proc/self/fd")) == before
        assert not [path for path in (cache.directory / "native").rglob("*") if path.is_file()]
        monkeypatch.undo()
        assert whole(bases, ident) == data
        assert cache.has(ident)


def test_what_lies_in_a_store_of_this_host_no_more_may_still_be_cached(tmp_path: Path) -> None:
    store, data = DirectoryStore(tmp_path / "store"), jpeg(200, 100)
    with closing(open_cache(tmp_path / "cache", 1 << 30)) as cache:
        bases = open_bases(tmp_path, store, cache)
        with bases.spool() as spool:
            spool.write(data)
            ident = bases.keep_copy(spool).ident
        assert not bases.exists(ident) and bases.is_here(ident)
        assert whole(bases, ident) == data
        with bases.on_disk(ident) as path:
            assert path.read_bytes() == data
        cache.purge_file(ident)
        with pytest.raises(NotFound), bases.on_disk(ident):
            pass


def test_whether_something_is_in_the_trash_is_asked_of_the_store(
    tmp_path: Path, store: ObjectStore, cache: OwnCache
) -> None:
    bases = open_bases(tmp_path, store, cache)
    ident = bases.add([jpeg(200, 100)]).ident
    assert not bases.life.is_in_trash(ident)
    bases.life.discard(ident)
    assert bases.life.is_in_trash(ident) and store.stat(trash_key(ident)).size
    assert not bases.life.is_in_trash(Ident("ab" * 32))


def test_what_is_remembered_of_bases_is_bounded(
    tmp_path: Path, store: ObjectStore, cache: OwnCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    bases = open_bases(tmp_path, store, cache)
    pictures = [jpeg(40, 30, seed=seed) for seed in range(6)]
    idents = [bases.add([data]).ident for data in pictures]
    for _ in range(2):
        assert [whole(bases, ident) for ident in idents] == pictures
        assert {bases.facts(ident).width for ident in idents} == {40}
    assert len(bases._facts) == 3
