"""What cannot be given: JSON with `error`, of the right status, for everybody to read and never for long."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.archive import ARCHIVE, Archive, Art, faults
from tests.archive.faults import Fault
from tests.delivery.covers import FRONT, LARGE, Covers, ServeCovers
from tests.pictures import jpeg
from tests.sources.coverart.covers import saying
from tests.waiting import until

M = "76df3287-6cda-33eb-8e9a-044b5e15ffdd"


def told(answer: httpx.Response, status: int) -> str:
    """What the error says."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" not in answer.headers.get("cache-control", "")
    assert answer.json().keys() == {"error"}
    return str(answer.json()["error"])


def told_without_body(answer: httpx.Response, status: int) -> None:
    assert (answer.status_code, answer.content) == (status, b"")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.fixture
def faulty(covers: Covers) -> Iterator[Archive]:
    """The archive, which is right again afterwards, and has shown it."""
    yield covers.archive
    covers.archive.behave()
    assert covers.http.get(f"/release/{covers.release()}/11-250").status_code == 200


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/release/nonsense", "mbid"),
        ("/release/", "mbid"),
        (f"/release/{M.upper()}/front", "mbid"),
        ("/release-group/nonsense/front", "mbid"),
        (f"/release/{M}/front-0300", "size"),
        (f"/release/{M}/11-", "size"),
        (f"/release-group/{M}/front-x", "size"),
        (f"/release/{M}/sleeve", "id"),
        (f"/release/{M}/12a.jpg", "id"),
        (f"/release-group/{M}/back", "id"),
        (f"/release-group/{M}/11", "id"),
    ],
)
def test_what_is_wrong_with_a_name_is_told(covers: Covers, path: str, word: str) -> None:
    covers.archive.forget()
    status = 404 if word == "mbid" else 400
    error = told(covers.http.get(path), status)
    assert error.startswith(f"{word}:")
    told_without_body(covers.http.head(path), status)
    assert not covers.archive.asked


@pytest.mark.parametrize("name", ["", "/", "/front", "/back-250", "/99", "/99-500.jpg"])
@pytest.mark.parametrize("entity", ["release", "release-group"])
def test_what_the_archive_does_not_have_is_not_found_and_asked_for_once(covers: Covers, entity: str, name: str) -> None:
    if entity == "release-group" and name[1:] not in {"", "front"}:
        name = "/front-250"
    path = f"/{entity}/{covers.archive.release()}{name}"
    covers.archive.forget()
    for _ in range(3):
        assert told(covers.http.get(path), 404)
        told_without_body(covers.http.head(path), 404)
    assert set(covers.archive.asked.values()) == {1}, "a size, and the original that it might be made of"


@pytest.mark.parametrize("path", ["/release/{m}/front/x", "/release/{m}/front/../../x", "/release-group/{m}/front/1"])
def test_there_is_nothing_below_a_picture(covers: Covers, path: str) -> None:
    status, headers, _ = covers.raw(path.format(m=M))
    assert (status, headers["content-type"]) == (404, "application/json")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE"])
