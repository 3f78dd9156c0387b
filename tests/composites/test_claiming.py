"""Who works on a member, for how long, how often, and which of two in one place."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from mezzotint.composites import bucket, claims, working
from mezzotint.composites.models import Member, Status
from mezzotint.repository.owners import Owner
from tests.composites.dlcs import answers
from tests.composites.world import World, settle
from tests.documents import anything, text_pdf
from tests.waiting import HANGS

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("hurried")]


def test_a_later_request_takes_the_place_of_an_earlier_one_that_has_not_ended(world: World) -> None:
    world.dlcs.faults = [answers(507)]
    first = world.work(world.composite(text_pdf(6), compositeId="a"))
    assert (first.status, first.ended) == (Status.ERROR, False)
    world.dlcs.faults = []
    second = world.work(world.composite(text_pdf(3, "Other"), "/b.pdf", compositeId="a"))
    first.refresh_from_db()
    assert (second.status, first.ended, first.error) == (Status.COMPLETED, True, claims.SUPERSEDED)
    assert len(world.keys()) == len(world.registered()) == 3
    Member.objects.filter(pk=first.pk).update(ended=False, due=0)
    owner = Owner()
    assert claims.take(first.pk, owner) is None, "nor does it come back"
    owner.close()
    assert len(world.keys()) == 3


def test_a_member_whose_workers_end_without_a_word_is_taken_ever_later_and_not_for_ever(world: World) -> None:
    settle(engine_max_attempts=6)
    member, waits = world.composite(text_pdf(1)), []
    for _ in range(6):
        owner = Owner()
        Member.objects.update(due=0.0)
        assert claims.take(member.pk, owner) is not None
        member.refresh_from_db()
        waits.append(round(max(0.0, member.due - member.lease + claims.LEASE)))
        owner.close()
        assert claims.take_over() == 1
    assert waits == [0, 0, 0, 60, 180, 540]
    assert member.sudden == 6
    Member.objects.update(due=0.0)
    owner = Owner()
    assert claims.take(member.pk, owner) is None
    owner.close()
    member.refresh_from_db()
    assert (member.ended, member.error) == (True, "6 attempts at it ended without a word")


def test_it_is_tried_so_often_and_ever_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(engine_max_attempts=4)
    member = world.accept(anything(origin=world.origin.url("/lacks.pdf"))).members.get()
    pauses = []
    for _ in range(3):
        member = world.work(member)
        pauses.append(round(member.due - member.last_updated_date.timestamp()))
        assert not member.ended
    assert pauses == [60, 180, 540]
    member = world.work(member)
    assert (member.ended, member.error) == (True, "the origin has no such document (tried 4 times)")


def test_a_worker_that_is_stopped_gives_it_back_and_the_attempt_does_not_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    put = bucket.Bucket.put

    def stopping(self: bucket.Bucket, *arguments: Any) -> None:
        put(self, *arguments)
        stop.set()

    monkeypatch.setattr(bucket.Bucket, "put", stopping)
    member = world.work(world.composite(text_pdf(40), compositeId="a"), stop)
    assert (member.owner, member.attempts, member.ended) == ("", 0, False)
    assert member.pages_done < 40
    monkeypatch.setattr(bucket.Bucket, "put", put)
    assert world.work(member).status == Status.COMPLETED
    assert len(world.keys()) == len(world.registered()) == 40


def test_a_claim_that_was_lost_writes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease ended while it stood still, and another one has it."""
    put = bucket.Bucket.put

    def taken_over(self: bucket.Bucket, *arguments: Any) -> None:
        put(self, *arguments)
        Member.objects.update(owner="somebody else")

    monkeypatch.setattr(bucket.Bucket, "put", taken_over)
    member = world.work(world.composite(text_pdf(3), compositeId="a"))
    assert (member.owner, member.pages.count(), member.pages_done) == ("somebody else", 0, 0)


def test_what_takes_too_long_is_ended_and_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(engine_timeout=0.5)
    member = world.accept(anything(origin=world.document(text_pdf(1), delay=HANGS))).members.get()
    member = world.work(member)
    assert (member.status, member.ended) == (Status.ERROR, False)
    assert "took" in member.error


def test_of_members_of_one_place_works_one_at_a_time(world: World) -> None:
    first = world.composite(text_pdf(2), compositeId="a")
    second = world.composite(text_pdf(3, "Other"), "/b.pdf", compositeId="a")
    owner = Owner()
    claim = claims.take(first.pk, owner)
    assert claim is not None
    assert claims.take(second.pk, owner) is None
    assert claims.due(10) == []
    claim.give_back()
    assert claims.due(10) == [first.pk]
    assert claims.take(second.pk, owner) is not None
    owner.close()


def test_scratch_that_killed_workers_left_is_swept(world: World) -> None:
    gone, living = Owner(), Owner()
    gone.close()
    for name, owner in (
        ("mezzotint-a", gone.next_claim()),
        ("mezzotint-b", living.next_claim()),
        ("somebody-elses-a-b", ""),
    ):
        (world.directory / "scratch" / name).mkdir(parents=True)
        (world.directory / "scratch" / name / "owner").write_text(owner)
    (world.directory / "scratch" / "mezzotint-c").mkdir()
    working.sweep_scratch()
    assert sorted(path.name for path in world.left_in_scratch()) == ["mezzotint-b", "mezzotint-c", "somebody-elses-a-b"]
    living.close()
