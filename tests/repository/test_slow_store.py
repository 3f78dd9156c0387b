"""A commit that waits for a slow store keeps nobody else from writing to the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from mezzotint import wiring
from mezzotint.journal import Journal
from mezzotint.repository import commits, services
from mezzotint.repository.intake import capture
from mezzotint.repository.models import Commit, Image, UpdateSession
from mezzotint.wiring import Engine
from tests import pictures
from tests.faults import FaultyStore
from tests.repository.adding import add_image
from tests.repository.keeping import rebuilt_equals_live
from tests.waiting import IN_TIME, PATIENCE


def elsewhere(work: Callable[[], object]) -> object:
    """In a thread with a connection of its own."""

    def done() -> object:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(done).result(PATIENCE)


@pytest.fixture
def slow(keeping: Engine) -> Iterator[FaultyStore]:
    faulty = FaultyStore(keeping.store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "_engine", replace(keeping, store=faulty, journal=Journal(faulty)))
        yield faulty


def test_others_write_while_a_segment_is_on_its_way(keeping: Engine, slow: FaultyStore) -> None:
    base = keeping.bases.add([pictures.png(seed=71)])
    session = services.open_session("x")
    add_image(session, base, {"title": "Slow"})
    frozen = slow.freeze(operation="put_if_absent", key="journal/")
    with ThreadPoolExecutor(1) as threads:
        committing = threads.submit(lambda: elsewhere(lambda: commits.commit(session)))
        assert frozen.reached.wait(PATIENCE)
        begun = time.monotonic()
        other = services.open_session("y")
        services.put_collection(other, "attic", {"title": "Attic"})
        Group.objects.create(name="printers")
        assert time.monotonic() - begun < IN_TIME
        assert not Image.objects.exists(), "and nothing is visible before it is durable"
        frozen.thaw()
        committing.result(PATIENCE)
    assert Image.objects.get().title == "Slow"
    assert UpdateSession.objects.get(pk=other.pk).state == "open"
    commits.commit(other)
    assert not capture.pending()
    assert Group.objects.get().name == "printers"
    rebuilt_equals_live()


def test_what_changes_while_it_is_being_committed_is_not_lost(keeping: Engine, slow: FaultyStore) -> None:
    """The segment has the row as it was; what it became meanwhile stays, and has its turn."""
    group = Group.objects.create(name="printers")
    frozen = slow.freeze(operation="put_if_absent", key="journal/")
    with ThreadPoolExecutor(1) as threads:
        flushing = threads.submit(lambda: elsewhere(partial(commits.flush, "x")))
        assert frozen.reached.wait(PATIENCE)
        Group.objects.filter(pk=group.pk).update(name="binders")
        Group.objects.create(name="gilders")
        frozen.thaw()
        flushing.result(PATIENCE)
    assert set(Group.objects.values_list("name", flat=True)) >= {"binders", "gilders"}
    commits.flush("x")
    assert not capture.pending()
    assert set(Group.objects.values_list("name", flat=True)) == {"binders", "gilders"}
    rebuilt_equals_live()


def test_committers_wait_for_each_other(keeping: Engine, slow: FaultyStore) -> None:
    sessions = []
    for seed in (72, 73):
        session = services.open_session("x")
        add_image(session, keeping.bases.add([pictures.png(seed=seed)]), {})
        sessions.append(session)
    frozen = slow.freeze(operation="put_if_absent", key="journal/")
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(lambda: elsewhere(lambda: commits.commit(sessions[0])))
        assert frozen.reached.wait(PATIENCE)
        begun = threading.Event()

        def second() -> object:
            begun.set()
            return commits.commit(sessions[1])

        other = threads.submit(lambda: elsewhere(second))
        assert begun.wait(PATIENCE)
        time.sleep(0.2)
        assert not other.done()
        frozen.thaw()
        assert (first.result(PATIENCE).seq, other.result(PATIENCE).seq) == (  # type: ignore[attr-defined]
            Commit.objects.get(transaction=str(sessions[0].pk)).seq,
            Commit.objects.get(transaction=str(sessions[1].pk)).seq,
        )
    assert list(Commit.objects.order_by("seq").values_list("seq", flat=True)) == [1, 2]
    rebuilt_equals_live()
