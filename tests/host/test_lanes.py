"""Bulkheads: bounded, patient for so long, and nothing that came for nobody stays open."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mezzotint.errors import Busy
from mezzotint.host.lanes import Lane, Question
from tests.waiting import PATIENCE, until


class Opened:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_who_is_one_too_many_is_refused_and_who_waits_too_long() -> None:
    gate = threading.Event()

    async def work() -> None:
        lane = Lane("the store", 1, waiting=1, patience=0.2)
        first = asyncio.ensure_future(lane.do(gate.wait, PATIENCE))
        second = asyncio.ensure_future(lane.do(lambda: "never begun"))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="2 requests are waiting for the store"):
            await lane.do(lambda: None)
        with pytest.raises(Busy, match="the store has not answered others"):
            await second
        third = asyncio.ensure_future(lane.do(lambda: "done"))
        await asyncio.sleep(0)
        gate.set()
        assert await first, "what has begun is waited for, however late it is"
        assert await third == "done"
        lane.close()

    asyncio.run(work())


def test_what_comes_for_nobody_is_closed() -> None:
    gate, opened = threading.Event(), Opened()

    def late() -> Opened:
        gate.wait(PATIENCE)
        return opened

    async def work() -> None:
        lane = Lane("the store", 1)
        asked = asyncio.ensure_future(lane.do(late))
        await asyncio.sleep(0.05)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        gate.set()
        await lane.do(lambda: None)
        lane.close()

    asyncio.run(work())
    until(lambda: opened.closed)


def test_what_fails_says_so_to_whoever_asked() -> None:
    async def work() -> None:
        lane = Lane("the store", 1)
        with pytest.raises(ZeroDivisionError):
            await lane.do(lambda: 1 // 0)
        lane.close()

    asyncio.run(work())


def test_a_question_that_is_not_answered_is_not_asked_twice_and_not_waited_for_twice() -> None:
    gate, asked = threading.Event(), list[int]()

    def ask(number: int) -> int:
        asked.append(number)
        gate.wait(PATIENCE)
        return number

    question = Question("durable", ask)
    for number in range(3):
        with pytest.raises(TimeoutError):
            question.answer(0.1, number)
    assert asked == [0]
    gate.set()
    until(lambda: question.answer(PATIENCE, 7) == 7)
