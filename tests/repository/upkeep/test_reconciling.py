"""Store and repository are brought into agreement, and nothing that anybody wants is lost by it."""

from __future__ import annotations

import gc
import json
import os
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from mezzotint import wiring
from mezzotint.errors import Conflict, NotFound, ReadOnly, StoreUnavailable
from mezzotint.journal import Journal
from mezzotint.names import Ident, base_key, trash_key
from mezzotint.names.keys import IMAGES, MARKER_KEY
from mezzotint.objects import ObjectInfo, ObjectStore
from mezzotint.objects.clock import store_time
from mezzotint.repository import commits, services, standing
from mezzotint.repository.intake import capture
from mezzotint.repository.models import Image, Removal, Sighting
from mezzotint.repository.upkeep import reconciling, removals
from mezzotint.repository.upkeep.reconciling import Done, RepairPlan
from mezzotint.wiring import Engine
from tests import pictures
from tests.ageing import age
from tests.durability.oracle import rows
from tests.faults import FaultyStore, Rates
from tests.repository.adding import add_image
from tests.repository.keeping import put_in
from tests.repository.test_standing import contents
from tests.servers import run


def stray(engine: Engine, seed: int) -> Ident:
    return engine.bases.add([pictures.png(seed=seed)]).ident


def numbers(plan: RepairPlan) -> dict[str, int]:
    found = {name: getattr(plan, name).count for name in ("strays", "missing", "recoverable", "expired")}
    return found | {"young": plan.young}


NOTHING = {"strays": 0, "missing": 0, "recoverable": 0, "expired": 0, "young": 0}


def test_a_stray_goes_after_two_sightings_a_grace_apart_and_then_for_good(keeping: Engine) -> None:
    kept, ident = put_in(keeping, 1), stray(keeping, 2)
    age(keeping)
    first = reconciling.plan()
    assert numbers(first) == NOTHING | {"young": 1}, "old enough, but never seen before"
    assert reconciling.carry_out(first) == Done(0, 0, 0)
    assert reconciling.plan().young == 1, "seen again, but too soon"
    age(keeping)
    second = reconciling.plan()
    assert (second.strays.idents, second.young) == ([ident], 0)
    assert reconciling.carry_out(second) == Done(1, 0, 0)
    assert not keeping.bases.exists(ident)
    assert keeping.store.stat(trash_key(ident)).size > 0
    assert numbers(reconciling.plan()) == NOTHING
    age(keeping)
    third = reconciling.plan()
    assert third.expired.idents == [ident]
    assert reconciling.carry_out(third) == Done(0, 0, 1)
    with pytest.raises(NotFound):
        keeping.store.stat(trash_key(ident))
    assert reconciling.plan().is_clean
    assert keeping.bases.exists(kept)


def test_a_stray_that_was_gone_between_two_sightings_begins_anew(keeping: Engine) -> None:
    put_in(keeping, 1)
    ident = stray(keeping, 2)
    reconciling.plan()
    keeping.bases.life.discard(ident)
    reconciling.plan()
    assert not Sighting.objects.exists()
    keeping.bases.life.recover(ident)
    age(keeping)
    assert numbers(reconciling.plan())["strays"] == 0


def test_what_an_open_session_has_uploaded_is_no_stray(keeping: Engine) -> None:
    put_in(keeping, 1)
    session = services.open_session("tester")
    base = keeping.bases.add([pictures.png(seed=2)])
    add_image(session, base, {"title": "Later"})
    reconciling.plan()
    age(keeping)
    plan = reconciling.plan()
    assert numbers(plan) == NOTHING
    services.abort(session)
    reconciling.plan()
    age(keeping)
    again = services.open_session("tester")
    found = reconciling.plan()
    add_image(again, base, {})
    assert found.strays.idents == [base.ident]
    assert reconciling.carry_out(found).trashed == 0, "somebody wants it since the plan was made"
    commits.commit(again)
    assert keeping.bases.exists(base.ident)


