"""What follows the journal, and what writes to it, where another comes first or has written what is not to be read."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User

from mezzotint import wiring
from mezzotint.errors import Conflict, InvalidInput, JournalBroken, ReadOnly, StoreUnavailable
from mezzotint.journal import Journal, Segment
from mezzotint.names.keys import journal_key
from mezzotint.repository import commits, owners, services, standing
from mezzotint.repository.intake import capture
from mezzotint.repository.models import Collection, Image, Installation, Snapshot, UpdateSession
from mezzotint.repository.upkeep import checkpointing, maintenance, restoring
from mezzotint.repository.upkeep.maintenance import Maintenance
from mezzotint.wiring import Engine
from tests import pictures
from tests.durability.oracle import another_database, rows
from tests.faults import FaultyStore
from tests.repository.adding import add_image
from tests.repository.keeping import put_in
from tests.repository.upkeep.test_restoring import checkpoint


class Overtaken:
    """A journal in which somebody else is always first."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def append(self, segment: Segment) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


def segment_of_nobody(engine: Engine) -> None:
    """One that fits the chain, and that no Mezzotint has written."""
    head = standing.head()
    at = "2026-01-02T03:04:05+00:00"
    engine.journal.append(Segment(head.seq + 1, "no uuid", head.fingerprint, at, "x", (), schema=commits.schema()))


