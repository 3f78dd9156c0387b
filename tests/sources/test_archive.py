"""The archive that other tests rely on is what it says."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests import http, pictures
from tests.archive import ARCHIVE, DOWNLOADS, ITEMS, Archive, Art, faults
from tests.archive.faults import Fault
from tests.archive.thumbnails import comment
from tests.waiting import PATIENCE

FRONT = Art(829521842, pictures.jpeg(1500, 1200))
BACK = Art(829521843, pictures.png(), "png", ("Back",), front=False, back=True)
BOOKLET = Art(829521844, b"%PDF-1.4 ...", "pdf", ("Booklet",), front=False)
NOBODY = str(uuid.UUID(int=1))


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as started:
        yield started


@pytest.fixture
def mbid(archive: Archive) -> str:
    return archive.release(images=[FRONT, BACK, BOOKLET])


def ask(url: str, method: str = "GET", *, follow: bool = True, headers: dict[str, str] | None = None) -> httpx.Response:
    return http.request(method, url, follow_redirects=follow, headers=headers, timeout=PATIENCE, trust_env=False)


def trail(answer: httpx.Response) -> list[tuple[int, str]]:
    return [(one.status_code, f"{one.url.host}{one.url.path}") for one in (*answer.history, answer)]


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_listing_lies_behind_two_redirects(archive: Archive, mbid: str, slash: str) -> None:
    answer = ask(f"{archive.url}/release/{mbid}{slash}")
    assert trail(answer) == [
        (307, f"{ARCHIVE}/release/{mbid}{slash}"),
        (302, f"{DOWNLOADS}/download/mbid-{mbid}/index.json"),
        (200, f"{ITEMS}/0/items/mbid-{mbid}/index.json"),
    ]
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == archive.listing(mbid)
    assert all(one.headers["access-control-allow-origin"] == "*" for one in (*answer.history, answer))


def test_a_listing_names_the_real_archive(archive: Archive, mbid: str) -> None:
    listed = json.loads(archive.listing(mbid))
    url = f"https://coverartarchive.org/release/{mbid}/829521842"
    assert listed["release"] == f"https://musicbrainz.org/release/{mbid}"
    assert listed["images"][0] == {
        "approved": True,
        "back": False,
        "comment": "",
        "edit": 17462565,
        "front": True,
        "id": 829521842,
        "image": f"{url}.jpg",
        "thumbnails": {
            "250": f"{url}-250.jpg",
            "500": f"{url}-500.jpg",
            "1200": f"{url}-1200.jpg",
            "small": f"{url}-250.jpg",
            "large": f"{url}-500.jpg",
        },
        "types": ["Front"],
    }


def test_an_old_listing_has_other_ids_urls_and_thumbnails(archive: Archive) -> None:
    mbid = archive.release(images=[FRONT], shape="old")
    (image,) = ask(f"{archive.url}/release/{mbid}").json()["images"]
    url = f"http://coverartarchive.org/release/{mbid}/829521842"
    assert (image["id"], image["image"]) == ("829521842", f"{url}.jpg")
    assert image["thumbnails"] == {"small": f"{url}-250.jpg", "large": f"{url}-500.jpg"}


@pytest.mark.parametrize(
    ("name", "file", "content_type"),
    [
        ("front", "829521842.jpg", "image/jpeg"),
        ("front.jpg", "829521842.jpg", "image/jpeg"),
        ("back", "829521843.png", "image/png"),
        ("829521844", "829521844.pdf", "application/pdf"),
        ("829521844.jpg", "829521844.pdf", "application/pdf"),
        ("front-500", "829521842_thumb500.jpg", "image/jpeg"),
        ("back-250.png", "829521843_thumb250.jpg", "image/jpeg"),
        ("829521844-1200.jpg", "829521844_thumb1200.jpg", "image/jpeg"),
        ("front-300", "829521842.jpg", "image/jpeg"),
    ],
)
def test_pictures_lie_behind_two_redirects(
    archive: Archive, mbid: str, name: str, file: str, content_type: str
) -> None:
    answer = ask(f"{archive.url}/release/{mbid}/{name}")
    path = f"mbid-{mbid}/mbid-{mbid}-{file}"
    assert trail(answer)[1:] == [(302, f"{DOWNLOADS}/download/{path}"), (200, f"{ITEMS}/0/items/{path}")]
    assert answer.headers["content-type"] == content_type


def test_thumbnails_are_the_archives_own(archive: Archive, mbid: str) -> None:
    for art, name in ((FRONT, "front"), (BOOKLET, str(BOOKLET.id))):
        for size in (250, 500, 1200):
            data = ask(f"{archive.url}/release/{mbid}/{name}-{size}").content
            assert data == archive.thumbnail(mbid, art.id, size)
            assert comment(data) == f"thumb{size}"
            assert max(pictures.opened(data).size) == size
    assert ask(f"{archive.url}/release/{mbid}/front").content == archive.original(mbid, FRONT.id) == FRONT.data
    assert comment(FRONT.data) == ""


def test_who_has_it_gets_no_bytes(archive: Archive, mbid: str) -> None:
    for name in ("", "front", "front-250"):
        answer = ask(f"{archive.url}/release/{mbid}/{name}")
        etag, changed = answer.headers["etag"], answer.headers["last-modified"]
        again = ask(str(answer.url), headers={"if-none-match": f'"other", {etag}', "if-modified-since": "never"})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert ask(str(answer.url), headers={"if-modified-since": changed}).status_code == 304
        assert ask(str(answer.url), headers={"if-none-match": '"other"'}).content == answer.content


def test_head_has_the_headers_alone(archive: Archive, mbid: str) -> None:
    with http.Client(follow_redirects=True, trust_env=False) as client:
        for _ in range(2):
            head = client.head(f"{archive.url}/release/{mbid}/front")
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == str(len(FRONT.data))
        assert client.get(f"{archive.url}/release/{mbid}/front").content == FRONT.data


@pytest.mark.parametrize("name", ["", "/", "/front", "/front-500"])
def test_a_group_leads_to_its_releases(archive: Archive, mbid: str, name: str) -> None:
    group = archive.release_group(mbid)
    answer = ask(f"{archive.url}/release-group/{group}{name}")
    assert answer.url == ask(f"{archive.url}/release/{mbid}{name}").url
    assert answer.history[0].status_code == 307


@pytest.mark.parametrize("name", ["", "/front-500", "/829521843"])
def test_a_merged_mbid_leads_to_the_new_ones_files(archive: Archive, mbid: str, name: str) -> None:
    old = archive.release(images=[FRONT])
    group = archive.release_group(old)
    archive.merge(old, mbid)
    answer = ask(f"{archive.url}/release/{old}{name}")
    assert answer.url == ask(f"{archive.url}/release/{mbid}{name}").url
    assert mbid in ask(f"{archive.url}/release-group/{group}").url.path


def test_another_front_is_chosen(archive: Archive, mbid: str) -> None:
    before = ask(f"{archive.url}/release/{mbid}")
    archive.choose_front(mbid, BACK.id)
    after = ask(f"{archive.url}/release/{mbid}")
    assert ask(f"{archive.url}/release/{mbid}/front").content == BACK.data
    assert [image["front"] for image in after.json()["images"]] == [False, True, False]
    assert all(before.headers[name] != after.headers[name] for name in ("etag", "last-modified"))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/release/{NOBODY}", 404),
        (f"/release/{NOBODY}/front", 404),
        (f"/release-group/{NOBODY}/front", 404),
        ("/release/HERE/12345", 404),
        ("/release/HERE/first", 400),
        (f"/release/{NOBODY}/first", 400),
        ("/release/x", 400),
        (f"/release/{NOBODY[:-1]}A", 400),
        (f"/event/{NOBODY}", 400),
        ("/release-group/GROUP/back", 400),
        ("/release-group/EMPTY", 404),
        ("/release/", 400),
    ],
)
def test_what_is_not_there_or_malformed_is_refused(archive: Archive, mbid: str, path: str, status: int) -> None:
    group, empty = archive.release_group(mbid), archive.release_group(archive.release())
    answer = ask(archive.url + path.replace("HERE", mbid).replace("GROUP", group).replace("EMPTY", empty))
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "*"


def test_options_tells_the_methods(archive: Archive, mbid: str) -> None:
    for path, status in {f"{mbid}/front": 200, NOBODY: 200, f"{mbid}/front-100": 400, "x": 400}.items():
        assert ask(f"{archive.url}/release/{path}", "OPTIONS").status_code == status
    assert ask(f"{archive.url}/release/{mbid}", "OPTIONS").headers["allow"] == "GET, HEAD, OPTIONS"
    assert ask(f"{archive.url}/release/{mbid}", "POST").status_code == 405


def test_a_plain_archive_gives_the_bytes_itself() -> None:
    with Archive(plain=True) as archive:
        mbid = archive.release(images=[FRONT])
        for name, data in {"": archive.listing(mbid), "/front-250": archive.thumbnail(mbid, FRONT.id, 250)}.items():
            answer = ask(f"{archive.url}/release/{mbid}{name}", follow=False)
            assert (answer.status_code, answer.content) == (200, data)
            again = ask(str(answer.url), headers={"if-none-match": answer.headers["etag"]})
            assert again.status_code == 304


def test_an_opaque_archive_tells_nothing_by_where_it_leads() -> None:
    with Archive(opaque=True) as archive:
        mbid = archive.release(images=[FRONT])
        answer = ask(f"{archive.url}/release/{mbid}/front")
        assert answer.content == FRONT.data
        assert answer.url.host == DOWNLOADS
        assert answer.url.path.startswith("/blob/")
        assert not any(name in answer.url.path for name in (mbid, str(FRONT.id)))


def test_what_was_asked_is_counted_until_it_is_forgotten(archive: Archive, mbid: str) -> None:
    ask(f"{archive.url}/release/{mbid}/front")
    ask(f"{archive.url}/release/{mbid}/front", follow=False)
    assert archive.asked[f"/release/{mbid}/front"] == 2
    assert archive.asked_on(ITEMS) == {f"/0/items/mbid-{mbid}/mbid-{mbid}-829521842.jpg": 1}
    assert (archive.hits(mbid), archive.hits(NOBODY)) == (4, 0)
    archive.forget()
    assert (archive.hits(mbid), archive.asked) == (0, {})


@pytest.mark.parametrize("path", [None, "/release/MBID", "/0/items/mbid-MBID/index.json"])
def test_it_misbehaves_where_it_is_asked_to(archive: Archive, mbid: str, path: str | None) -> None:
    archive.misbehave(path and path.replace("MBID", mbid), faults.busy(7))
    answer = ask(f"{archive.url}/release/{mbid}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert ask(f"{archive.url}/release/{mbid}/front").status_code == (200 if path else 503)
    archive.behave()
    assert ask(f"{archive.url}/release/{mbid}").status_code == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.truncate(), httpx.RemoteProtocolError),
        (faults.reset(), httpx.TransportError),
        (faults.loop(), httpx.TooManyRedirects),
        (faults.to("http://127.0.3.1:1/"), httpx.ConnectError),
    ],
)
def test_some_faults_end_in_nothing(archive: Archive, mbid: str, fault: Fault, error: type[Exception]) -> None:
    archive.misbehave(f"/0/items/mbid-{mbid}/mbid-{mbid}-829521842.jpg", fault)
    with pytest.raises(error):
        ask(f"{archive.url}/release/{mbid}/front")


def test_some_faults_look_like_answers(archive: Archive, mbid: str) -> None:
    url = f"{archive.url}/release/{mbid}"
    archive.misbehave(None, faults.html())
    assert ask(url).headers["content-type"].startswith("text/html")
    archive.misbehave(None, faults.bad_json())
    with pytest.raises(ValueError):
        ask(url).json()
    archive.misbehave(None, faults.status(500))
    assert ask(url).status_code == 500


def test_it_can_be_slow_or_never_answer(archive: Archive, mbid: str) -> None:
    url, begin = f"{archive.url}/release/{mbid}", time.monotonic()
    archive.delay = 0.1
    assert ask(url).status_code == 200
    assert time.monotonic() - begin > 0.3
    archive.delay, begin = 0.0, time.monotonic()
    archive.misbehave(f"/release/{mbid}", faults.slow(0.2))
    assert ask(url).status_code == 200
    assert time.monotonic() - begin > 0.2
    archive.misbehave(f"/release/{mbid}", faults.hang())
    with pytest.raises(httpx.ReadTimeout):
        http.get(url, timeout=0.2)
