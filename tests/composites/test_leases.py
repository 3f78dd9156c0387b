"""The lease of a member: kept as long as its worker lives, and over at once when it is somebody else's."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError

from mezzotint.composites import claims
from mezzotint.composites.claims import Claim, Interrupted, TookTooLong
from mezzotint.composites.models import Member, Status
from mezzotint.repository.owners import Owner
from tests.composites.world import World, settle
from tests.documents import anything
from tests.waiting import until


@pytest.fixture
def owner() -> Iterator[Owner]:
    made = Owner()
    yield made
    made.close()


@pytest.fixture
def claim(world: World, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> Claim:
    """Of a member, and looked after all the time."""
    monkeypatch.setattr(claims, "_LOOK", 0.01)
    monkeypatch.setattr(claims, "RENEW", 0.0)
    taken = claims.take(world.accept(anything()).members.get().pk, owner)
    assert taken is not None
    return taken


def lease(claim: Claim) -> float:
    return float(Member.objects.values_list("lease", flat=True).get(pk=claim.member.pk))


def test_a_lease_is_renewed_as_long_as_the_work_goes_on(claim: Claim) -> None:
    Member.objects.update(lease=time.time() + 1)
    claim._lease = before = time.time() + claims.LEASE / 2
    with claim.kept(threading.Event()):
        until(lambda: lease(claim) > time.time() + claims.LEASE / 2)
        first = lease(claim)
        until(lambda: lease(claim) > first)
        until(lambda: claim._lease > before)
        claim.check()
    ended = lease(claim)
    assert not [thread for thread in threading.enumerate() if thread.name == "lease"]
    assert lease(claim) == ended


def test_whoever_works_is_interrupted_where_the_claim_is_somebody_elses(claim: Claim) -> None:
    interrupted = threading.Event()
    claim.interrupts.append(interrupted.set)
    with claim.kept(threading.Event()):
        claim.check()
        assert not interrupted.is_set()
        Member.objects.update(owner="somebody else", lease=5.0)
        until(interrupted.is_set)
        assert time.time() < claim.member.lease, "it is not waited for"
        with pytest.raises(Interrupted):
            claim.check()
    writes: list[Callable[[], None]] = [lambda: claim.update(pages_done=3), claim.own, lambda: claim.refuse("no")]
    for write in writes:
        with pytest.raises(Interrupted):
            write()
    claim.give_back()
    member = Member.objects.get()
    assert (member.owner, member.lease, member.pages_done, member.status) == (
        "somebody else", 5.0, 0, Status.PENDING,
    )  # fmt: skip


def test_what_only_its_owner_may_write_ends_a_claim_that_was_lost(claim: Claim) -> None:
    with claim.kept(threading.Event()):
        Member.objects.update(owner="somebody else")
        with pytest.raises(Interrupted):
            claim.own(pages_done=3)
        with pytest.raises(Interrupted):
            claim.check()


def test_a_worker_that_stops_is_interrupted(claim: Claim) -> None:
    stop, interrupted = threading.Event(), threading.Event()
    claim.interrupts.append(interrupted.set)
    with claim.kept(stop):
        stop.set()
        until(interrupted.is_set)
        with pytest.raises(Interrupted):
            claim.check()
    claim.give_back()
    member = Member.objects.get()
    assert (member.owner, member.attempts) == ("", 0)


def test_what_takes_too_long_is_interrupted(claim: Claim) -> None:
    settle(engine_timeout=0.05)
    interrupted = threading.Event()
    claim.interrupts.append(interrupted.set)
    with claim.kept(threading.Event()):
        until(interrupted.is_set)
        with pytest.raises(TookTooLong, match=r"longer than 0\.05 s"):
            claim.check()


def test_a_lease_that_cannot_be_renewed_for_a_moment_is_renewed_afterwards(
    claim: Claim, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mine, down = claim._mine, threading.Event()
    down.set()

    def away() -> Any:
        if down.is_set():
            raise OperationalError("the database is away")
        return mine()

    monkeypatch.setattr(claim, "_mine", away)
    Member.objects.update(lease=(before := time.time() + 1))
    told = f"the lease of {claim.member.pk} cannot be renewed: the database is away"
    with claim.kept(threading.Event()):
        until(lambda: told in caplog.messages)
        claim.check()
        assert lease(claim) == before
        down.clear()
        until(lambda: lease(claim) > time.time() + claims.LEASE / 2)
        claim.check()


def test_a_lease_that_ends_without_a_database_ends_the_work(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else may have it by then."""

    def away() -> Any:
        raise OperationalError("the database is away")

    monkeypatch.setattr(claim, "_mine", away)
    monkeypatch.setattr(claim, "_lease", time.time() + 0.05)
    interrupted = threading.Event()
    claim.interrupts.append(interrupted.set)
    with claim.kept(threading.Event()):
        until(interrupted.is_set)
        with pytest.raises(Interrupted):
            claim.check()


def test_a_member_that_is_gone_cannot_be_had(world: World, owner: Owner) -> None:
    assert claims.take(uuid.uuid4(), owner) is None
