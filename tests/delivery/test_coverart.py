"""Cover art as its clients ask for it: every endpoint, and what its answers say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests import http, pictures
from tests.archive import ARCHIVE, DOWNLOADS, ITEMS
from tests.archive.thumbnails import comment
from tests.delivery.covers import FRONT, PICTURES, Covers, ServeCovers, etag
from tests.waiting import PATIENCE

YEAR = "public, max-age=31536000, immutable"
NAMES = [f"{what}{size}" for what in PICTURES for size in ("", "-250", "-500", "-1200")]
LISTINGS = ["/release/{release}", "/release/{release}/", "/release-group/{group}", "/release-group/{group}/"]
FRONTS = [f"/release-group/{{group}}/front{size}" for size in ("", "-250", "-500", "-1200")]
PATHS = [f"/release/{{release}}/{name}" for name in NAMES] + FRONTS


def filled(covers: Covers, path: str) -> str:
    release = covers.release()
    return path.format(release=release, group=covers.archive.release_group(release))


def common(answer: httpx.Response) -> None:
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "x-cache-status" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("path", PATHS)
def test_pictures_and_all_that_is_said_of_them(covers: Covers, path: str) -> None:
    url = filled(covers, path)
    name, _, size = url.rpartition("/")[2].partition("-")
    original, media_type = PICTURES[name]
    answers = [covers.http.get(url) for _ in range(4)]
    assert [answer.headers["x-cache-status"] for answer in answers] == ["MISS", "HIT", "HIT", "HIT"]
    data = answers[0].content
    for answer in answers:
        assert (answer.status_code, answer.content) == (200, data)
        assert answer.headers["content-type"] == ("image/jpeg" if size else media_type)
        assert answer.headers["content-length"] == str(len(data))
        assert answer.headers["etag"] == etag(data)
        assert answer.headers["accept-ranges"] == "bytes"
        assert (answer.headers["cache-control"] == YEAR) == name.isdecimal()
        assert "max-age=" in answer.headers["cache-control"]
        assert ("immutable" in answer.headers["cache-control"]) == name.isdecimal()
        assert not answer.history
        common(answer)
    if size:
        assert comment(data) == f"thumb{size}"
    else:
        assert data == original


@pytest.mark.parametrize("path", LISTINGS)
def test_listings_and_all_that_is_said_of_them(covers: Covers, path: str) -> None:
    url = filled(covers, path)
    answers = [covers.http.get(url) for _ in range(3)]
    assert [answer.headers["x-cache-status"] for answer in answers] == ["MISS", "HIT", "HIT"]
    for answer in answers:
        assert answer.status_code == 200
        assert [image["id"] for image in answer.json()["images"]] == [11, 12, 13, 14, 15]
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["etag"] == etag(answer.content)
        assert "max-age=" in answer.headers["cache-control"]
        assert "immutable" not in answer.headers["cache-control"]
        common(answer)


@pytest.mark.parametrize("path", [*LISTINGS, *PATHS[:8], *FRONTS[:2], "/release/{release}/13", "/release/{release}/15"])
def test_head_says_what_get_says(covers: Covers, path: str) -> None:
    url = filled(covers, path)
    cold = covers.http.head(url)
    assert (cold.status_code, cold.content, cold.headers["x-cache-status"]) == (200, b"", "MISS")
    got, head = covers.warmed(url), covers.http.head(url)
    assert head.content == b""
    said = [{k: v for k, v in answer.headers.items() if k not in {"date", "x-request-id"}} for answer in (got, head)]
    assert said[0] == said[1]


@pytest.mark.parametrize("path", [*LISTINGS, *PATHS[:4], *FRONTS[:2], "/cache-status", "/release/{release}/99"])
def test_options_asks_nobody(covers: Covers, path: str) -> None:
    url = filled(covers, path)
    covers.archive.forget()
    headers = {"origin": "https://player.example", "access-control-request-method": "GET"}
    for answer in (covers.http.options(url), covers.http.options(url, headers=headers)):
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
        assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
        common(answer)
    assert not covers.archive.asked


@pytest.mark.parametrize("name", ["front.jpg", "front.jpeg", "front.png", "front.X", "11.jpg", "11.pdf"])
def test_an_extension_means_nothing(covers: Covers, name: str) -> None:
    release = covers.release()
    answer = covers.warmed(f"/release/{release}/{name}")
    assert (answer.content, answer.headers["content-type"]) == (FRONT, "image/jpeg")
    small = covers.warmed(f"/release/{release}/{name.replace('.', '-250.')}")
    assert (pictures.opened(small.content).size, small.headers["content-type"]) == ((250, 250), "image/jpeg")


def test_a_query_means_nothing(covers: Covers) -> None:
    path = f"/release/{covers.release()}/front"
    assert covers.http.get(f"{path}?x=1").headers["x-cache-status"] == "MISS"
    assert covers.http.get(path, params={"y": "2"}).headers["x-cache-status"] == "HIT"
    assert covers.archive.asked[path] == 1


@pytest.mark.parametrize("name", ["front", "15", "13", "12-250", ""])
@pytest.mark.parametrize("condition", ["{}", "W/{}", '"x", {}', "*", '"x" , W/{},"y"'])
def test_who_has_it_is_not_sent_it_again(covers: Covers, name: str, condition: str) -> None:
    url = f"/release/{covers.release()}/{name}"
    tag = covers.http.get(url).headers["etag"]
    for _ in range(2):
        answer = covers.http.get(url, headers={"if-none-match": condition.format(tag)})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
        assert "max-age=" in answer.headers["cache-control"]
        common(answer)
    assert covers.http.get(url, headers={"if-none-match": '"x"'}).status_code == 200


@pytest.mark.parametrize("name", ["front", "15", "12-250"])
@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-99", 0, 100), ("bytes=5000-", 5000, None), ("bytes=-7", -7, None), ("bytes=0-99999999", 0, None)],
)
def test_a_part_may_be_asked_for(covers: Covers, name: str, asked: str, start: int, end: int | None) -> None:
    url = f"/release/{covers.release()}/{name}"
    whole = covers.http.get(url).content
    begin, stop, _ = slice(start, end).indices(len(whole))
    for _ in range(2):
        answer = covers.http.get(url, headers={"range": asked})
        assert (answer.status_code, answer.content) == (206, whole[start:end])
        assert answer.headers["content-range"] == f"bytes {begin}-{stop - 1}/{len(whole)}"
        assert answer.headers["content-length"] == str(stop - begin)
        common(answer)


@pytest.mark.parametrize("name", ["front", "15"])
def test_a_part_that_there_is_not_is_refused(covers: Covers, name: str) -> None:
    url = f"/release/{covers.release()}/{name}"
    size = len(covers.http.get(url).content)
    answer = covers.http.get(url, headers={"range": f"bytes={size}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
    assert answer.headers["access-control-allow-origin"] == "*"
    stale = covers.http.get(url, headers={"range": "bytes=0-9", "if-range": '"another"'})
    assert (stale.status_code, len(stale.content)) == (200, size)


def test_a_size_is_the_archives_also_where_the_original_is_here(covers: Covers) -> None:
    release = covers.release()
    for name in ("11", "12", "15"):
        covers.http.get(f"/release/{release}/{name}").raise_for_status()
        for said in ("MISS", "HIT"):
            small = covers.http.get(f"/release/{release}/{name}-250")
            assert (comment(small.content), small.headers["x-cache-status"]) == ("thumb250", said)


def test_pdfs_have_thumbnails(covers: Covers) -> None:
    release = covers.release()
    for name in ("13-250", "13", "13-500"):
        answer = covers.warmed(f"/release/{release}/{name}")
        assert answer.headers["content-type"] == ("application/pdf" if name == "13" else "image/jpeg")
        assert name == "13" or comment(answer.content) == f"thumb{name[3:]}"


@pytest.mark.parametrize("size", ["", "-500"])
def test_a_front_tells_which_picture_it_is(covers: Covers, size: str) -> None:
    path = filled(covers, f"/release-group/{{group}}/front{size}")
    answer = covers.warmed(path)
    place, _, relation = answer.headers["link"].partition(">; ")
    assert relation == 'rel="canonical"'
    assert place.endswith(f"/11{size}")
    assert covers.http.get(place[1:]).content == answer.content
    assert "link" not in covers.http.get(place[1:]).headers


def test_one_picture_by_many_names_comes_once(covers: Covers) -> None:
    release = covers.release()
    group, old = covers.archive.release_group(release), covers.archive.release()
    covers.archive.merge(old, release)
    covers.archive.forget()
    paths = [
        f"/release/{release}/11",
        f"/release-group/{group}/front",
        f"/release/{old}/front",
        f"/release/{release}/front",
    ]
    for path in paths:
        assert covers.http.get(path).content == FRONT
    items = [path for path in covers.archive.asked.elements() if path.startswith("/0/items/")]
    assert items == [f"/0/items/mbid-{release}/mbid-{release}-11.jpg"]


def test_fifty_clients_of_two_workers_are_one_question(serve_covers: ServeCovers) -> None:
    covers = serve_covers(MEZZOTINT_WORKERS="2")
    covers.archive.delay = 0.1
    release = covers.release()
    for path in (f"/release/{release}/front", f"/release/{release}"):
        covers.archive.forget()
        with ThreadPoolExecutor(50) as clients:
            url = covers.server.url + path
            answers = list(clients.map(lambda _, url=url: http.get(url, timeout=PATIENCE), range(50)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert [covers.archive.asked_on(host).total() for host in (ARCHIVE, DOWNLOADS, ITEMS)] == [1, 1, 1]


def test_what_is_stale_is_given_and_looked_after(serve_covers: ServeCovers) -> None:
    covers = serve_covers(MEZZOTINT_FETCH_MAX_AGE="0s")
    release = covers.release()
    for path in (f"/release/{release}/front", f"/release/{release}"):
        answers = [covers.http.get(path) for _ in range(2)]
        assert [answer.headers["x-cache-status"] for answer in answers] == ["MISS", "STALE"]
        assert answers[0].content == answers[1].content
    assert covers.http.get(f"/release/{release}/11").headers["x-cache-status"] == "HIT"
