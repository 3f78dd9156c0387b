"""The render pool: bounded, with one flight for each name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from mezzotint.derivatives.pool import Flight, RenderPool
from mezzotint.errors import Busy, GivenUp, TooMuchForOne
from mezzotint.transforms.stopping import Stop
from tests.waiting import PATIENCE


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    opened = threading.Event()
    yield opened
    opened.set()


def test_a_name_under_way_is_joined_and_done_once(gate: threading.Event) -> None:
    pool: RenderPool[int] = RenderPool(1, 4)
    done: list[int] = []

    def work(stop: Stop) -> int:
        gate.wait(PATIENCE)
        done.append(1)
        return len(done)

    flights = [pool.submit("a", work) for _ in range(10)]
    assert pool.under_way == 1
    gate.set()
    assert [flight.result(PATIENCE) for flight in flights] == [1] * 10
    assert pool.submit("a", work).result(PATIENCE) == 2
    pool.close()


def test_the_queue_is_bounded_by_names_and_free_again_afterwards(gate: threading.Event) -> None:
    pool: RenderPool[bool] = RenderPool(1, 3)
    flights = [pool.submit(name, lambda stop: gate.wait(PATIENCE)) for name in "abc"]
    for _ in range(3):
        with pytest.raises(Busy):
            pool.submit("d", lambda stop: True)
    pool.submit("a", lambda stop: True)
    gate.set()
    wait([flight.future for flight in flights], 30)
    pool.close()
    assert pool.under_way == 0


def test_no_more_render_at_once_than_there_are_places() -> None:
    pool: RenderPool[None] = RenderPool(2, 8)
    lock, inside, most = threading.Lock(), [0], [0]
    together = threading.Barrier(2)

    def work(stop: Stop) -> None:
        with pool.slots:
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            together.wait(PATIENCE)
            with lock:
                inside[0] -= 1

    flights = [pool.submit(str(n), work) for n in range(8)]
    for flight in flights:
        flight.result(PATIENCE)
    assert most[0] == 2
    pool.close()


def test_a_failed_flight_frees_its_name_and_its_place() -> None:
    pool: RenderPool[int] = RenderPool(1, 1)

    def fail(stop: Stop) -> int:
        with pool.slots:
            raise ZeroDivisionError

    for _ in range(5):
        flight = pool.submit("a", fail)
        with pytest.raises(ZeroDivisionError):
            flight.result(PATIENCE)
        wait([flight.future], 30)
        while pool.under_way:
            threading.Event().wait(0.001)
    assert pool.submit("b", lambda stop: 7).result(PATIENCE) == 7
    pool.close()


def test_what_nobody_waits_for_is_given_up_and_may_be_asked_for_again(gate: threading.Event) -> None:
    pool: RenderPool[int] = RenderPool(1, 4)
    begun, ended = threading.Event(), threading.Event()

    def work(stop: Stop) -> int:
        with stop.while_stopping(ended.set):
            begun.set()
            ended.wait(PATIENCE)
        stop.check()
        return 1

    first, joined = pool.submit("a", work), pool.submit("a", work)
    assert begun.wait(PATIENCE)
    pool.leave(first)
    assert not ended.is_set(), "one still waits"
    pool.leave(joined)
    again = pool.submit("a", lambda stop: 2)
    assert again.result(PATIENCE) == 2
    with pytest.raises(GivenUp, match="nobody waits"):
        first.result(PATIENCE)
    pool.close()
    assert pool.under_way == 0


def test_what_was_given_up_in_the_queue_is_never_begun(gate: threading.Event) -> None:
    pool: RenderPool[bool] = RenderPool(1, 1)
    pool._threads = ThreadPoolExecutor(1)
    pool._queue = pool._share = 8
    first = pool.submit("a", lambda stop: gate.wait(PATIENCE))
    begun: list[str] = []

    def work(stop: Stop) -> bool:
        begun.append("begun")
        return True

    waiting = [pool.submit(name, work) for name in "bcd"]
    for flight in waiting:
        pool.leave(flight)
    gate.set()
    assert first.result(PATIENCE)
    pool.close()
    assert (begun, pool.under_way) == ([], 0)


def test_one_client_has_half_of_the_queue(gate: threading.Event) -> None:
    pool: RenderPool[bool] = RenderPool(1, 4)

    def ask(name: str, client: str | None) -> Flight[bool]:
        return pool.submit(name, lambda stop: gate.wait(PATIENCE), client)

    flights = [ask("a", "one"), ask("b", "one")]
    with pytest.raises(TooMuchForOne, match="half of MEZZOTINT_RENDER_QUEUE"):
        ask("c", "one")
    flights += [ask("a", "one"), ask("c", "another"), ask("d", None)]
    with pytest.raises(Busy, match="4 renditions"):
        ask("e", "third")
    gate.set()
    assert all(flight.result(PATIENCE) for flight in flights)
    pool.close()
    assert pool.under_way == 0
