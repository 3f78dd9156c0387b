"""The engine goes on, whatever the database, the queue or a member does to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.tasks import async_task

from mezzotint.composites import claims, tasks, worker, working
from mezzotint.composites.models import Batch, Collection, Member, Page, Status
from tests.composites.world import World, settle
from tests.documents import text_pdf
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.processes


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("_IDLE", 0.05), ("_AGAIN", 0.05), ("_QUEUE_AGAIN", 0.05)):
        monkeypatch.setattr(worker, name, seconds)


@contextmanager
def running() -> Iterator[worker.PageEngine]:
    engine = worker.PageEngine()
    thread = threading.Thread(target=engine.run, daemon=True)
    thread.start()
    try:
        yield engine
    finally:
        engine.stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    until(lambda: not listens())


def listens() -> bool:
    return any(thread.name == "composites-queue" for thread in threading.enumerate())


def fails_at_first(true: Callable[..., Any], times: int, error: Exception) -> Callable[..., Any]:
    left = [error] * times

    def failing(*arguments: Any) -> Any:
        if left:
            raise left.pop()
        return true(*arguments)

    return failing


def is_completed(member: Member) -> bool:
    return Member.objects.filter(pk=member.pk, status=Status.COMPLETED).exists()


def test_a_database_that_is_away_is_told_once_and_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    member = world.composite(text_pdf(1))
    away = OperationalError("the database is away")
    monkeypatch.setattr(claims, "due", fails_at_first(claims.due, 3, away))
    with running():
        until(lambda: is_completed(member))
    assert caplog.messages.count("composites: the database is away") == 1


def test_a_queue_that_is_away_is_told_once_and_the_table_is_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr("django_q.brokers.get_broker", away)
    member = world.composite(text_pdf(1))
    with running():
        until(lambda: is_completed(member))
    told = [line for line in caplog.messages if "the queue is out of reach, and the table is looked at instead" in line]
    assert told == ["composites: the queue is out of reach, and the table is looked at instead: no broker"]


def test_a_member_that_fails_its_worker_leaves_it_to_others(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = world.composite(text_pdf(1)), world.composite(text_pdf(1), "/b.pdf")
    true = working.work

    def work(claim: claims.Claim, stop: threading.Event) -> None:
        if claim.member.pk == first.pk:
            raise OperationalError("the database is away")
        true(claim, stop)

    monkeypatch.setattr(worker, "work", work)
    settle(engine_workers=1)
    with running():
        until(lambda: is_completed(second))
    first.refresh_from_db()
    assert (first.status, first.owner != "") == (Status.PENDING, True)
    assert any(f"member {first.pk}: it is taken up again" in line for line in caplog.messages)


def test_what_cannot_be_read_is_taken_off_the_queue_and_what_is_others_stays(world: World) -> None:
    OrmQ.objects.all().delete()
    async_task("somebody.elses")
    assert not worker._drained()
    assert OrmQ.objects.count() == 1
    OrmQ.objects.all().delete()
    for payload in ("no package", ""):
        OrmQ.objects.create(key=Conf.PREFIX, payload=payload, lock=timezone.now() - timedelta(days=1))
    for _ in range(2):
        assert worker._drained()
    assert OrmQ.objects.count() == 0


def test_a_queue_that_does_not_say_how_much_waits_has_nothing_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.composite(text_pdf(1))
    Member.objects.update(queued=0.0)

    class Broker:
        def queue_size(self) -> int:
            raise ConnectionError("no broker")

    brokers = iter([Broker(), get_broker()])
    monkeypatch.setattr("django_q.brokers.get_broker", lambda *arguments: next(brokers))
    assert tasks.sweep() == 1
    assert "the queue is out of reach: no broker" in caplog.messages


def test_without_workers_and_on_a_read_node_nothing_is_begun(world: World) -> None:
    background = worker.Background()
    assert background.may_begin()
    settle(engine_workers=0)
    assert not background.may_begin()
    settle(engine_workers=2, read_only=True)
    assert not background.may_begin()


def test_in_serve_it_works_until_it_is_stopped(world: World) -> None:
    member = world.composite(text_pdf(1))
    background = worker.Background()
    background.start()
    until(lambda: is_completed(member))
    background.stop()
    assert not background.is_alive()
    until(lambda: not listens())
    late = worker.Background()
    late.stop()
    late.work()
    assert not listens(), "it was stopped before it began"


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (Collection(id="01234567-89ab-cdef-0123-456789abcdef"), "01234567-89ab-cdef-0123-456789abcdef"),
        (Member(id="01234567-89ab-cdef-0123-456789abcdef"), "01234567-89ab-cdef-0123-456789abcdef"),
        (Batch(uri="http://dlcs/1", number=3), "http://dlcs/1"),
        (Batch(member_id="a", number=3), "a 3"),
        (Page(member_id="a", number=3), "a 3"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_row_has_a_name(row: object, name: str) -> None:
    assert str(row) == name
