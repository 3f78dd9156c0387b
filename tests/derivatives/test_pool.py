"""The render pool: bounded, with one flight for each name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import wait

import pytest

from mezzotint.derivatives.pool import RenderPool
from mezzotint.errors import Busy
from tests.waiting import PATIENCE


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    opened = threading.Event()
    yield opened
    opened.set()


def test_a_name_under_way_is_joined_and_done_once(gate: threading.Event) -> None:
    pool: RenderPool[int] = RenderPool(1, 4)
    done: list[int] = []

    def work() -> int:
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
    flights = [pool.submit(name, lambda: gate.wait(PATIENCE)) for name in "abc"]
    for _ in range(3):
        with pytest.raises(Busy):
            pool.submit("d", lambda: True)
    pool.submit("a", lambda: True)
    gate.set()
    wait(flights, 30)
    pool.close()
    assert pool.under_way == 0


def test_no_more_render_at_once_than_there_are_places() -> None:
    pool: RenderPool[None] = RenderPool(2, 8)
    lock, inside, most = threading.Lock(), [0], [0]
    together = threading.Barrier(2)

    def work() -> None:
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

    def fail() -> int:
        with pool.slots:
            raise ZeroDivisionError

    for _ in range(5):
        flight = pool.submit("a", fail)
        with pytest.raises(ZeroDivisionError):
            flight.result(PATIENCE)
        wait([flight], 30)
        while pool.under_way:
            threading.Event().wait(0.001)
    assert pool.submit("b", lambda: 7).result(PATIENCE) == 7
    pool.close()