@pytest.mark.parametrize("path", [f"/release/{M}", f"/release/{M}/front", f"/release-group/{M}", "/cache-status"])
def test_nothing_is_changed_here(covers: Covers, method: str, path: str) -> None:
    covers.archive.forget()
    answer = covers.http.request(method, path, content=b"x" if method in {"POST", "PUT"} else None)
    assert told(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert not covers.archive.asked


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(500),
        faults.html(),
        faults.bad_json(),
        saying(b""),
        saying(LARGE[: len(LARGE) // 2]),
        faults.loop(),
        faults.reset(),
        faults.to("http://169.254.169.254/latest/meta-data/"),
        faults.to("http://10.0.0.1/"),
        faults.to("file:///etc/passwd"),
    ],
    ids=["500", "html", "json", "empty", "half", "loop", "reset", "link-local", "private", "file"],
)
@pytest.mark.parametrize("name", ["", "/front"])
def test_an_archive_that_fails_is_a_bad_gateway(covers: Covers, faulty: Archive, fault: Fault, name: str) -> None:
    path = f"/release/{covers.release()}{name}"
    faulty.misbehave(path, fault)
    errors = {told(covers.http.get(path), 502) for _ in range(2)}
    told_without_body(covers.http.head(path), 502)
    assert errors == {"the picture could not be had from its origin"}, "and not why"


@pytest.mark.parametrize("status", [400, 401, 403, 410, 451])
@pytest.mark.parametrize("name", ["", "/front", "/front-250"])
def test_what_the_archive_does_not_give_out_is_not_found_and_says_why(
    covers: Covers, faulty: Archive, status: int, name: str
) -> None:
    path = f"/release/{covers.release()}{name}"
    for one in {path, path.removesuffix("-250")}:
        faulty.misbehave(one, faults.status(status))
    for _ in range(2):
        assert "origin" in told(covers.http.get(path), 404)


def test_an_archive_that_takes_too_long_is_a_gateway_timeout(serve_covers: ServeCovers) -> None:
    covers = serve_covers(MEZZOTINT_FETCH_TIMEOUT="0.5s")
    for name in ("", "/front"):
        path = f"/release/{covers.release()}{name}"
        covers.archive.misbehave(path, faults.hang())
        for _ in range(2):
            assert told(covers.http.get(path), 504)
        assert covers.archive.asked[path] == 1


@pytest.mark.parametrize("name", ["", "/front-250"])
def test_an_archive_that_wants_a_pause_has_it(serve_covers: ServeCovers, name: str) -> None:
    covers = serve_covers()
    here, path = f"/release/{covers.release()}/11", f"/release/{covers.release()}{name}"
    covers.http.get(here).raise_for_status()
    covers.archive.misbehave(path, faults.busy(50))
    first = covers.http.get(path)
    assert told(first, 503)
    assert first.headers["retry-after"] == "50"
    again, other = covers.http.get(path), covers.http.get(f"/release/{covers.release()}")
    for answer in (again, other):
        assert told(answer, 503)
        assert 30 <= int(answer.headers["retry-after"]) <= 60
    assert covers.http.get(here).status_code == 200
    assert told(covers.http.get(f"{here}-500"), 503), "a size is the archive's, also where the original is here"
    assert covers.archive.asked_on(ARCHIVE).total() == 2


@pytest.mark.parametrize("variable", ["MEZZOTINT_FETCH_ALLOW", "MEZZOTINT_FETCH_PORTS"])
def test_an_archive_that_may_not_be_asked_is_a_bad_gateway(serve_covers: ServeCovers, variable: str) -> None:
    covers = serve_covers(None, **{variable: "127.0.9.9/32" if variable.endswith("ALLOW") else "80"})
    for name in ("", "/front", "/11-250"):
        assert told(covers.http.get(f"/release/{covers.release()}{name}"), 502)
    assert not covers.archive.asked


def test_an_archive_that_is_not_there_is_a_bad_gateway(serve_covers: ServeCovers) -> None:
    covers = serve_covers(MEZZOTINT_COVER_ART_UPSTREAM="http://127.0.9.9:9")
    assert told(covers.http.get(f"/release/{M}/front"), 502)
    assert told(covers.http.get(f"/release/{M}/front"), 502)


def test_a_cache_that_is_smaller_than_a_picture_gives_it_all_the_same(serve_covers: ServeCovers) -> None:
    covers = serve_covers(COVER_ART_CACHE_MAX_SIZE="1")
    release = covers.release()
    assert len(LARGE) > 2 << 20
    for _ in range(5):
        for name, data in (("15", LARGE), ("front", FRONT)):
            answer = covers.http.get(f"/release/{release}/{name}")
            assert (answer.status_code, answer.content == data) == (200, True)


def test_what_a_server_learned_of_a_release_goes_when_it_is_gone(serve_covers: ServeCovers) -> None:
    covers = serve_covers(MEZZOTINT_FETCH_MAX_AGE="0s")
    release = covers.archive.release(images=[Art(11, jpeg(30, 30))])
    paths = [f"/release/{release}", f"/release/{release}/front"]
    for path in paths:
        covers.http.get(path).raise_for_status()
    covers.archive.release(release, [])
    for path in paths:
        until(lambda path=path: covers.http.get(path).status_code != 200)  # type: ignore[misc]
        assert told(covers.http.get(path), 404)
