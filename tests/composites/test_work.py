"""From an origin to the DLCS: pages, keys, batches, and what is done when something fails on the way."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.utils import timezone

from mezzotint.composites import bucket, claims, dlcstarget, sealing, working
from mezzotint.composites.models import Batch, Member, Page, Status
from mezzotint.composites.receiving import RequestRefused
from mezzotint.errors import StoreUnavailable
from mezzotint.repository.owners import Owner
from mezzotint.transforms.pdf import Rasteriser
from tests.composites.dlcs import answers, garbled, hangs_up, loses_answer, once
from tests.composites.world import World, settle
from tests.documents import Page as Written
from tests.documents import anything, encrypted, pdf, scan_page, text_pdf
from tests.origin import Asked
from tests.waiting import HANGS

pytestmark = pytest.mark.processes


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the DLCS has not taken at once it does not take."""
    monkeypatch.setattr(dlcstarget, "UNDER_WAY", 0.0)
    monkeypatch.setattr(dlcstarget, "LONGEST", 0.0)
    monkeypatch.setattr(dlcstarget, "_LOOKS", (0.0,))


def test_pages_are_pushed_and_registered_in_batches(world: World) -> None:
    member = world.work(
        world.composite(
            text_pdf(10),
            compositeId="report",
            string1="Page {}",
            number1="{:02d}",
            incrementSeed=5,
            roles=["a"],
            more=[1],
        )
    )
    assert (member.status, member.error, member.image_count, member.pages_done) == (Status.COMPLETED, "", 10, 10)
    keys = [f"composites/99/7/report/image-{page:02d}.jpg" for page in range(1, 11)]
    assert world.keys() == keys
    assert [len(batch) for batch in world.dlcs.batches.values()] == [4, 4, 2]
    assert world.registered()[0] == {
        "id": "page-005", "space": 7, "origin": f"{world.aws.url}/{world.bucket}/{keys[0]}", "string1": "Page 5",
        "number1": "05", "roles": ["a"], "more": [1], "mediaType": "image/jpeg", "family": "I",
    }  # fmt: skip
    assert [one["id"] for one in world.registered()] == [f"page-{number:03d}" for number in range(5, 15)]
    assert list(member.batches.values_list("uri", flat=True)) == list(world.dlcs.batches)
    picture = world.picture(keys[9])
    assert (picture.size, picture.mode, picture.info["dpi"]) == ((150, 200), "L", (36, 36))
    assert world.aws.read(world.bucket, keys[0])[1] == "image/jpeg"
    assert member.credentials == "" and "a2V5" not in str(vars(member))


def test_without_a_composite_id_the_member_names_the_place(world: World) -> None:
    member = world.work(world.composite(text_pdf(1), compositeId=""))
    assert world.keys() == [f"composites/99/7/{member.pk}/image-1.jpg"]


@pytest.mark.parametrize(
    ("given", "extension", "media_type"),
    [("png", "png", "image/png"), ("tiff", "tif", "image/tiff"), ("ppm", "ppm", "image/x-portable-pixmap")],
)
def test_other_formats_are_called_what_they_are(
    world: World, monkeypatch: pytest.MonkeyPatch, given: str, extension: str, media_type: str
) -> None:
    settle(page_format=extension)
    world.work(world.composite(text_pdf(1), compositeId="a"))
    assert world.keys() == [f"composites/99/7/a/image-1.{extension}"]
    assert world.aws.read(world.bucket, world.keys()[0])[1] == media_type
    assert world.registered()[0]["mediaType"] == media_type
    assert world.picture(world.keys()[0]).size == (150, 200)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"<html>no such document</html>", "it is not a PDF"),
        (text_pdf(3)[:400], "it is damaged"),
        (pdf([]), "it has no pages"),
        (encrypted(text_pdf(1), "secret"), "it needs a password"),
        (b"", "it is not a PDF"),
    ],
    ids=["html", "cut off", "empty", "locked", "nothing"],
)
def test_what_cannot_be_made_into_pages_is_refused_in_words(world: World, data: bytes, error: str) -> None:
    member = world.work(world.composite(data))
    assert (member.status, member.error, member.ended) == (Status.ERROR, error, True)
    assert (world.keys(), world.dlcs.posts, member.credentials) == ([], 0, "")


def test_a_document_that_opens_without_a_password_is_none_that_is_locked(world: World) -> None:
    assert world.work(world.composite(encrypted(text_pdf(2), ""))).status == Status.COMPLETED


