"""Cover art from the archive, kept by release: once asked for it is here, whatever name it is asked for by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mezzotint.errors import OriginError, OriginFailed, OriginLacks
from mezzotint.sources.coverart.listing import normalised
from mezzotint.sources.remote import How
from mezzotint.wiring import Engine
from tests.archive import ARCHIVE, DOWNLOADS, ITEMS, Archive, Art, faults
from tests.archive.replies import Reply, Request
from tests.pictures import jpeg
from tests.sources.coverart.covers import SHORT, covering, get, kept, pictures_kept, renewed, saying

FRONT, BACK, OTHER = (jpeg(300, 300, seed=seed) for seed in (1, 2, 3))
ARTS = [Art(11, FRONT), Art(12, BACK, types=("Back",), front=False, back=True), Art(13, OTHER, front=False)]


@pytest.mark.parametrize(
    ("name", "data"),
    [("front", FRONT), ("front.jpg", FRONT), ("back", BACK), ("11", FRONT), ("12.jpg", BACK), ("13.x", OTHER)],
)
def test_a_picture_is_fetched_once(engine: Engine, archive: Archive, name: str, data: bytes) -> None:
    path = f"/release/{archive.release(images=ARTS)}/{name}"
    for how in (How.MISS, How.HIT, How.HIT):
        seen = get(engine, path)
        assert (seen.how, seen.data, seen.media_type) == (how, data, "image/jpeg")
    assert [sum(archive.asked_on(host).values()) for host in (ARCHIVE, DOWNLOADS, ITEMS)] == [1, 1, 1]


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_listing_is_fetched_once_in_todays_shape(engine: Engine, archive: Archive, slash: str) -> None:
    release = archive.release(images=ARTS, shape="old")
    for how in (How.MISS, How.HIT, How.HIT):
        seen = get(engine, f"/release/{release}{slash}")
        assert (seen.how, seen.listing) == (how, normalised(json.loads(archive.listing(release))))
    assert [sum(archive.asked_on(host).values()) for host in (ARCHIVE, DOWNLOADS, ITEMS)] == [1, 1, 1]


def test_what_leads_to_one_picture_shares_one_file(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    group = archive.release_group(release)
    get(engine, f"/release/{release}/11")
    for path in (f"/release/{release}/front", f"/release-group/{group}/front", f"/release/{release}/11.jpg"):
        assert get(engine, path).data == FRONT
    assert pictures_kept(engine) == [f"{release}-11.jpg"]
    assert sum(archive.asked_on(ITEMS).values()) == 1, "what a redirect leads to is here already"


def test_another_release_of_the_group_shares_nothing(engine: Engine, archive: Archive) -> None:
    one, two = archive.release(images=[Art(11, FRONT)]), archive.release(images=[Art(11, OTHER)])
    assert get(engine, f"/release/{one}/11").data == FRONT
    assert get(engine, f"/release/{two}/11").data == OTHER
    assert pictures_kept(engine) == sorted([f"{one}-11.jpg", f"{two}-11.jpg"])


def test_a_release_group_has_the_listing_of_its_release(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    group = archive.release_group(release)
    listing = get(engine, f"/release-group/{group}").listing
    assert listing == get(engine, f"/release/{release}").listing
    assert listing is not None
    assert listing["release"].endswith(release)


def test_a_group_that_chooses_another_release_has_its_front(tmp_path: Path, archive: Archive) -> None:
    one, two = archive.release(images=[Art(11, FRONT)]), archive.release(images=[Art(21, OTHER)])
    path = f"/release-group/{archive.release_group(one)}/front"
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        get(engine, path)
    archive.release_group(two, path.split("/")[2])
    with covering(tmp_path / "data", archive) as engine:
        assert renewed(engine, path).data == FRONT
        assert (get(engine, path).how, get(engine, path).data) == (How.HIT, OTHER)


def test_merged_releases_share_the_files_of_the_one_that_stays(engine: Engine, archive: Archive) -> None:
    old, new = archive.release(images=[Art(1, OTHER)]), archive.release(images=ARTS)
    archive.merge(old, new)
    assert get(engine, f"/release/{old}/front").data == FRONT
    assert get(engine, f"/release/{new}/11").how == How.HIT
    assert pictures_kept(engine) == [f"{new}-11.jpg"]
    listing = get(engine, f"/release/{old}").listing
    assert listing is not None
    assert listing["release"].endswith(new)


def test_a_group_that_was_merged_has_the_front_of_the_other(engine: Engine, archive: Archive) -> None:
    group, old = archive.release_group(archive.release(images=ARTS)), archive.release_group(archive.release())
    archive.merge(old, group)
    assert get(engine, f"/release-group/{old}/front").data == FRONT
    assert get(engine, f"/release-group/{group}/front").data == FRONT
    assert len(pictures_kept(engine)) == 1


@pytest.mark.parametrize("name", ["", "/front", "/front-500", "/back"])
def test_what_is_stale_is_given_at_once_and_renewed_behind(tmp_path: Path, archive: Archive, name: str) -> None:
    path = f"/release/{archive.release(images=ARTS)}{name}"
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        first = get(engine, path)
    archive.misbehave(path, faults.slow(0.2))
    with covering(tmp_path / "data", archive) as engine:
        stale = renewed(engine, path)
        assert (stale.how, stale.data, stale.listing) == (How.STALE, first.data, first.listing)
        again = get(engine, path)
        assert (again.how, again.data, again.listing) == (How.HIT, first.data, first.listing)
    assert archive.asked[path] == 2


def test_renewing_a_front_that_is_the_same_loads_nothing(tmp_path: Path, archive: Archive) -> None:
    path = f"/release/{archive.release(images=ARTS)}/front"
    for more in (SHORT, {}):
        with covering(tmp_path / "data", archive, **more) as engine:
            renewed(engine, path) if not more else get(engine, path)
    assert [sum(archive.asked_on(host).values()) for host in (ARCHIVE, DOWNLOADS, ITEMS)] == [2, 1, 1]


def test_a_listing_is_renewed_by_its_validators(tmp_path: Path, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    heard = []

    async def hear(request: Request, reply: Reply) -> None:
        heard.append({name: text for name, text in request.headers.items() if name.startswith("if-")})
        await request.answer(reply)

    archive.misbehave(f"/0/items/mbid-{release}/index.json", hear)
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        first = get(engine, f"/release/{release}").listing
    with covering(tmp_path / "data", archive) as engine:
        assert renewed(engine, f"/release/{release}").listing == first
        assert get(engine, f"/release/{release}").listing == first
    assert [sorted(sent) for sent in heard] == [[], ["if-modified-since", "if-none-match"]]


def test_a_picture_by_its_id_is_never_looked_after(tmp_path: Path, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        for path in (f"/release/{release}/13", f"/release/{release}/13-250"):
            get(engine, path)
            asked = archive.hits(release)
            for _ in range(3):
                assert renewed(engine, path).how == How.HIT
            assert archive.hits(release) == asked


@pytest.mark.parametrize("name", ["front", "front-250"])
def test_a_front_that_changes_is_seen_once_it_is_looked_after(tmp_path: Path, archive: Archive, name: str) -> None:
    release = archive.release(images=[Art(11, FRONT), Art(13, OTHER, front=False)])
    path = f"/release/{release}/{name}"
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        first = get(engine, path)
    archive.choose_front(release, 13)
    with covering(tmp_path / "data", archive) as engine:
        assert renewed(engine, path) == first.__class__(How.STALE, first.data, first.name, first.media_type)
        now = get(engine, path)
        assert (now.how, now.name) == (How.HIT, first.name.replace(f"{release}-11", f"{release}-13"))
        assert now.data == (OTHER if name == "front" else archive.thumbnail(release, 13, 250))
        assert get(engine, f"/release/{release}/11{name[5:]}").data == first.data, "the picture is what it was"


def test_a_listing_that_changes_is_seen_once_it_is_looked_after(tmp_path: Path, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        get(engine, f"/release/{release}")
    archive.release(release, [Art(99, OTHER)])
    with covering(tmp_path / "data", archive) as engine:
        renewed(engine, f"/release/{release}")
        listing = get(engine, f"/release/{release}").listing
        assert listing is not None
        assert [image["id"] for image in listing["images"]] == [99]


@pytest.mark.parametrize("fault", [faults.status(500), faults.status(403), faults.reset(), faults.html()])
@pytest.mark.parametrize("name", ["", "/front"])
def test_an_archive_that_fails_costs_nothing_that_is_here(
    tmp_path: Path, archive: Archive, fault: faults.Fault, name: str
) -> None:
    path = f"/release/{archive.release(images=ARTS)}{name}"
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        first = get(engine, path)
    archive.misbehave(path, fault)
    with covering(tmp_path / "data", archive) as engine:
        with pytest.raises(OriginError):
            renewed(engine, path)
        asked = archive.asked[path]
        for _ in range(3):
            again = get(engine, path)
            assert (again.how, again.data, again.listing) == (How.STALE, first.data, first.listing)
        assert archive.asked[path] == asked, "what failed a moment ago is not asked for again"


@pytest.mark.parametrize("name", ["", "/front", "/front-250", "/back"])
def test_404_on_renewal_forgets_what_there_was(tmp_path: Path, archive: Archive, name: str) -> None:
    release = archive.release(images=ARTS)
    path = f"/release/{release}{name}"
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        get(engine, path)
        get(engine, f"/release/{release}/11")
    archive.release(release, [])
    with covering(tmp_path / "data", archive) as engine:
        for asking in (renewed, get, get):
            with pytest.raises(OriginLacks):
                asking(engine, path)
        assert archive.asked[path] == 2
        assert [file for file in kept(engine) if file.endswith(".json")] == []
        assert get(engine, f"/release/{release}/11").data == FRONT, "an id means what it meant"


def test_what_is_not_there_is_remembered_and_costs_one_request(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=[Art(11, FRONT)])
    absent = archive.release()
    paths = [
        f"/release/{release}/back",
        f"/release/{release}/99",
        f"/release/{absent}",
        f"/release-group/{absent}/front",
    ]
    for path in paths * 3:
        with pytest.raises(OriginLacks):
            get(engine, path)
    assert [archive.asked[path] for path in paths] == [1] * len(paths)
    assert kept(engine) == []


def test_a_304_that_nobody_asked_for_is_a_failure(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    archive.misbehave(None, saying(b"", 304))
    for path in (f"/release/{release}", f"/release/{release}/front", f"/release/{release}/11-250"):
        with pytest.raises(OriginFailed):
            get(engine, path)
    assert kept(engine) == []
