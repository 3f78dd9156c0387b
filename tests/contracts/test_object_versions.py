"""How every object store tells one state of an object from another."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mezzotint.errors import NotFound
from mezzotint.objects import ObjectStore
from tests.contracts.stores import KEY, MEGABYTE, OTHER, Kind, got

TICK = 1.01
"""seconds; whoever tells the time in whole seconds tells another one after this"""


def test_other_bytes_have_another_version(store: ObjectStore) -> None:
    seen = []
    for n in range(20):
        store.put(KEY, b"%02d of one size" % n)
        seen.append(store.stat(KEY).version)
        with store.get(KEY) as reader:
            assert reader.version == seen[-1]
        with store.get(KEY, 3, 4) as reader:
            assert reader.version == seen[-1]
    assert [info.version for info in store.list()] == seen[-1:]
    assert len(set(seen)) == 20


def test_a_moved_object_counts_as_modified_at_the_move(kind: Kind, store: ObjectStore) -> None:
    """A grace in the trash is reckoned from the day something got there."""
    store.put(KEY, b"an old one")
    put = store.stat(KEY).modified
    time.sleep(TICK if kind.over_network else 0.02)
    store.put(OTHER, b"a later one")
    later = store.stat(OTHER).modified
    store.move(KEY, "trash/" + KEY)
    moved = store.stat("trash/" + KEY)
    assert put < later <= moved.modified
    assert next(iter(store.list("trash/"))) == moved


def test_a_store_tells_about_the_time_of_the_world(store: ObjectStore) -> None:
    before = time.time()
    store.put(KEY, b"x")
    assert before - 1 <= store.stat(KEY).modified <= time.time() + 1


@pytest.mark.parametrize("size", [3, 17 * MEGABYTE])
def test_what_is_there_is_not_changed_by_a_second_creator(store: ObjectStore, tmp_path: Path, size: int) -> None:
    """Nor where it is so large that it is stored in parts."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"1" * size)
    second.write_bytes(b"2" * size)
    assert store.put_if_absent(KEY, first) is True
    known = store.stat(KEY)
    assert store.put_if_absent(KEY, second) is False
    assert store.stat(KEY) == known
    assert got(store, KEY) == b"1" * size


def test_a_large_object_is_moved_whole(store: ObjectStore, tmp_path: Path) -> None:
    path, size = tmp_path / "large", 17 * MEGABYTE
    path.write_bytes(bytes(range(256)) * (size // 256))
    store.put(KEY, path)
    store.move(KEY, "trash/" + KEY)
    with pytest.raises(NotFound):
        store.stat(KEY)
    assert got(store, "trash/" + KEY, size - 300, 300) == path.read_bytes()[-300:]
    assert store.stat("trash/" + KEY).size == size
