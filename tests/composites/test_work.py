"""From an origin to the DLCS: pages, keys, and what is done when something fails on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from mezzotint.composites import bucket
from mezzotint.composites.models import Member, Page, Status
from mezzotint.composites.receiving import RequestRefused
from mezzotint.errors import StoreUnavailable
from mezzotint.transforms.pdf import Rasteriser, Rendered
from tests.composites.dlcs import answers
from tests.composites.world import World, settle
from tests.documents import Page as Written
from tests.documents import anything, encrypted, pdf, scan_page, text_pdf
from tests.origin import Asked

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("hurried")]


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

    def rendering(self: Rasteriser, numbers: Sequence[int], directory: Path, ahead: int) -> Generator[Rendered]:
        rendered.extend(numbers)
        return pages(self, numbers, directory, ahead)

    monkeypatch.setattr(Rasteriser, "pages", rendering)
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