def test_more_strays_than_the_cap_are_not_moved_without_being_asked(
    keeping: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in(keeping, 1)
    idents = sorted(stray(keeping, seed) for seed in range(10, 14))
    with monkeypatch.context() as patch:
        patch.setattr(reconciling, "CAP_COUNT", 3)
        reconciling.plan()
        age(keeping)
        found = reconciling.plan()
        assert (found.strays.idents, found.over_cap) == (idents, True)
        with pytest.raises(Conflict, match="--over-cap"):
            reconciling.carry_out(found)
        assert all(keeping.bases.exists(ident) for ident in idents)
        assert reconciling.carry_out(found, over_cap=True).trashed == 4


def test_the_cap_is_a_hundred_or_one_in_a_hundred() -> None:
    for objects, count, over in ((100, 10, False), (100, 11, True), (50_000, 100, False), (50_000, 101, True)):
        plan = RepairPlan(objects=objects)
        plan.strays.count = count
        assert plan.over_cap is over


def test_planning_changes_nothing(keeping: Engine, tmp_path: Path) -> None:
    gone, kept = put_in(keeping, 1), put_in(keeping, 2)
    stray(keeping, 3)
    keeping.bases.life.discard(gone)
    services.at_once("tester", lambda s: services.remove_image(s, kept))
    reconciling.plan()
    age(keeping)
    before, store = rows(), contents(tmp_path / "data/store")
    plan = reconciling.plan()
    assert numbers(plan) == {"strays": 1, "missing": 0, "recoverable": 1, "expired": 1, "young": 0}
    assert rows() == before
    assert contents(tmp_path / "data/store") == store


def test_a_missing_base_is_mended_from_the_trash_or_reported(keeping: Engine) -> None:
    mended, lost, kept = (put_in(keeping, seed) for seed in (1, 2, 3))
    keeping.bases.life.discard(mended)
    keeping.store.delete(base_key(lost))
    age(keeping)
    plan = reconciling.plan()
    assert (plan.recoverable.idents, plan.missing.idents) == ([mended], [lost])
    assert plan.expired.count == 0, "it is wanted, however long it lay there"
    assert reconciling.carry_out(plan) == Done(0, 1, 0)
    again = reconciling.plan()
    assert (again.is_clean, again.missing.idents) == (True, [lost])
    assert [keeping.bases.exists(ident) for ident in (mended, lost, kept)] == [True, False, True]
    assert Image.objects.filter(ident=lost).exists(), "nothing removes an entry on its own"


def used(engine: Engine, store: Any) -> Engine:
    return replace(engine, store=store, journal=Journal(store))


def test_entries_whose_bytes_are_gone_go_by_a_commit_where_that_is_asked_for(keeping: Engine) -> None:
    idents = [put_in(keeping, seed) for seed in range(3)]
    keeping.store.delete(base_key(idents[0]))
    keeping.store.delete(base_key(idents[1]))
    plan = reconciling.plan()
    assert set(plan.missing.idents) == set(idents[:2])
    keeping.bases.add([pictures.png(seed=1)])  # somebody has brought one of them meanwhile
    done = reconciling.remove_entries(plan, "ada")
    assert done is not None
    assert (done.removed, done.by, done.note) == (1, "ada", "reconcile: 1 entries whose bytes are gone from the store")
    assert set(Image.objects.values_list("ident", flat=True)) == set(idents[1:])
    assert reconciling.remove_entries(reconciling.plan(), "ada") is None


def test_more_entries_than_the_cap_are_not_removed_without_being_asked(
    keeping: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "CAP_LEAST", 1)
    for seed in range(3):
        keeping.store.delete(base_key(put_in(keeping, seed)))
    plan = reconciling.plan()
    with pytest.raises(Conflict, match="3 entries have no object"):
        reconciling.remove_entries(plan, "ada")
    assert Image.objects.count() == 3
    done = reconciling.remove_entries(plan, "ada", over_cap=True)
    assert done is not None and done.removed == 3


def test_a_listing_that_is_late_makes_nothing_missing_and_nothing_stray(
    keeping: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = FaultyStore(keeping.store, Rates(late=1), lateness=10_000)
    idents = []
    with monkeypatch.context() as patch:
        patch.setattr(wiring, "_engine", engine := used(keeping, faulty))
        patch.setattr(engine.bases, "_store", faulty)
        for seed in (1, 2, 3):
            idents.append(put_in(engine, seed))
        services.at_once("tester", lambda s: services.remove_image(s, idents[0]))
        age(keeping)
        for _ in range(2):
            plan = reconciling.plan()
            assert plan.missing.count == plan.recoverable.count == plan.strays.count == 0
            reconciling.carry_out(plan)
    assert faulty.injected["late"] > 0
    assert [keeping.bases.exists(ident) for ident in idents] == [False, True, True]


def test_a_store_that_fails_half_way_loses_nothing(keeping: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    idents = [put_in(keeping, seed) for seed in (1, 2)]
    for seed in (3, 4, 5):
        stray(keeping, seed)
    reconciling.plan()
    age(keeping)
    plan = reconciling.plan()
    faulty = FaultyStore(keeping.store, seed=1)
    with monkeypatch.context() as patch:
        patch.setattr(wiring, "_engine", used(keeping, faulty))
        for operation in ("list", "read", "stat"):
            assert standing.compare() == ""
            faulty.fail("refused", operation=operation)
            try:
                reconciling.plan()
            except (StoreUnavailable, ReadOnly):
                continue
            raise AssertionError(f"a {operation} that fails has no definite answer")
    standing.compare()
    assert faulty.injected["refused"] == 3
    assert reconciling.carry_out(plan).trashed == 3
    assert all(keeping.bases.exists(ident) for ident in idents)


def test_another_stores_marker_refuses_everything(keeping: Engine, tmp_path: Path) -> None:
    put_in(keeping, 1)
    stray(keeping, 2)
    reconciling.plan()
    age(keeping)
    plan = reconciling.plan()
    keeping.store.put(MARKER_KEY, json.dumps({"mezzotint": "store", "format": 2, "store": "f" * 32}).encode())
    before = contents(tmp_path / "data/store")
    for work in (reconciling.plan, lambda: reconciling.carry_out(plan)):
        with pytest.raises(ReadOnly, match="belongs to store"):
            work()
    assert contents(tmp_path / "data/store") == before


@pytest.mark.parametrize("days", [-1.0, 1.0])
def test_a_local_clock_that_is_wrong_changes_nothing(
    keeping: Engine, monkeypatch: pytest.MonkeyPatch, days: float
) -> None:
    removed, ident = put_in(keeping, 1), stray(keeping, 2)
    off, now, clock = timedelta(days=days), timezone.now, time.time
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: now() + off)
        patch.setattr(time, "time", lambda: clock() + off.total_seconds())
        services.at_once("tester", lambda s: services.remove_image(s, removed))
        reconciling.plan()
        plan = reconciling.plan()
        assert (plan.strays.count, plan.expired.count, plan.young) == (0, 0, 1)
        assert removals.purge_expired(store_time(keeping.store)) == 0
        age(keeping)
        plan = reconciling.plan()
        assert (plan.strays.idents, plan.expired.idents) == ([ident], [removed])
        assert reconciling.carry_out(plan) == Done(1, 0, 1)
        assert not Removal.objects.exists()


class ManyObjects:
    """Lists as many bases as there are said to be."""

    def __init__(self, store: ObjectStore) -> None:
        self._store, self.count = store, 0

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ObjectInfo]:
        if prefix != IMAGES:
            return self._store.list(prefix, start_after)
        return (ObjectInfo(f"{IMAGES}{n:064x}", 1, 1.0, "") for n in range(self.count))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_memory_does_not_grow_with_the_repository(keeping: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    many: Any = ManyObjects(keeping.store)
    peaks = []
    with monkeypatch.context() as patch:
        patch.setattr(wiring, "_engine", used(keeping, many))
        for count in (10_000, 20_000):  # entries come by five thousand, and two such pieces meet
            added = range(many.count, count)
            many.count = count
            facts = {"width": 1, "height": 1, "format": "png", "bytes": 1, "added": timezone.now()}
            with transaction.atomic(), capture.silenced():
                Image.objects.bulk_create([Image(ident=f"{n:064x}", **facts) for n in added], batch_size=1000)
            gc.collect()
            tracemalloc.start()
            try:
                plan = reconciling.plan()
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
            assert numbers(plan) == NOTHING
            assert plan.objects == plan.entries == count
    assert peaks[1] < 1.3 * peaks[0]


def test_the_command_says_what_it_would_do_and_does_it_when_asked(tmp_path: Path) -> None:
    data, source = tmp_path / "data", tmp_path / "pictures"
    source.mkdir()
    for seed in (1, 2):
        (source / f"{seed}.png").write_bytes(pictures.png(seed=seed))
    variables = {"MEZZOTINT_GRACE": "0s"}
    assert run(data, "ingest", str(source), **variables).returncode == 0
    (gone, _) = sorted(path for path in (data / "store/images").rglob("*") if path.is_file())
    bytes_of_it = gone.read_bytes()
    gone.unlink()
    planned = run(data, "reconcile", "--json", **variables)
    said = json.loads(planned.stdout)
    assert (planned.returncode, said["missing"]["idents"], said["done"]) == (1, [gone.name], None)
    gone.write_bytes(bytes_of_it)
    extra = data / "store/images/ff" / ("ff" + "0" * 62)
    extra.parent.mkdir(exist_ok=True)
    extra.write_bytes(b"nobody wants this")
    os.utime(extra, (1, 1))
    done = run(data, "reconcile", "--apply", "--json", **variables)
    assert (done.returncode, json.loads(done.stdout)["done"]["trashed"]) == (0, 1), done
    assert not extra.exists()
