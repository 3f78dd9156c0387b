"""Programs that ask for cover art: real ones, and what others are known to send. None leaves the cache's host."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import musicbrainzngs  # type: ignore[import-untyped]
import musicbrainzngs.caa  # type: ignore[import-untyped]
import pytest

from tests import http, pictures
from tests.archive import Art
from tests.delivery.covers import BACK, BOOKLET, FRONT, PICTURES, Covers
from tests.waiting import PATIENCE


@pytest.fixture
def musicbrainz(covers: Covers) -> Iterator[Any]:
    before = musicbrainzngs.caa.hostname, musicbrainzngs.caa.https
    musicbrainzngs.set_useragent("mezzotint-tests", "1", "tests@example.org")
    musicbrainzngs.set_rate_limit(False)
    musicbrainzngs.set_caa_hostname(covers.host, use_https=False)
    yield musicbrainzngs
    musicbrainzngs.set_caa_hostname(*before)


@pytest.fixture
def staying(covers: Covers) -> Iterator[httpx.Client]:
    """It follows redirects, as players do, and says where it was sent on to."""

    def check(request: httpx.Request) -> None:
        assert request.url.netloc.decode() == covers.host

    with http.Client(base_url=covers.server.url, follow_redirects=True, event_hooks={"request": [check]}) as client:
        yield client


def test_musicbrainzngs_lists_and_gets_what_is_listed(covers: Covers, musicbrainz: Any) -> None:
    release = covers.release()
    for _ in range(2):
        listing = musicbrainz.get_image_list(release)
        assert listing["release"] == f"https://musicbrainz.org/release/{release}"
        assert [image["id"] for image in listing["images"]] == [11, 12, 13, 14, 15]
    for image in listing["images"]:
        data = PICTURES[str(image["id"])][0]
        assert musicbrainz.get_image(release, image["id"]) == data
        assert musicbrainz.get_image(release, str(image["id"])) == data


@pytest.mark.parametrize("size", [None, 250, "500", 1200])
def test_musicbrainzngs_gets_front_and_back(covers: Covers, musicbrainz: Any, size: Any) -> None:
    release = covers.release()
    group = covers.archive.release_group(release)
    for _ in range(2):
        front = musicbrainz.get_image_front(release, size=size)
        back = musicbrainz.get_image_back(release, size=size)
        of_group = musicbrainz.get_release_group_image_front(group, size=size)
        assert of_group == front
        if size is None:
            assert (front, back) == (FRONT, BACK)
        else:
            assert pictures.opened(front).size == (min(int(size), 800),) * 2
            assert pictures.opened(back).size[0] == min(int(size), 400)
    assert musicbrainz.get_image(release, 12, size=size) == back


def test_musicbrainzngs_lists_a_release_group(covers: Covers, musicbrainz: Any) -> None:
    release = covers.release()
    listing = musicbrainz.get_release_group_image_list(covers.archive.release_group(release))
    assert listing["release"].endswith(release)
    assert len(listing["images"]) == 5


@pytest.mark.parametrize(
    "name", ["get_image_list", "get_image_front", "get_image_back", "get_release_group_image_front"]
)
@pytest.mark.parametrize(("mbid", "status"), [("00000000-0000-4000-8000-000000000001", 404), ("nonsense", 404)])
def test_musicbrainzngs_is_told_what_is_wrong(musicbrainz: Any, name: str, mbid: str, status: int) -> None:
    with pytest.raises(musicbrainz.ResponseError) as caught:
        getattr(musicbrainz, name)(mbid)
    assert caught.value.cause.code == status
    assert json.loads(caught.value.cause.read())["error"]


@pytest.mark.parametrize("name", ["front", "back-500.jpg", "11", "13.pdf", "14-250", "15.png", ""])
def test_curl_saves_it_without_being_sent_on(covers: Covers, tmp_path: Path, name: str) -> None:
    release = covers.release()
    url = f"{covers.server.url}/release/{release}/{name}"
    written = "%{http_code} %{num_redirects} %{remote_ip}:%{remote_port} %{content_type}"
    for number in range(2):
        saved = tmp_path / str(number)
        command = ["curl", "-sS", "-L", "-o", str(saved), "-w", written, url]
        said = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout.split(" ")
        answer = covers.http.get(url)
        assert saved.read_bytes() == answer.content
        assert said == ["200", "0", covers.host, answer.headers["content-type"]]


def test_curl_fails_where_there_is_none(covers: Covers, tmp_path: Path) -> None:
    url = f"{covers.server.url}/release/{covers.archive.release()}/front"
    command = ["curl", "-sS", "-f", "-L", "-o", str(tmp_path / "x"), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 22
    assert not (tmp_path / "x").exists()


def test_curl_resumes_what_broke_off(covers: Covers, tmp_path: Path) -> None:
    url = f"{covers.server.url}/release/{covers.release()}/11"
    saved = tmp_path / "x"
    saved.write_bytes(FRONT[:1000])
    subprocess.run(["curl", "-sS", "-C", "-", "-o", saved, url], timeout=PATIENCE, check=True)
    assert saved.read_bytes() == FRONT


SIZES_OF_PICARD = (("1200",), ("500", "large"), ("250", "small"))


def of_picard(image: dict[str, Any], largest: int) -> str:
    """The thumbnail that it takes: that size, or else the next smaller one, or else the original."""
    for names in SIZES_OF_PICARD[largest:]:
        for name in names:
            if url := image["thumbnails"].get(name):
                return str(url)
    return str(image["image"])


@pytest.mark.parametrize("shape", ["new", "old"])
@pytest.mark.parametrize("largest", [0, 1, 2, 3])
def test_picard(covers: Covers, staying: httpx.Client, shape: Any, largest: int) -> None:
    release = covers.release(shape)
    listing = staying.get(f"/release/{release}/").raise_for_status().json()
    kinds = {}
    for image in listing["images"]:
        assert image["approved"] is True
        kinds[image["types"][0]] = (image["front"], image["comment"])
        data = staying.get(of_picard(image, largest)).raise_for_status().content
        if largest == 3:
            assert data == PICTURES[str(image["id"])][0]
        else:
            assert max(pictures.opened(data).size) <= (1200, 500, 250)[largest]
        if image["image"].endswith(".pdf"):
            assert staying.get(image["image"]).content == BOOKLET
            assert staying.get(image["thumbnails"]["large"]).headers["content-type"] == "image/jpeg"
    assert kinds["Front"] == (True, "")
    assert kinds["Medium"] == (False, "Seite A")


def test_picard_leaves_out_what_is_not_approved(covers: Covers, staying: httpx.Client) -> None:
    release = covers.archive.release(images=[Art(1, FRONT), Art(2, BACK, "png", (), approved=False, front=False)])
    listing = staying.get(f"/release/{release}/").raise_for_status().json()
    assert [(image["approved"], image["types"]) for image in listing["images"]] == [(True, ["Front"]), (False, [])]


@pytest.mark.parametrize("width", [None, "250", "500", "1200"])
@pytest.mark.parametrize("entity", ["release", "release-group"])
def test_beets(covers: Covers, staying: httpx.Client, width: str | None, entity: str) -> None:
    release = covers.release()
    mbid = release if entity == "release" else covers.archive.release_group(release)
    answer = staying.get(f"/{entity}/{mbid}", timeout=PATIENCE)
    found = []
    for item in answer.raise_for_status().json()["images"]:
        if "Front" in item["types"]:
            found.append(item["thumbnails"].get(width, item["image"]) if width else item["image"])
    (url,) = found
    picture = staying.get(url, timeout=PATIENCE).raise_for_status()
    assert picture.headers["content-type"] in {"image/jpeg", "image/png"}
    assert pictures.opened(picture.content).size == (min(int(width or 800), 800),) * 2


def test_beets_takes_an_old_listing_too(covers: Covers, staying: httpx.Client) -> None:
    item = staying.get(f"/release/{covers.release('old')}").json()["images"][0]
    for width in ("250", "500"):
        assert pictures.opened(staying.get(item["thumbnails"][width]).content).size == (int(width),) * 2
    assert staying.get(item["thumbnails"].get("1200", item["image"])).content == FRONT


@pytest.mark.parametrize("name", ["front", "front-500", "front-250.jpg"])
def test_navidrome_has_200_at_once(covers: Covers, name: str) -> None:
    path = f"/release/{covers.release()}/{name}"
    for _ in range(2):
        answer = http.get(f"{covers.server.url}{path}", follow_redirects=False, timeout=PATIENCE)
        assert answer.status_code == 200
        assert pictures.opened(answer.content).format == "JPEG"


def test_a_page_in_a_browser_may_show_it_and_read_its_pixels(covers: Covers) -> None:
    url = f"{covers.server.url}/release/{covers.release()}/front-250"
    headers = {"origin": "https://player.example"}
    asked = httpx.options(url, headers=headers | {"access-control-request-method": "GET"})
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, "*")
    for _ in range(2):
        given = http.get(url, headers=headers | {"sec-fetch-mode": "cors", "referer": "https://player.example/"})
        assert (given.status_code, given.headers["access-control-allow-origin"]) == (200, "*")
        assert given.headers["content-type"] == "image/jpeg"
