"""Somebody changes something between two looks of reconcile, of verify, or of what empties the trash."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from django.db import connection

from mezzotint import wiring
from mezzotint.errors import Conflict
from mezzotint.journal import Change, Segment
from mezzotint.names import Ident, base_key, trash_key
from mezzotint.names.keys import damaged_key
from mezzotint.objects import ObjectStore
from mezzotint.objects.clock import store_time
from mezzotint.repository import commits, references, services, standing
from mezzotint.repository.models import Image, Installation, Removal
from mezzotint.repository.records import Records
from mezzotint.repository.upkeep import reconciling, removals, verifying
from mezzotint.repository.upkeep.maintenance import Maintenance
from mezzotint.repository.upkeep.reconciling import Done
from mezzotint.wiring import Engine
from tests import pictures
from tests.ageing import LONG, age
from tests.faults import FaultyStore
from tests.repository.keeping import put_in
from tests.repository.upkeep.test_verifying import flip, is_there


def stray(engine: Engine, seed: int) -> Ident:
    return engine.bases.add([pictures.png(seed=seed)]).ident


def commit_elsewhere(engine: Engine, *changes: Change) -> None:
    """As another database of the same store commits."""
    head = standing.head()
    segment = Segment(
        head.seq + 1, str(uuid.uuid4()), head.fingerprint, "2026-01-02T03:04:05+00:00", "other", changes,
        schema=commits.schema(),
    )  # fmt: skip
    assert engine.journal.append(segment) is not None


class Wrapped:
    """A store with something done just before an operation."""

    def __init__(self, store: ObjectStore, operation: str, before: Callable[..., None]) -> None:
        self._store, self._operation, self._before = store, operation, before

    def __getattr__(self, name: str) -> Any:
        work = getattr(self._store, name)
        if name != self._operation:
            return work

        def done(*arguments: Any) -> Any:
            self._before(*arguments)
            return work(*arguments)

        return done


class Fetched:
    """Somebody who has fetched one base, and wants it kept."""

    def __init__(self, ident: Ident) -> None:
        self._ident = ident

    def refresh(self) -> None: ...

    def complete(self) -> None: ...

    def want(self, ident: str) -> bool:
        return ident == self._ident

    def idents(self) -> Iterator[str]:
        return iter([self._ident])


def test_reconcile_stops_where_another_database_commits(keeping: Engine) -> None:
    put_in(keeping, 1)
    strays = sorted(stray(keeping, seed) for seed in (2, 3, 4))
    reconciling.plan()
    age(keeping)
    found = reconciling.plan()
    with pytest.raises(Conflict, match="somebody else is committing"):
        reconciling.carry_out(found, progress=lambda count: commit_elsewhere(keeping))
    assert [keeping.bases.exists(ident) for ident in strays] == [False, True, True]
    assert reconciling.carry_out(reconciling.plan()) == Done(2, 0, 0)


def test_what_is_wanted_again_since_the_plan_is_left_alone(keeping: Engine) -> None:
    lost, removed = put_in(keeping, 1), put_in(keeping, 2)
    keeping.bases.life.discard(lost)
    services.at_once("x", lambda s: services.remove_image(s, removed))
    age(keeping)
    found = reconciling.plan()
    assert (found.recoverable.idents, found.expired.idents) == ([lost], [removed])
    keeping.bases.add([pictures.png(seed=1)])
    services.at_once("x", lambda s: services.bring_back(s, removed))
    assert reconciling.carry_out(found) == Done(0, 0, 0)
    assert keeping.bases.exists(lost) and keeping.bases.exists(removed)


def test_more_than_can_be_named_are_counted_and_wait(keeping: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "_NAMED", 1)
    strays = sorted(stray(keeping, seed) for seed in (2, 3))
    keeping.store.put("images/shared-300x200.jpg", b"a derivative")
    reconciling.plan()
    age(keeping)
    found = reconciling.plan()
    assert (found.strays.count, found.strays.idents, found.others) == (2, strays[:1], 1)
    assert reconciling.carry_out(found).trashed == 1
    assert reconciling.plan().strays.idents == strays[1:]
    assert is_there(keeping, "images/shared-300x200.jpg")


def test_what_came_from_elsewhere_is_had_from_there_again_and_is_not_missing(keeping: Engine) -> None:
    lost = put_in(keeping, 1)
    keeping.store.delete(base_key(lost))
    fetched = Ident("c" * 64)
    references.register(Fetched(fetched))
    try:
        assert reconciling.plan().missing.idents == [lost]
    finally:
        references._others.pop()


def test_what_cannot_be_read_now_is_neither_whole_nor_damaged(
    keeping: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    idents = sorted(put_in(keeping, seed) for seed in (1, 2, 3))
    faulty = FaultyStore(keeping.store)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(wiring, "_engine", replace(keeping, store=faulty))
        faulty.fail("refused", operation="get", key=base_key(idents[1]))
        report = verifying.verify()
    assert (report.objects, report.unread, report.damaged, report.missing) == (3, [idents[1]], [], [])
    assert f"{base_key(idents[1])} cannot be read" in caplog.text
    again = verifying.verify()
    assert (again.objects, again.unread, again.damaged) == (3, [], []), "it begins anew, and all is well"


@pytest.mark.parametrize("quick", [False, True])
def test_where_nothing_may_be_written_damage_is_told_and_left_where_it_is(keeping: Engine, quick: bool) -> None:
    ident = put_in(keeping, 1)
    keeping.store.put(base_key(ident), b"short")
    Installation.objects.update(pinned=standing.head().seq)
    report = verifying.quick() if quick else verifying.verify()
    assert (report.damaged, report.healed, report.missing) == ([ident], [], [])
    assert keeping.store.read(base_key(ident)) == b"short"
    assert not is_there(keeping, damaged_key(ident))


def test_the_right_bytes_that_come_just_in_time_stay(keeping: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ident = put_in(keeping, 1)
    right = keeping.store.read(base_key(ident))
    flip(keeping, base_key(ident))

    def upload(source: str, target: str) -> None:
        if target == damaged_key(ident):
            keeping.store.put(source, right)

    with monkeypatch.context() as patch:
        patch.setattr(keeping.bases.life, "_store", Wrapped(keeping.store, "move", upload))
        report = verifying.verify()
    assert (report.damaged, report.healed, report.missing) == ([], [], [])
    assert keeping.store.read(base_key(ident)) == right
    assert not is_there(keeping, damaged_key(ident))


def test_a_removal_that_is_not_settled_yet_is_by_and_by(
    keeping: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ident = put_in(keeping, 1)
    faulty = FaultyStore(keeping.store)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(keeping.bases.life, "_store", faulty)
        with faulty.down():
            services.at_once("x", lambda s: services.remove_image(s, ident))
    assert faulty.injected["refused"]
    assert "let go of later" in caplog.text
    assert not Image.objects.exists(), "it was committed whatever comes of that"
    assert (keeping.bases.life.is_in_trash(ident), Removal.objects.get().settled) == (False, False)
    Maintenance().turn()
    assert (keeping.bases.life.is_in_trash(ident), Removal.objects.get().settled) == (True, True)
    assert not keeping.bases.exists(ident)


def test_an_image_that_another_database_puts_in_again_keeps_its_bytes(
    keeping: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ident = put_in(keeping, 1, title="Kallitype")
    (state,) = Records(connection).table("image").rows([(ident,)])
    discard = keeping.bases.life.discard

    def discard_and_see_it_put_in(one: Ident) -> int:
        files = discard(one)
        monkeypatch.undo()
        commit_elsewhere(keeping, state)
        return files

    monkeypatch.setattr(keeping.bases.life, "discard", discard_and_see_it_put_in)
    services.at_once("x", lambda s: services.remove_image(s, ident))
    assert Image.objects.get().title == "Kallitype"
    assert keeping.bases.exists(ident)
    assert not Removal.objects.exists()


def test_the_trash_is_emptied_of_what_lay_there_for_a_grace_and_of_nothing_else(keeping: Engine) -> None:
    old, young, kept, gone = (put_in(keeping, seed) for seed in (1, 2, 3, 4))
    for ident in (old, young, kept, gone):
        services.at_once("x", partial(services.remove_image, ident=ident))
    age(keeping)
    keeping.store.put(trash_key(young), keeping.store.read(trash_key(young)))
    keeping.store.move(trash_key(kept), base_key(kept))
    keeping.store.delete(trash_key(gone))
    assert removals.purge_expired(store_time(keeping.store)) == 2
    assert sorted(Removal.objects.values_list("ident", flat=True)) == sorted([young, kept])
    assert [keeping.bases.life.is_in_trash(ident) for ident in (old, young, kept, gone)] == [False, True, False, False]
    assert keeping.bases.exists(kept)
    assert removals.purge_expired(store_time(keeping.store) + LONG) == 1
