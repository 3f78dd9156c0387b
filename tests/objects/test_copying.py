"""A repository moves between stores whole, or is seen not to have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from mezzotint.errors import Conflict, DamagedBase, StoreUnavailable
from mezzotint.names import Ident
from mezzotint.names.keys import COPYING_KEY, LATEST_KEY, MARKER_KEY, base_key, journal_key, trash_key
from mezzotint.objects import DirectoryStore, MemoryStore, ObjectStore
from mezzotint.objects.copying import CopyReport, copy
from mezzotint.objects.protocol import ObjectInfo
from tests.backends.swift import SwiftCluster
from tests.contracts.stores import MEGABYTE, got, keys, opened, wrapped
from tests.faults import Crash, Fault, FaultyStore, Rates


def put_base(store: ObjectStore, data: bytes) -> str:
    key = base_key(Ident(hashlib.sha256(data).hexdigest()))
    store.put(key, data)
    return key


def fill(store: ObjectStore, bases: int = 3) -> ObjectStore:
    for n in range(bases):
        put_base(store, b"base %d" % n)
        store.put(journal_key(n + 1), b"segment %d" % n)
    store.put(trash_key(Ident("0" * 64)), b"not what its name says, but that is for the trash to know")
    store.put(LATEST_KEY, b'{"seq": 1}')
    store.put(MARKER_KEY, b'{"store": "this one"}')
    return store


def contents(store: ObjectStore) -> dict[str, bytes]:
    return {info.key: got(store, info.key) for info in store.list()}


def moved(source: ObjectStore, target: ObjectStore, spool: Path) -> CopyReport:
    try:
        return copy(source, target, spool, lambda key, path: "image/jpeg")
    finally:
        assert not spool.exists() or not list(spool.iterdir())


def test_from_store_to_store_to_store_everything_stays_the_same(swift: SwiftCluster, tmp_path: Path) -> None:
    source = fill(DirectoryStore(tmp_path / "first"))
    put_base(source, b"large" * (4 * MEGABYTE))
    before = contents(source)
    places = [
        opened("swift", swift, swift.new_container()),
        opened("s3", swift, swift.new_container()),
        DirectoryStore(tmp_path / "last"),
    ]
    for target in places:
        report = moved(source, target, tmp_path / "spool")
        assert (report.copied, report.damaged) == (len(before) - 2, [])
        assert report.bytes == sum(len(data) for key, data in before.items() if key not in {LATEST_KEY, MARKER_KEY})
        assert contents(target) == before
        source = target
    again = moved(places[1], places[2], tmp_path / "spool")
    assert (again.copied, again.there) == (0, len(before) - 2)


@pytest.mark.parametrize("fault", ["crash", "crash-after", "refused", "lost"])
def test_a_copy_that_was_broken_off_anywhere_is_no_repository_and_goes_on(fault: Fault, tmp_path: Path) -> None:
    """The Nth operation on the target fails for N = 1, 2, ... until a copy comes through."""
    source = fill(MemoryStore())
    before = contents(source)
    for at in count(1):
        target = FaultyStore(MemoryStore())
        target.fail(fault, at=at)
        try:
            moved(source, target, tmp_path)
        except (Crash, StoreUnavailable):
            assert sum(target.injected.values()) == 1
            found = contents(target)
            whole = found == before
            assert whole or COPYING_KEY in found or not found
            assert MARKER_KEY not in found or found.keys() - {COPYING_KEY} == before.keys()
            assert all(before[key] == data for key, data in found.items() if key != COPYING_KEY)
            moved(source, target, tmp_path)
        else:
            assert not target.injected and at > 20
            break
        assert contents(target) == before


def test_the_marker_is_the_last_that_comes(tmp_path: Path) -> None:
    written: list[str] = []

    class Noting(MemoryStore):
        def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
            written.append(key)
            super().put(key, body)

        def delete(self, key: str) -> None:
            written.append(f"not {key}")
            super().delete(key)

    moved(fill(MemoryStore()), Noting(), tmp_path)
    assert written[0] == COPYING_KEY
    assert written[-3:] == [LATEST_KEY, MARKER_KEY, f"not {COPYING_KEY}"]
    first = written.index(journal_key(1))
    assert all(key.startswith("journal/") for key in written[first:-1])


def test_a_copy_comes_through_where_both_stores_fail_now_and_then(tmp_path: Path) -> None:
    source, rates = fill(MemoryStore(), bases=40), Rates(refused=0.1, lost=0.1, half=0.2, late=0.2)
    reading, writing = FaultyStore(source, rates, seed=1), FaultyStore(MemoryStore(), rates, seed=2)
    report = moved(wrapped(reading), wrapped(writing), tmp_path)
    with writing.calm():
        assert contents(writing) == contents(source)
    assert report.damaged == []
    assert reading.injected["half"] and writing.injected["lost"] and writing.injected["refused"]


def test_a_damaged_base_is_reported_and_stays_behind(tmp_path: Path) -> None:
    source, target = fill(MemoryStore()), MemoryStore()
    damaged = put_base(source, b"flipped")
    source.put(damaged, b"fliqped")
    report = moved(source, target, tmp_path)
    assert report.damaged == [damaged]
    assert keys(target) == [key for key in keys(source) if key != damaged]
    put_base(source, b"flipped")
    assert moved(source, target, tmp_path).damaged == []
    assert contents(target) == contents(source)


def test_half_a_base_never_arrives(tmp_path: Path) -> None:
    source, target = FaultyStore(fill(MemoryStore()), seed=3), MemoryStore()
    source.fail("half", operation="get", key="images/")
    with pytest.raises(StoreUnavailable):
        moved(source, target, tmp_path)
    assert source.injected["half"] == 1
    expected = contents(source)
    assert all(expected[key] == data for key, data in contents(target).items() if key != COPYING_KEY)


def test_what_is_committed_meanwhile_comes_along(tmp_path: Path) -> None:
    source, target = fill(MemoryStore()), MemoryStore()
    waiting = [4, 5]

    def progress(objects: int, size: int) -> None:
        if waiting:
            seq = waiting.pop()
            put_base(source, b"new %d" % seq)
            source.put(journal_key(seq), b"segment")

    copy(source, target, tmp_path, lambda key, path: "image/jpeg", progress)
    assert contents(target) == contents(source)


@pytest.mark.parametrize("source", [MemoryStore(), fill(MemoryStore())], ids=["nothing", "a repository"])
def test_another_repository_is_not_copied_over(source: ObjectStore, tmp_path: Path) -> None:
    """A wrong address must not be the end of what is there."""
    target = fill(MemoryStore())
    target.put(MARKER_KEY, b'{"store": "another"}')
    before = contents(target)
    with pytest.raises(Conflict):
        moved(source, target, tmp_path)
    assert contents(target) == before


def test_a_target_that_has_gone_on_alone_is_refused(tmp_path: Path) -> None:
    source, target = fill(MemoryStore()), fill(MemoryStore())
    target.put(journal_key(4), b"a segment that the source does not have")
    with pytest.raises(Conflict, match="the right way round"):
        moved(source, target, tmp_path / "spool")


def test_what_is_removed_while_it_is_copied_is_not_public_over_there(tmp_path: Path) -> None:
    source, target = fill(MemoryStore()), MemoryStore()
    removed = next(info.key for info in source.list("images/"))
    vanishing = next(info.key for info in source.list("images/") if info.key != removed)

    class Removing(MemoryStore):
        """Whose source loses pictures when the first ones have come."""

        def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
            super().put(key, body, content_type)
            if key == removed:
                source.move(removed, trash_key(Ident(removed.rpartition("/")[2])))
                source.delete(vanishing)

    target = Removing()
    moved(source, target, tmp_path / "spool")
    assert removed not in keys(target)


def test_an_object_that_is_gone_when_its_turn_comes_is_left_out(tmp_path: Path) -> None:
    source = fill(MemoryStore())
    lists = source.list

    def first_listed(prefix: str = "", start_after: str = "") -> Iterator[ObjectInfo]:
        yield ObjectInfo(base_key(Ident("0" * 64)), 1, 1.0) if not prefix else next(lists(prefix), None)  # type: ignore[misc]
        yield from lists(prefix, start_after)

    source.list = first_listed  # type: ignore[method-assign]
    report = moved(source, target := MemoryStore(), tmp_path / "spool")
    assert not report.damaged
    assert base_key(Ident("0" * 64)) not in keys(target)


def test_a_target_that_gives_back_other_bytes_is_told(tmp_path: Path) -> None:
    class Damaging(MemoryStore):
        def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
            data = body.read_bytes() if isinstance(body, Path) else body
            super().put(key, data[:-1] + b"!" if key.startswith("images/") else data, content_type)

    with pytest.raises(DamagedBase, match="does not come back"):
        moved(fill(MemoryStore()), Damaging(), tmp_path / "spool")
