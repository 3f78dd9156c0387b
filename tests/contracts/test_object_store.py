"""What every object store keeps, whatever it is made of."""

from __future__ import annotations

import itertools
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from mezzotint.errors import InvalidInput, NotFound, StoreUnavailable
from mezzotint.objects import ObjectStore
from tests.contracts.stores import KEY, MEGABYTE, OTHER, STORES, Kind, Place, got, keys


@pytest.mark.parametrize("data", [b"", b"x", b"\x00\xff\n" * 1000, b"y" * (2 * MEGABYTE + 7)])
def test_what_is_put_is_got(store: ObjectStore, data: bytes) -> None:
    store.put(KEY, data, "image/jpeg")
    assert got(store, KEY) == data == store.read(KEY)
    assert store.stat(KEY).size == len(data)
    with store.get(KEY) as reader:
        assert reader.size == len(data)


def test_putting_again_replaces_the_whole(store: ObjectStore) -> None:
    store.put(KEY, b"a long first body")
    store.put(KEY, b"short")
    assert store.read(KEY) == b"short"
    assert keys(store) == [KEY]


@pytest.mark.parametrize("method", ["put", "put_if_absent"])
def test_a_body_may_be_a_file(store: ObjectStore, tmp_path: Path, method: str) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"from a file")
    getattr(store, method)(KEY, path)
    assert store.read(KEY) == b"from a file"


def test_a_file_can_be_put_over_another_object_and_over_itself(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"new")
    store.put(KEY, b"old")
    store.put(KEY, path)
    store.put(KEY, path)
    assert store.read(KEY) == b"new"
    assert keys(store) == [KEY]


def test_put_if_absent_keeps_what_is_there(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"file")
    assert store.put_if_absent(KEY, b"first") is True
    assert store.put_if_absent(KEY, b"second") is False
    assert store.put_if_absent(KEY, path) is False
    assert store.read(KEY) == b"first"
    store.delete(KEY)
    assert store.put_if_absent(KEY, b"again") is True


