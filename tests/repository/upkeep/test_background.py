"""What one process of a host does: another takes it up when that one ends, and one that waits can be stopped."""

from __future__ import annotations

import threading

from mezzotint.repository.upkeep.background import Background
from mezzotint.wiring import Engine
from tests.waiting import PATIENCE


class Work(Background):
    def __init__(self) -> None:
        super().__init__("some work")
        self.began, self.ends = threading.Event(), threading.Event()

    def work(self) -> None:
        self.began.set()
        assert self.ends.wait(PATIENCE)

    def interrupt(self) -> None:
        self.ends.set()


def test_the_next_one_begins_when_the_first_has_stopped(repository: Engine) -> None:
    first, second = Work(), Work()
    first.start()
    assert first.began.wait(PATIENCE)
    second.start()
    assert not second.began.wait(1)
    first.stop()
    assert not first.is_alive()
    assert second.began.wait(PATIENCE)
    second.stop()
    assert not second.is_alive()


def test_one_that_waits_for_its_turn_is_stopped_at_once_and_never_begins(repository: Engine) -> None:
    first, second = Work(), Work()
    first.start()
    assert first.began.wait(PATIENCE)
    second.start()
    second.stop()
    first.stop()
    second.join(PATIENCE)
    assert not second.is_alive()
    assert not second.began.is_set()
