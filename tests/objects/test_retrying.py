"""Asking a store again: when, how often, and what the answers are worth then."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from mezzotint.errors import InvalidInput, NotFound, StoreUnavailable
from mezzotint.objects import Bounded, MemoryStore, ObjectInfo, ObjectStore, Retrying
from tests.contracts.stores import KEY, OTHER, got, keys
from tests.faults import Fault, FaultyStore, Rates

NEVER = "images/" + "ef" * 32
BODY = bytes(range(256)) * 40


def patient(store: ObjectStore, pause: Callable[[float], None] = lambda seconds: None, attempts: int = 5) -> Retrying:
    return Retrying(store, attempts, pause)


class Asked(MemoryStore):
    """Notes which ranges it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges: list[tuple[int, int | None]] = []

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        self.ranges.append((start, length))
        return super().get(key, start, length)


OPERATIONS: dict[str, Callable[[ObjectStore], object]] = {
    "put": lambda store: store.put(KEY, b"new"),
    "put_if_absent": lambda store: store.put_if_absent(NEVER, b"new"),
    "get": lambda store: store.get(KEY),
    "read": lambda store: store.read(KEY),
    "stat": lambda store: store.stat(KEY),
    "list": lambda store: list(store.list()),
    "delete": lambda store: store.delete(KEY),
    "move": lambda store: store.move(KEY, NEVER),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_asked_again_and_given_up_at_last(operation: str) -> None:
    faulty = FaultyStore(MemoryStore())
    faulty.put(KEY, BODY)
    store = patient(faulty, attempts=4)
    for attempt in range(3):
        faulty.fail("refused", at=attempt + 1)
    before = faulty.operations
    OPERATIONS[operation](store)
    assert (faulty.injected["refused"], faulty.operations - before) == (3, 4)
    with faulty.down(), pytest.raises(StoreUnavailable, match="injected"):
        OPERATIONS[operation](store)
    assert faulty.operations - before == 8


@pytest.mark.parametrize("operation", ["get", "read", "stat", "move"])
def test_a_definite_answer_is_asked_for_once(operation: str) -> None:
    faulty, pauses = FaultyStore(MemoryStore()), list[float]()
    with pytest.raises(NotFound):
        OPERATIONS[operation](patient(faulty, pauses.append))
    with pytest.raises(InvalidInput):
        patient(faulty, pauses.append).put("no/key", b"x")
    assert (faulty.operations, pauses) == (1, [])


def test_pauses_grow_up_to_a_bound_and_are_random() -> None:
    """So that many who failed together do not come back together."""
    faulty = FaultyStore(MemoryStore())
    rows: list[list[float]] = []
    for _ in range(200):
        rows.append([])
        with faulty.down(), pytest.raises(StoreUnavailable):
            patient(faulty, rows[-1].append, attempts=9).stat(KEY)
    columns = list(zip(*rows, strict=True))
    limits = [0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5]
    assert len(columns) == len(limits)
    for column, limit in zip(columns, limits, strict=True):
        assert limit * 0.8 < max(column) <= limit
        assert min(column) < limit * 0.2


@pytest.mark.parametrize(("asked", "least"), [(0.0, 0.0), (3.0, 3.0), (9_999.0, 10.0)])
def test_a_store_that_asks_to_be_left_alone_for_a_while_is(asked: float, least: float) -> None:
    """Retry-After; nobody is held for longer than ten seconds by it."""
    pauses: list[float] = []

    class Busy(MemoryStore):
        def stat(self, key: str) -> ObjectInfo:
            error = StoreUnavailable("busy")
            error.pause = asked
            raise error

    with pytest.raises(StoreUnavailable):
        patient(Busy(), pauses.append, attempts=4).stat(KEY)
    assert len(pauses) == 3 and all(least <= pause <= least + 1 for pause in pauses)


@pytest.mark.parametrize(("start", "length"), [(0, None), (700, None), (3, 5_000), (9_000, 99_999), (20_000, None)])
def test_a_read_that_breaks_off_goes_on_where_it_stopped(start: int, length: int | None) -> None:
    asked = Asked()
    asked.put(KEY, BODY)
    faulty = FaultyStore(asked, Rates(half=0.6), seed=5)
    store = patient(faulty, attempts=30)
    for _ in range(20):
        del asked.ranges[:]
        assert got(store, KEY, start, length) == BODY[start:][:length]
        begun = [first for first, _ in asked.ranges]
        assert begun == sorted(begun) and begun[0] == start
        if length is not None:
            assert {first + (count or 0) for first, count in asked.ranges} == {start + length}
    assert faulty.injected["half"] > 10


@pytest.mark.parametrize("happens", ["replaced", "replaced by as many bytes", "deleted"])
def test_two_versions_are_never_mixed(happens: str) -> None:
    memory = MemoryStore()
    memory.put(KEY, BODY)
    faulty = FaultyStore(memory, seed=1)
    faulty.fail("half", operation="get")
    others = {"replaced": b"x" * 99_999, "replaced by as many bytes": b"x" * len(BODY)}

    def meanwhile(seconds: float) -> None:
        memory.put(KEY, others[happens]) if happens in others else memory.delete(KEY)

    received: list[bytes] = []
    with patient(faulty, meanwhile).get(KEY) as reader, pytest.raises(StoreUnavailable, match="as it was read"):
        received.extend(reader.chunks())
    assert received and BODY.startswith(b"".join(received))
    assert faulty.injected["half"] == 1


def test_a_read_that_never_gets_further_ends() -> None:
    faulty = FaultyStore(MemoryStore(), seed=1)
    faulty.put(KEY, BODY)
    with patient(faulty).get(KEY) as reader, faulty.down():
        faulty.injected.clear()
        assert b"".join(reader.chunks()) == BODY  # the open one is not concerned
    faulty.fail("half", operation="get")
    with patient(faulty).get(KEY) as reader, faulty.down(), pytest.raises(StoreUnavailable):
        b"".join(reader.chunks())
    assert faulty.injected == {"half": 1, "refused": 5}


def test_a_reader_that_broke_off_is_closed_before_the_next_is_opened() -> None:
    faulty = FaultyStore(MemoryStore(), seed=1)
    faulty.put(KEY, BODY)
    store = patient(Bounded(faulty, connections=1, patience=0.01))
    for _ in range(3):
        faulty.fail("half", operation="get")
        assert got(store, KEY) == BODY
    assert faulty.injected["half"] == 3


def test_a_listing_goes_on_after_a_failure() -> None:
    memory = MemoryStore()
    put = [f"images/{n:04d}" for n in range(100)]
    for key in put:
        memory.put(key, b"x")
    faulty = FaultyStore(memory, Rates(half=0.7, refused=0.1), seed=4)
    for prefix, start_after in [("", ""), ("images/00", ""), ("images/", put[49])]:
        expected = [key for key in put if key.startswith(prefix) and key > start_after]
        assert keys(patient(faulty, attempts=12), prefix, start_after) == expected
    assert faulty.injected["half"] > 5


@pytest.mark.parametrize("fault", ["lost", "half"])
def test_a_move_without_an_acknowledgement_was_done(fault: Fault) -> None:
    faulty = FaultyStore(MemoryStore())
    faulty.put(KEY, BODY)
    faulty.fail(fault, operation="move")
    patient(faulty).move(KEY, OTHER)
    assert faulty.injected[fault] == 1
    assert keys(faulty) == [OTHER]
    assert faulty.read(OTHER) == BODY


def test_a_move_of_nothing_is_not_found_however_often_it_is_asked_for() -> None:
    faulty = FaultyStore(MemoryStore())
    faulty.fail("refused", operation="move")
    with pytest.raises(NotFound):
        patient(faulty).move(KEY, OTHER)
    assert faulty.injected["refused"] == 1


def test_a_creation_without_an_acknowledgement_says_that_it_is_there() -> None:
    """Who needs to know whether it was this one's looks at what is there."""
    faulty = FaultyStore(MemoryStore())
    faulty.fail("lost", operation="put_if_absent")
    assert patient(faulty).put_if_absent(KEY, b"mine") is False
    assert faulty.read(KEY) == b"mine"


def test_the_same_seed_injects_the_same_faults() -> None:
    """Else a run that failed could not be repeated."""

    def run(seed: int) -> tuple[list[object], Counter[str]]:
        faulty = FaultyStore(MemoryStore(), Rates(refused=0.1, lost=0.1, half=0.3, double=0.2, late=0.2), seed)
        store, seen, chosen = patient(faulty, attempts=20), list[object](), random.Random(0)
        for n in range(150):
            operation = chosen.choice(sorted(OPERATIONS))
            try:
                OPERATIONS[operation](store)
            except NotFound:
                store.put(KEY, b"%d" % n)
            seen.append((faulty.operations, keys(store)))
        return seen, faulty.injected

    first = run(3)
    assert first == run(3) != run(4)
    assert {"refused", "lost", "half", "double", "late"} <= set(first[1])


class Late(MemoryStore):
    """What was put is not to be seen the first `late` times that it is looked for: eventual consistency."""

    late = 2

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        self._look(key)
        return super().get(key, start, length)

    def stat(self, key: str) -> Any:
        self._look(key)
        return super().stat(key)

    def _look(self, key: str) -> None:
        if self.late:
            self.late -= 1
            raise NotFound(f"there is no object {key}")


@pytest.mark.parametrize(
    "look", [lambda store: store.read(KEY), lambda store: store.stat(KEY), lambda store: got(store, KEY)]
)
def test_what_was_put_a_moment_ago_is_looked_for_again(look: Callable[[ObjectStore], object]) -> None:
    paused: list[float] = []
    for write in (
        lambda store: store.put(KEY, BODY),
        lambda store: store.put_if_absent(KEY, BODY),
        lambda store: (store.put(OTHER, BODY), store.move(OTHER, KEY)),
    ):
        late = Late()
        late.late = 0
        store = patient(late, paused.append)
        write(store)
        late.late = 2
        look(store)
        assert late.late == 0
    assert len(paused) == 6


def test_what_is_still_not_there_then_is_not_there_and_others_are_not_waited_for() -> None:
    paused: list[float] = []
    late = Late()
    store = patient(late, paused.append)
    store.put(KEY, BODY)
    late.late = 100
    with pytest.raises(NotFound):
        store.read(KEY)
    assert (late.late, len(paused)) == (96, 3)
    for key in (NEVER, OTHER):
        with pytest.raises(NotFound):
            store.read(key)
    store.delete(KEY)
    with pytest.raises(NotFound):
        store.read(KEY)
    assert len(paused) == 3