@pytest.mark.parametrize("as_file", [False, True])
def test_of_many_racers_exactly_one_creates(kind: Kind, store: ObjectStore, tmp_path: Path, as_file: bool) -> None:
    """Where a store does not arbitrate several may, and it is one of theirs that is there."""
    assert store.arbitrates() or kind.may_let_two_in
    racers, rounds = 8, 3 if kind.over_network else 10
    barrier = threading.Barrier(racers)
    won: dict[str, list[int]] = {f"race/{n:04d}": [] for n in range(rounds)}

    def race(racer: int) -> None:
        for key, winners in won.items():
            body: bytes | Path = f"{key} by {racer}".encode() * 100
            if as_file:
                path = tmp_path / f"{racer}-{key[-4:]}"
                path.write_bytes(cast(bytes, body))
                body = path
            barrier.wait()
            if store.put_if_absent(key, body):
                winners.append(racer)

    threads = [threading.Thread(target=race, args=(racer,)) for racer in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key, winners in won.items():
        assert winners if kind.may_let_two_in else len(winners) == 1
        assert store.read(key) in [f"{key} by {winner}".encode() * 100 for winner in winners]


def test_a_reader_sees_one_whole_body_while_others_replace_it(kind: Kind, store: ObjectStore) -> None:
    bodies = [bytes([letter]) * 300_000 for letter in b"abcd"]
    store.put(KEY, bodies[0])
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for body in bodies:
                store.put(KEY, body)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        read = 0
        for _ in range(50):
            with suppress(StoreUnavailable) if kind.may_break_off else nullcontext():
                assert got(store, KEY) in bodies
                read += 1
            assert store.stat(KEY).size == 300_000
        assert read
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("size", [5_000, 5 * MEGABYTE])
def test_an_open_reader_keeps_its_object_when_that_is_replaced_or_deleted(
    kind: Kind, store: ObjectStore, size: int
) -> None:
    """Or it says that it cannot: half of one body and half of another is nothing."""
    for _ in range(6 if kind.may_break_off else 1):
        store.put(KEY, b"first" * (size // 5))
        with store.get(KEY) as reader:
            store.put(KEY, b"second")
            store.delete(KEY)
            with suppress(StoreUnavailable) if kind.may_break_off else nullcontext():
                assert b"".join(reader.chunks()) == b"first" * (size // 5)


def test_a_range_is_cut_to_the_object(store: ObjectStore) -> None:
    store.put(KEY, b"0123456789")
    for start, length in itertools.product([0, 3, 9, 10, 11, 999], [None, 0, 1, 100]):
        end = None if length is None else start + length
        with store.get(KEY, start, length) as reader:
            assert b"".join(reader.chunks()) == b"0123456789"[start:end], (start, length)
            assert reader.size == 10


def test_a_range_across_chunks_is_whole(store: ObjectStore) -> None:
    data = b"".join(n.to_bytes(4, "big") for n in range(3 * MEGABYTE // 4))
    store.put(KEY, data)
    assert got(store, KEY, MEGABYTE - 5, MEGABYTE + 10) == data[MEGABYTE - 5 : 2 * MEGABYTE + 5]


def test_what_is_not_there_is_not_found(store: ObjectStore) -> None:
    store.put(OTHER, b"x")
    calls: list[Callable[[], object]] = [
        lambda: store.get(KEY),
        lambda: store.read(KEY),
        lambda: store.stat(KEY),
        lambda: store.move(KEY, OTHER),
        lambda: store.stat("images"),
        lambda: store.read(OTHER + "/below"),
        lambda: store.get(OTHER[:-1]),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    assert store.read(OTHER) == b"x"


def test_deleting_is_done_once_and_may_be_repeated(store: ObjectStore) -> None:
    store.put(KEY, b"x")
    for _ in range(3):
        store.delete(KEY)
        with pytest.raises(NotFound):
            store.stat(KEY)
    assert keys(store) == []


def test_moving_renames_and_replaces(store: ObjectStore) -> None:
    store.put(KEY, b"one")
    store.put(OTHER, b"two")
    store.move(KEY, "trash/" + KEY)
    assert keys(store) == [OTHER, "trash/" + KEY]
    store.move("trash/" + KEY, OTHER)
    assert store.read(OTHER) == b"one"
    assert keys(store) == [OTHER]


def test_moving_one_file_of_two_keys_onto_the_other_leaves_one(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"the same file")
    store.put_if_absent(KEY, path)
    store.put_if_absent(OTHER, path)
    store.move(KEY, OTHER)
    assert keys(store) == [OTHER]
    assert store.read(OTHER) == b"the same file"


def test_stat_tells_size_and_time_by_one_clock(store: ObjectStore) -> None:
    store.put(KEY, b"x" * 7)
    store.put(OTHER, b"y")
    one, other = store.stat(KEY), store.stat(OTHER)
    assert (one.key, one.size) == (KEY, 7)
    assert one.modified <= other.modified
    assert list(store.list()) == [one, other]


@pytest.mark.parametrize("kind", [kind for kind in STORES if not kind.in_memory], ids=lambda kind: kind.name)
def test_a_large_object_is_never_whole_in_memory(kind: Kind, place: Place, tmp_path: Path) -> None:
    store, size, path = kind.open(place), 24 * MEGABYTE, tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(size)
    tracemalloc.start()
    try:
        store.put(KEY, path)
        store.put_if_absent(OTHER, path)
        with store.get(KEY) as reader:
            received = sum(len(chunk) for chunk in reader.chunks())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert received == size
    assert peak < 6 * MEGABYTE


NO_KEYS = [
    "", "ab", "../escape", "images/..", "/images/abc", "images//abc", "a\x00bc", "abc\n", "a\\bc", ".incoming/abc",
    "\u0661\u0662\u0663",
]  # fmt: skip


def test_what_is_no_key_is_refused_everywhere(store: ObjectStore) -> None:
    store.put(KEY, b"x")
    for key in NO_KEYS:
        calls: list[Callable[[], object]] = [
            partial(store.put, key, b"y"), partial(store.put_if_absent, key, b"y"), partial(store.get, key),
            partial(store.read, key), partial(store.stat, key), partial(store.delete, key),
            partial(store.move, key, OTHER), partial(store.move, KEY, key),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(InvalidInput):
                call()
    assert keys(store) == [KEY]
