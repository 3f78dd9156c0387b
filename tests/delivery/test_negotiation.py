"""`auto`: the format by the client's Accept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import pictures
from tests.conftest import Server, start_server

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SAFARI = "image/webp,image/avif,image/jxl,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
OLDER = "image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"


@pytest.fixture(scope="module")
def ident(server: Server) -> str:
    return server.upload(pictures.jpeg(320, 240, seed=110))


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (CHROME, "image/avif"),
        (SAFARI, "image/jxl"),
        ("image/webp,*/*", "image/webp"),
        ("image/webp", "image/webp"),
        ("IMAGE/WebP", "image/webp"),
        ("image/avif;q=0,image/webp", "image/webp"),
        ("image/avif;q=0, image/webp;q=0.0", "image/jpeg"),
        (OLDER, "image/jpeg"),
        ("*/*", "image/jpeg"),
        ("image/*", "image/jpeg"),
        ("", "image/jpeg"),
        ("text/html", "image/jpeg"),
        ("image/avif;q=nonsense", "image/jpeg"),
        (",,;;q=;=,/", "image/jpeg"),
        ("image/avifx, ximage/avif", "image/jpeg"),
    ],
)
def test_the_format_is_one_that_the_client_shows(server: Server, ident: str, accept: str, media_type: str) -> None:
    answer = server.http.get(f"/images/{ident}-w100.auto", headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["vary"].lower() == "accept"
    assert pictures.opened(answer.content).get_format_mimetype() == media_type


MOVING = pictures.moving(40, 30)
CLEAR = pictures.encoded(pictures.clear(60, 40), "PNG")


@pytest.mark.parametrize(
    ("accept", "media_type"), [(CHROME, "image/webp"), (SAFARI, "image/webp"), (OLDER, "image/gif"), ("", "image/gif")]
)
def test_what_moves_goes_on_moving(server: Server, accept: str, media_type: str) -> None:
    answer = server.http.get(f"/images/{server.upload(MOVING)}-w20.auto", headers={"accept": accept})
    assert answer.headers["content-type"] == media_type
    assert pictures.opened(answer.content).n_frames == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("accept", "media_type"), [(CHROME, "image/avif"), (SAFARI, "image/jxl"), (OLDER, "image/png"), ("", "image/png")]
)
def test_what_is_transparent_stays_so(server: Server, accept: str, media_type: str) -> None:
    answer = server.http.get(f"/images/{server.upload(CLEAR)}-w30.auto", headers={"accept": accept})
    assert answer.headers["content-type"] == media_type
    assert pictures.opened(answer.content).convert("RGBA").getpixel((2, 2))[3] <= 3  # type: ignore[index]


def test_without_an_accept_it_is_jpeg(server: Server, ident: str) -> None:
    request = server.http.build_request("GET", f"/images/{ident}-w100.auto")
    del request.headers["accept"]
    assert server.http.send(request).headers["content-type"] == "image/jpeg"


def test_each_negotiated_answer_names_the_rendition_that_it_is(server: Server, ident: str) -> None:
    etags = set()
    for accept in ("image/avif", "image/webp", "*/*"):
        answer = server.http.get(f"/images/{ident}-w100.auto", headers={"accept": accept})
        target = answer.headers["link"].removeprefix("<").partition(">")[0]
        plain = server.http.get(target)
        assert plain.content == answer.content
        assert plain.headers["etag"] == answer.headers["etag"]
        assert "vary" not in plain.headers
        etags.add(answer.headers["etag"])
    assert len(etags) == 3


def test_not_modified_varies_too(server: Server, ident: str) -> None:
    accept = {"accept": "image/webp"}
    etag = server.http.get(f"/images/{ident}-w100.auto", headers=accept).headers["etag"]
    answer = server.http.get(f"/images/{ident}-w100.auto", headers=accept | {"if-none-match": etag})
    assert answer.status_code == 304
    assert answer.headers["vary"].lower() == "accept"


def test_the_etag_of_one_format_is_not_that_of_another(server: Server, ident: str) -> None:
    etag = server.http.get(f"/images/{ident}-w100.auto", headers={"accept": "image/webp"}).headers["etag"]
    answer = server.http.get(f"/images/{ident}-w100.auto", headers={"accept": "image/avif", "if-none-match": etag})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/avif")


@pytest.mark.parametrize(
    ("suffix", "headers", "status"),
    [
        ("-w100.auto", {"range": "bytes=0-9"}, 206),
        ("-w100.auto", {"range": "bytes=9999999-"}, 416),
        ("-0x0.auto", {}, 400),
        ("-x9000y0w1h1.auto", {}, 400),
        ("-w100.auto", {"authorization": "Bearer nonsense"}, 401),
    ],
)
def test_whatever_is_answered_it_varies(
    server: Server, ident: str, suffix: str, headers: dict[str, str], status: int
) -> None:
    answer = server.http.get(f"/images/{ident}{suffix}", headers=headers)
    assert answer.status_code == status
    assert answer.headers["vary"].lower() == "accept"
    if status >= 400:
        assert "immutable" not in answer.headers.get("cache-control", "")


def test_a_missing_picture_varies_too(server: Server) -> None:
    answer = server.http.get(f"/images/{'0' * 64}-w100.auto")
    assert (answer.status_code, answer.headers["vary"].lower()) == (404, "accept")


def test_a_method_that_is_refused_varies_too(server: Server, ident: str) -> None:
    answer = server.http.post(f"/images/{ident}-w100.auto")
    assert (answer.status_code, answer.headers["vary"].lower()) == (405, "accept")


def test_what_would_take_too_much_memory_in_the_better_format_is_in_the_next(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data", MEZZOTINT_RENDER_MEMORY="80M")
    try:
        sent = server.writer.post("/api/images/", files={"file": pictures.jpeg(1600, 1200)})
        assert sent.status_code == 201, sent.text
        ident = sent.json()["ident"]
        for _ in range(2):  # made, and from memory
            second = server.http.get(f"/images/{ident}.auto", headers={"accept": CHROME})
            assert (second.status_code, second.headers["content-type"]) == (200, "image/webp")
            answer = server.http.get(f"/images/{ident}.auto", headers={"accept": "image/avif"})
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
            assert answer.headers["vary"].lower() == "accept"
        small = server.http.get(f"/images/{ident}-w100.auto", headers={"accept": CHROME})
        assert small.headers["content-type"] == "image/avif"
        refused = server.http.get(f"/images/{ident}.avif")
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["limit"] == "80 MB, MEZZOTINT_RENDER_MEMORY"
        huge = pictures.encoded(pictures.photograph(3000, 2000), "WEBP")
        told = server.writer.post("/api/images/", files={"file": huge})
        assert (told.status_code, told.json()["errors"][0]["field"]) == (422, "file")
    finally:
        server.stop()
