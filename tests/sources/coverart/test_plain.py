"""Upstreams that do not tell a picture's id: other caches, which give the bytes themselves, and redirects that name
nothing. What is asked for is then known by its own name, until it goes stale."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mezzotint.errors import OriginLacks
from mezzotint.sources.coverart.asking import SIZES
from mezzotint.sources.remote import How
from tests.archive import Archive, Art
from tests.archive.replies import Reply, Request
from tests.archive.thumbnails import comment
from tests.pictures import grey, jpeg, opened, png
from tests.sources.coverart.covers import SHORT, covering, get, pictures_kept, renewed

FRONT, OTHER = jpeg(700, 700, seed=1), jpeg(700, 700, seed=2)
ARTS = [Art(11, FRONT), Art(12, OTHER, front=False, back=True)]
PDF = b"%PDF-1.4\n%%EOF\n"
SUFFIXES = ("/front", *(f"/front-{size}" for size in SIZES))


@pytest.fixture(params=["plain", "opaque"])
def archive(request: pytest.FixtureRequest) -> Iterator[Archive]:
    with Archive(plain=request.param == "plain", opaque=request.param == "opaque") as started:
        yield started


@pytest.mark.parametrize("entity", ["release", "release-group"])
def test_a_front_is_kept_by_its_name(tmp_path: Path, archive: Archive, entity: str) -> None:
    release = archive.release(images=ARTS)
    mbid = release if entity == "release" else archive.release_group(release)
    with covering(tmp_path / "data", archive) as engine:
        for how in (How.MISS, How.HIT):
            seen = get(engine, f"/{entity}/{mbid}/front")
            told = hashlib.sha256(FRONT).hexdigest()[:16]
            assert (seen.how, seen.data, seen.name) == (how, FRONT, f"{entity}/{mbid}-front.{told}.jpg")
        for size in SIZES:
            for how in (How.MISS, How.HIT):
                small = get(engine, f"/{entity}/{mbid}/front-{size}")
                assert (small.how, comment(small.data)) == (how, f"thumb{size}")
        asked = {path: n for path, n in archive.asked_on("127.0.0.1").items() if path.endswith(SUFFIXES)}
        assert asked == {f"/{entity}/{mbid}{end}": 1 for end in SUFFIXES}, "each by itself, and once"


def test_front_back_and_ids_do_not_mix(tmp_path: Path, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    with covering(tmp_path / "data", archive) as engine:
        for _ in range(2):
            for name, data in (("front", FRONT), ("back", OTHER), ("11", FRONT), ("12", OTHER)):
                assert get(engine, f"/release/{release}/{name}").data == data
        assert len(pictures_kept(engine)) == 4


def test_a_thumbnail_without_its_original_is_the_archives(tmp_path: Path, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    with covering(tmp_path / "data", archive) as engine:
        for how in (How.MISS, How.HIT):
            seen = get(engine, f"/release/{release}/front-250")
            assert (seen.how, seen.data) == (how, archive.thumbnail(release, 11, 250))
        assert comment(get(engine, f"/release/{release}/front-500").data) == "thumb500"
        assert get(engine, f"/release/{release}/front").data == FRONT
        assert comment(get(engine, f"/release/{release}/front-1200").data) == "thumb1200"


def test_a_listing_is_as_any(tmp_path: Path, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    with covering(tmp_path / "data", archive) as engine:
        first = get(engine, f"/release/{release}")
        again = get(engine, f"/release/{release}/")
    assert (first.how, again.how) == (How.MISS, How.HIT)
    assert first.listing == again.listing


def test_a_front_that_is_the_same_is_not_sent_again(tmp_path: Path, archive: Archive) -> None:
    path = f"/release/{archive.release(images=ARTS)}/front"
    heard = []

    async def hear(request: Request, reply: Reply) -> None:
        heard.append(reply.status)
        await request.answer(reply)

    archive.misbehave(None, hear)
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        get(engine, path)
    with covering(tmp_path / "data", archive) as engine:
        assert renewed(engine, path).data == FRONT
        assert (get(engine, path).how, get(engine, path).data) == (How.HIT, FRONT)
    assert [status for status in heard if status != 307] == [200, 304]


def test_a_front_that_changes_has_its_sizes_renewed_each_by_itself(tmp_path: Path, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    path = f"/release/{release}/front"

    async def briefly(request: Request, reply: Reply) -> None:
        await request.answer(replace(reply, headers=reply.headers | {"cache-control": "max-age=0"}))

    archive.misbehave(None, briefly)
    with covering(tmp_path / "data", archive, MEZZOTINT_FETCH_MIN_AGE="0s") as engine:
        get(engine, path)
        small = get(engine, f"{path}-250").data
        archive.choose_front(release, 12)
        archive.behave()
        assert renewed(engine, path).data == FRONT
        assert get(engine, path).data == OTHER
        assert renewed(engine, f"{path}-250").data == small
        now = get(engine, f"{path}-250").data
        assert abs(grey(opened(now)) - grey(opened(small))).mean() > 20


def test_a_front_of_another_format_takes_the_place_of_the_old_one(tmp_path: Path, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    path = f"/release/{release}/front"
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        get(engine, path)
    archive.release(release, [Art(13, png(), "png")])
    with covering(tmp_path / "data", archive) as engine:
        renewed(engine, path)
        seen = get(engine, path)
        assert (seen.data, seen.media_type) == (png(), "image/png")
        assert seen.name.endswith(".png")


@pytest.mark.parametrize("first", [("front",), ("front-500",), ("front", "front-500"), ("front-500", "front")])
def test_a_size_that_was_renewed_is_fresh(tmp_path: Path, archive: Archive, first: tuple[str, ...]) -> None:
    release = archive.release(images=ARTS)
    path = f"/release/{release}/front-500"
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        for name in first:
            get(engine, f"/release/{release}/{name}")
    with covering(tmp_path / "data", archive) as engine:
        renewed(engine, path)
        archive.forget()
        for _ in range(2):
            assert renewed(engine, path).how == How.HIT
        assert not archive.asked


@pytest.mark.parametrize("first", ["front", "front-500"])
def test_a_size_that_was_renewed_is_the_front_of_now(tmp_path: Path, archive: Archive, first: str) -> None:
    release = archive.release(images=ARTS)
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        get(engine, f"/release/{release}/{first}")
    archive.choose_front(release, 12)
    with covering(tmp_path / "data", archive) as engine:
        renewed(engine, f"/release/{release}/front-500")
        now = opened(get(engine, f"/release/{release}/front-500").data)
        assert abs(grey(now) - grey(opened(archive.thumbnail(release, 12, 500)))).mean() < 6
        renewed(engine, f"/release/{release}/front")
        assert get(engine, f"/release/{release}/front").data == OTHER


def test_of_a_pdf_the_thumbnails_are_the_archives(tmp_path: Path, archive: Archive) -> None:
    release = archive.release(images=[Art(11, PDF, "pdf")])
    with covering(tmp_path / "data", archive) as engine:
        assert get(engine, f"/release/{release}/front").data == PDF
        for how in (How.MISS, How.HIT):
            small = get(engine, f"/release/{release}/front-250")
            assert (small.how, comment(small.data)) == (how, "thumb250")
        assert get(engine, f"/release/{release}/front").data == PDF


def test_404_on_renewal_forgets_the_front(tmp_path: Path, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        get(engine, f"/release/{release}/front")
    archive.release(release, [])
    with covering(tmp_path / "data", archive) as engine:
        for asking in (renewed, get):
            with pytest.raises(OriginLacks):
                asking(engine, f"/release/{release}/front")
        with pytest.raises(OriginLacks):
            get(engine, f"/release/{release}/front-250")


def test_another_cache_may_say_what_the_picture_is(tmp_path: Path) -> None:
    with Archive(plain=True) as archive:
        release = archive.release(images=ARTS)
        group = archive.release_group(release)

        async def telling(request: Request, reply: Reply) -> None:
            said = reply.headers | {"link": f'</release/{release}/11>; rel="canonical"'}
            await request.answer(Reply(reply.status, reply.body, said))

        archive.misbehave(f"/release-group/{group}/front", telling)
        with covering(tmp_path / "data", archive) as engine:
            assert get(engine, f"/release-group/{group}/front").name == f"release/{release}-11.jpg"
            assert get(engine, f"/release/{release}/11").how == How.HIT