@pytest.mark.parametrize(
    ("give", "error", "ends"),
    [
        (lambda asked: asked.send(404), "the origin has no such document", False),
        (lambda asked: asked.send(403), "the document could not be had from its origin", False),
        (lambda asked: asked.send(500), "the document could not be had from its origin", False),
        (lambda asked: asked.send(429, retry_after="77"), "the origin wants to be left alone for a while", False),
        (lambda asked: asked.send(302, location="http://10.0.0.1/a.pdf"), "could not be had from its origin", False),
        (lambda asked: asked.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"), "could not be had", False),
        (lambda asked: asked.send(200, b"x", content_length="3000000000"), "larger than 2147483648 bytes", True),
    ],
    ids=["404", "403", "500", "429", "inward", "short", "huge"],
)
def test_an_origin_that_does_not_give_it(world: World, give: Callable[[Asked], Any], error: str, ends: bool) -> None:
    async def answer(asked: Asked) -> None:
        await give(asked)
        asked.writer.close()

    world.origin.answers["/b.pdf"] = answer
    waits = world.accept(anything(origin=world.origin.url("/b.pdf"))).members.get()
    member = world.work(waits)
    assert (member.status, member.ended, member.attempts) == (Status.ERROR, ends, 1)
    assert error in member.error
    assert ends or member.due > member.created_date.timestamp() + 50


def test_an_origin_of_another_network_is_refused_at_once_and_where_it_is_found_out(world: World) -> None:
    with pytest.raises(RequestRefused, match="nothing is fetched from"):
        world.accept(anything(origin="http://10.0.0.1/a.pdf"))
    Member.objects.filter(pk=(member := world.composite(text_pdf(1))).pk).update(
        json_data=member.json_data | {"origin": "http://10.0.0.1/a.pdf"}
    )
    member.refresh_from_db()
    member = world.work(member)
    assert (member.status, member.ended) == (Status.ERROR, True)
    assert "nothing is fetched from" in member.error


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


def test_pages_that_are_made_otherwise_now_are_made_anew(world: World) -> None:
    world.dlcs.faults = [answers(507)]
    member = world.work(world.composite(text_pdf(3), compositeId="a"))
    world.dlcs.faults = []
    settle(page_format="png")
    assert world.work(member).status == Status.COMPLETED
    assert world.keys() == [f"composites/99/7/a/image-{page}.png" for page in (1, 2, 3)]
    assert {one["mediaType"] for one in world.registered()} == {"image/png"}


def test_what_is_left_of_an_earlier_version_costs_nobody_what_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*arguments: Any) -> None:
        raise StoreUnavailable("AccessDenied")

    monkeypatch.setattr(bucket.Bucket, "keys", forbidden)
    assert world.work(world.composite(text_pdf(2))).status == Status.COMPLETED


def test_a_scratch_disk_that_is_full_is_told_and_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: object, mode: str) -> Any:
        return open("/dev/full", mode)

    monkeypatch.setattr("mezzotint.composites.fetching.open", full, raising=False)
    member = world.work(world.composite(text_pdf(200)))
    assert (member.status, member.ended) == (Status.ERROR, False)
    assert "no space left to write the scratch directory" in member.error


def test_the_same_pages_again_are_no_more_pages_and_a_shorter_version_leaves_none_of_the_longer(world: World) -> None:
    world.work(world.composite(text_pdf(12), compositeId="a"))
    foreign = "composites/99/7/a/notes.txt"
    world.aws.client("s3").put_object(Bucket=world.bucket, Key=foreign, Body=b"not ours")
    for old in ("image-0001-01.jpg", "imager-0001-7.jpg"):
        world.aws.client("s3").put_object(Bucket=world.bucket, Key=f"composites/99/7/a/{old}", Body=b"old")
    assert len(world.keys()) == 15
    world.work(world.composite(text_pdf(9, "Other"), "/b.pdf", compositeId="a"))
    assert world.keys() == [*(f"composites/99/7/a/image-{page}.jpg" for page in range(1, 10)), foreign]


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


def test_what_is_kept_is_not_pushed_again_after_a_failure_in_the_middle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, begun = bucket.Bucket.put, count()

    def failing(self: bucket.Bucket, *arguments: Any) -> None:
        if next(begun) >= 5:
            raise StoreUnavailable("S3 is away")
        put(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(bucket.Bucket, "put", failing)
        member = world.work(world.composite(text_pdf(12), compositeId="a"))
        assert (member.status, member.error) == (Status.ERROR, "S3 is away")
    kept = set(member.pages.values_list("number", flat=True))
    assert 0 < len(kept) < 12
    rendered: list[int] = []
    pages = Rasteriser.pages
    monkeypatch.setattr(
        Rasteriser, "pages", lambda self, numbers, *rest: rendered.extend(numbers) or pages(self, numbers, *rest)
    )
    assert world.work(member).status == Status.COMPLETED
    assert set(rendered) == set(range(1, 13)) - kept
    assert len(world.keys()) == 12
    assert sorted(one["id"] for one in world.registered()) == [f"page-{number:03d}" for number in range(1, 13)]


def test_another_document_at_the_same_origin_begins_anew(world: World) -> None:
    world.dlcs.faults = [answers(507)]
    member = world.work(world.composite(text_pdf(6), compositeId="a"))
    world.document(text_pdf(3, "Other"))
    world.dlcs.faults = []
    again = world.work(member)
    assert (again.status, again.pages_total, again.pages.count()) == (Status.COMPLETED, 3, 3)
    assert len(world.keys()) == 3


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


def test_a_scan_is_passed_on_untouched(world: World) -> None:
    page = scan_page(150, 200, 36, seed=3)
    member = world.work(world.composite(pdf([page, scan_page(150, 200, 72)]), compositeId="a"))
    assert member.status == Status.COMPLETED
    data, _ = world.aws.read(world.bucket, "composites/99/7/a/image-1.jpg")
    assert hashlib.sha256(data).digest() == hashlib.sha256(page.images[0][3]).digest()
    assert world.picture("composites/99/7/a/image-2.jpg").size == (75, 100)


def test_a_page_that_breaks_its_renderer_is_an_error_and_no_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = Written(b"0 g 0 0 10 10 re f", (14400, 14400))
    settle(max_pixels=50)
    member = world.work(world.composite(pdf([huge])))
    assert (member.status, member.ended) == (Status.ERROR, True)
    assert member.error == "page 1: a page of 14400 x 14400 points is too large"
    assert not Page.objects.exists()


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
    assert working.sweep_scratch() == 1
    assert sorted(path.name for path in world.left_in_scratch()) == ["mezzotint-b", "mezzotint-c", "somebody-elses-a-b"]
    living.close()