def test_a_commit_that_others_keep_overtaking_gives_up_and_can_be_asked_for_again(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = repository.bases.add([pictures.png(seed=1)])
    session = services.open_session("ada")
    add_image(session, base, {})
    with monkeypatch.context() as patch:
        patch.setattr(commits, "_RACES", 3)
        patch.setattr(wiring, "_engine", replace(repository, journal=Overtaken(repository.journal)))  # type: ignore[arg-type]
        with pytest.raises(StoreUnavailable, match="other commits keep coming first"):
            commits.commit(session)
    assert not Image.objects.exists()
    assert commits.commit(session).added == 1
    assert Image.objects.get().ident == base.ident


def test_what_was_changed_in_the_database_waits_while_others_keep_coming_first(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.create(username="ada")
    with monkeypatch.context() as patch:
        patch.setattr(commits, "_RACES", 3)
        patch.setattr(wiring, "_engine", replace(repository, journal=Overtaken(repository.journal)))  # type: ignore[arg-type]
        with pytest.raises(StoreUnavailable, match="other commits keep coming first"):
            commits.flush("ada")
    assert capture.pending()
    assert commits.flush("ada") is not None
    assert [change["username"] for change in rows()["user"]] == ["ada"]


def test_a_session_whose_commit_is_not_over_takes_nothing_and_is_not_aborted(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = services.open_session("ada")
    base = repository.bases.add([pictures.png(seed=2)])
    add_image(session, base, {})
    faulty = FaultyStore(repository.store)
    with monkeypatch.context() as patch:
        patch.setattr(wiring, "_engine", replace(repository, store=faulty, journal=Journal(faulty)))
        for at in (1, 2, 3):
            faulty.fail("refused", at=at, operation="put_if_absent")
        with pytest.raises(StoreUnavailable, match="not known yet"):
            commits.commit(session)
    assert faulty.injected["refused"] == 3
    for work in (lambda: add_image(session, base, {}), lambda: services.abort(session)):
        with pytest.raises(Conflict, match="commit it again"):
            work()
    assert commits.commit(session).added == 1
    assert UpdateSession.objects.get().state == UpdateSession.State.COMMITTED


def test_a_segment_that_cannot_be_applied_is_an_alarm_and_changes_nothing(repository: Engine) -> None:
    put_in(repository, 3)
    before = rows()
    segment_of_nobody(repository)
    with pytest.raises(JournalBroken, match="no UUID"):
        commits.catch_up()
    assert rows() == before
    maintenance = Maintenance()
    maintenance._guarded_turn()
    assert "no UUID" in standing.installation().alarm
    with pytest.raises(ReadOnly, match="no UUID"):
        services.open_session("ada")
    assert rows() == before


def test_a_database_that_shows_an_earlier_commit_stays_there(repository: Engine) -> None:
    put_in(repository, 4)
    Installation.objects.update(pinned=standing.head().seq)
    User.objects.create(username="ada")
    Snapshot.objects.create(by="ada")
    Maintenance().turn()
    assert capture.pending()
    assert Snapshot.objects.get().state == Snapshot.State.WAITING


def test_a_change_is_left_to_whoever_made_it_for_a_while(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be in nobody's name in the journal."""
    monkeypatch.setattr(maintenance, "GRACE", 600.0)
    User.objects.create(username="ada")
    one = Maintenance()
    for _ in range(3):
        one.turn()
    assert capture.pending()
    monkeypatch.setattr(maintenance, "GRACE", 0.0)
    one.turn()
    assert not capture.pending()
    one.turn()
    User.objects.create(username="ben")
    one.turn()
    assert capture.pending()
    one.turn()
    assert not capture.pending()


def test_a_commit_behind_a_segment_that_is_damaged_cannot_be_gone_back_to(repository: Engine) -> None:
    for seed in (5, 6, 7):
        put_in(repository, seed)
    repository.store.put(journal_key(2), b"damaged")
    with another_database():
        with pytest.raises(InvalidInput, match="cannot be 3") as refused:
            restoring.restore(3)
        assert refused.value.limit == "1 to 1, what was committed here"
    with another_database():
        assert restoring.restore(1) == 1
        assert Image.objects.count() == 1


def written_between(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """So often, somebody writes to the database after what was captured was committed."""
    flush, names = commits.flush, iter(range(times))

    def flush_and_write(by: str) -> Any:
        done = flush(by)
        if (name := next(names, None)) is not None:
            User.objects.create(username=f"user{name}")
        return done

    monkeypatch.setattr(commits, "flush", flush_and_write)


def test_a_checkpoint_is_of_a_moment_at_which_all_was_committed(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in(repository, 8)
    written_between(monkeypatch, 2)
    kept = checkpoint()
    assert kept.seq == standing.head().seq == 3
    with another_database():
        restoring.restore()
        assert sorted(User.objects.values_list("username", flat=True)) == ["user0", "user1"]


def test_a_checkpoint_of_a_database_that_never_rests_is_made_later(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in(repository, 9)
    written_between(monkeypatch, 1000)
    monkeypatch.setattr(checkpointing, "_ATTEMPTS", 3)
    with pytest.raises(Conflict, match="made later"):
        checkpoint()
    failed = Snapshot.objects.get()
    assert (failed.state, failed.seq) == (Snapshot.State.FAILED, None)
    assert "written to all the time" in failed.error
    assert repository.journal.checkpoints() == []


def test_a_large_checkpoint_says_how_far_it_is(repository: Engine) -> None:
    Collection.objects.bulk_create(Collection(slug=f"shelf-{n}", title="Shelf") for n in range(1100))
    commits.flush("tester")
    said: list[tuple[int, int]] = []
    checkpointing.make(checkpointing.ask("ada"), lambda done, total: said.append((done, total)))
    total = 1100 + 1  # and the commit
    assert said == [(1000, total), (total, total)]


def test_checkpoints_that_the_store_has_are_listed_once(repository: Engine) -> None:
    put_in(repository, 10)
    first = checkpoint()
    put_in(repository, 11)
    second = checkpoint()
    Snapshot.objects.filter(pk=first.pk).delete()
    for _ in range(2):
        checkpointing.register()
    assert sorted(Snapshot.objects.values_list("key", "by")) == sorted(
        [(first.key, "restored"), (second.key, "tester")]
    )


def test_a_host_that_does_not_tell_its_boots_apart_has_a_name_all_the_same(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mezzotint.host.boot_id", lambda: "")
    owner = owners.Owner()
    claim = owner.next_claim()
    assert owner.name.partition(":")[0].endswith(".-")
    assert not owners.is_gone(claim)
    owner.close()
    assert owners.is_gone(claim)
    assert uuid.UUID(owner.name.rpartition(":")[2])
