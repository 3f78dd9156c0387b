"""Batches at the DLCS: posted once, looked up where the answer is lost, and what it has against them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mezzotint.composites import bucket, dlcstarget, sealing
from mezzotint.composites.models import Batch, Member, Status
from tests.composites.dlcs import answers, garbled, hangs_up, loses_answer, once
from tests.composites.world import World
from tests.documents import text_pdf

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("hurried")]


def test_what_the_dlcs_may_still_be_about_is_not_posted_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dlcstarget, "UNDER_WAY", 3600.0)
    world.dlcs.faults = [once(hangs_up)]
    member = world.work(world.composite(text_pdf(3), compositeId="a"))
    assert (member.status, member.ended, world.dlcs.posts) == (Status.ERROR, False, 1)
    assert "looked up again" in member.error
    member = world.work(member)
    assert (member.status, world.dlcs.posts) == (Status.ERROR, 1)
    monkeypatch.setattr(dlcstarget, "UNDER_WAY", 0.0)
    assert (world.work(member).status, world.dlcs.posts, len(world.dlcs.batches)) == (Status.COMPLETED, 2, 1)


def test_a_batch_that_was_taken_and_has_no_name_is_not_posted_again(world: World) -> None:
    world.dlcs.says_batch = False
    world.dlcs.faults = [garbled]
    member = world.work(world.composite(text_pdf(3), compositeId="a"))
    assert (member.status, world.dlcs.posts, member.batches.get().uri) == (Status.COMPLETED, 1, "")


def test_a_name_that_cannot_be_found_out_is_asked_for_again_and_given_up_after_a_day(world: World) -> None:
    def falls(handler: Any) -> bool:
        world.dlcs.down = True
        return garbled(handler)

    world.dlcs.faults = [once(falls)]
    member = world.work(world.composite(text_pdf(3), compositeId="a"))
    for _ in range(6):
        assert (member.status, member.ended, member.batches.get().uri) == (Status.ERROR, False, "")
        member = world.work(member)
    world.dlcs.down = False
    again = world.work(member)
    assert (again.status, world.dlcs.posts, again.batches.get().uri) == (Status.COMPLETED, 1, *world.dlcs.batches)

    world.dlcs.faults = [once(falls)]
    member = world.work(world.composite(text_pdf(3), compositeId="b"))
    assert (member.status, member.batches.get().uri) == (Status.ERROR, "")
    member.batches.update(created_date=timezone.now() - timedelta(days=2))
    assert (world.work(member).status, member.batches.get().uri) == (Status.COMPLETED, "")


def test_credentials_that_are_no_longer_good_end_it(world: World) -> None:
    member = world.composite(text_pdf(3), compositeId="a")
    Member.objects.update(credentials=sealing.sealed("Basic bm9ib2R5"))
    member.refresh_from_db()
    member = world.work(member)
    assert (member.ended, "the DLCS answered 401" in member.error) == (True, True)
    member = world.composite(text_pdf(3), "/b.pdf")
    Member.objects.filter(pk=member.pk).update(credentials="sealed with another key")
    member.refresh_from_db()
    assert "credentials cannot be read any more" in world.work(member).error


@pytest.mark.parametrize("fault", [loses_answer, garbled], ids=["lost", "garbled"])
def test_a_batch_whose_answer_was_lost_is_looked_up_and_not_posted_again(world: World, fault: Any) -> None:
    world.dlcs.faults = [once(fault)]
    member = world.work(world.composite(text_pdf(10), compositeId="a"))
    assert member.status == Status.COMPLETED
    assert (world.dlcs.posts, [len(batch) for batch in world.dlcs.batches.values()]) == (3, [4, 4, 2])
    assert list(member.batches.values_list("uri", flat=True)) == list(world.dlcs.batches)


@pytest.mark.parametrize("fault", [hangs_up, answers(500), answers(502, b"<html>")], ids=["hung up", "500", "502"])
def test_a_batch_that_was_not_taken_is_posted_again(world: World, fault: Any) -> None:
    world.dlcs.faults = [once(fault)]
    member = world.work(world.composite(text_pdf(5), compositeId="a"))
    assert (member.status, len(world.dlcs.batches), world.dlcs.posts) == (Status.COMPLETED, 2, 3)


def test_an_older_batch_of_the_same_images_is_not_taken_for_this_one(world: World) -> None:
    """The same composite once more: same keys, same ids. What the DLCS says of the first image is of before."""
    world.work(world.composite(text_pdf(3), compositeId="a"))
    world.dlcs.faults = [once(answers(500))]
    member = world.work(world.composite(text_pdf(3), compositeId="a"))
    assert (member.status, len(world.dlcs.batches)) == (Status.COMPLETED, 2)
    assert member.batches.get().uri == list(world.dlcs.batches)[1]


def test_a_dlcs_that_says_no_batch_is_posted_to_again(world: World) -> None:
    world.dlcs.says_batch = False
    world.dlcs.faults = [once(loses_answer)]
    member = world.work(world.composite(text_pdf(3), compositeId="a"))
    assert (member.status, len(world.dlcs.batches)) == (Status.COMPLETED, 2)
    assert member.batches.get().uri == list(world.dlcs.batches)[1]


@pytest.mark.parametrize(
    ("status", "body", "headers", "error", "ends"),
    [
        (400, {"title": "Bad", "detail": "Space 9"}, {}, "the DLCS answered 400: Bad: Space 9", True),
        (401, {}, {}, "the DLCS answered 401", True),
        (409, {"description": "twice"}, {}, "the DLCS answered 409: twice", True),
        (429, {}, {"Retry_After": "500"}, "the DLCS answered 429", False),
        (503, {}, {"Retry_After": "500"}, "the DLCS answered 503", False),
        (507, {"title": "Storage limit"}, {}, "the DLCS answered 507: Storage limit", False),
    ],
)
def test_what_the_dlcs_has_against_it_is_told(
    world: World, status: int, body: dict[str, str], headers: dict[str, str], error: str, ends: bool
) -> None:
    world.dlcs.faults = [answers(status, body, **headers)]
    member = world.work(world.composite(text_pdf(3), compositeId="a"))
    assert (member.status, member.ended) == (Status.ERROR, ends)
    assert member.error.startswith(error)
    assert bool(member.credentials) is not ends
    assert ends or 50 < member.due - member.last_updated_date.timestamp() <= 500


def test_when_the_dlcs_is_back_nothing_is_rendered_or_pushed_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.dlcs.faults = [answers(507)]
    member = world.work(world.composite(text_pdf(10), compositeId="a"))
    assert (member.status, member.pages_done, len(world.keys())) == (Status.ERROR, 10, 10)
    world.dlcs.faults = []
    monkeypatch.setattr(bucket.Bucket, "put", None)
    again = world.work(member)
    assert (again.status, again.error, again.attempts, len(world.dlcs.batches)) == (Status.COMPLETED, "", 2, 3)


def test_an_outcome_that_cannot_be_found_out_is_waited_for_and_looked_up_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def falls(handler: Any) -> bool:
        handler.taken()
        world.dlcs.down = True
        handler.hang_up()
        return True

    world.dlcs.faults = [once(falls)]
    member = world.work(world.composite(text_pdf(3), compositeId="a"))
    assert (member.status, member.ended, member.batches.get().state) == (Status.ERROR, False, Batch.State.UNKNOWN)
    world.dlcs.down = False
    again = world.work(member)
    assert (again.status, world.dlcs.posts, len(world.dlcs.batches)) == (Status.COMPLETED, 1, 1)
