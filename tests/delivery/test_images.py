"""`/images/<name>` over HTTP: RFC 9110, 9111 and 8246."""

from __future__ import annotations

import hashlib

import httpx
import pytest

from tests import pictures
from tests.conftest import Server

BASE = pictures.jpeg(800, 600, seed=100)
PREFLIGHT = {"origin": "https://elsewhere.example", "access-control-request-method": "GET"}


@pytest.fixture(scope="module")
def ident(server: Server) -> str:
    return server.upload(BASE, title="A base to ask for")


@pytest.fixture(scope="module")
def derivative(server: Server, ident: str) -> httpx.Response:
    """A plain derivative, already in the cache."""
    server.http.get(f"/images/{ident}-400x300.jpg").raise_for_status()
    return server.http.get(f"/images/{ident}-400x300.jpg").raise_for_status()


def without_date(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in {"date", "x-request-id"}}


def strong(etag: str) -> bool:
    return etag.startswith('"') and etag.endswith('"') and len(etag) > 2


def test_a_base_comes_back_byte_for_byte(server: Server, ident: str) -> None:
    answer = server.http.get(f"/images/{ident}")
    assert answer.status_code == 200
    assert answer.content == BASE
    assert hashlib.sha256(answer.content).hexdigest() == ident
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == str(len(BASE))


@pytest.mark.parametrize(("image_format", "media_type"), [("PNG", "image/png"), ("GIF", "image/gif")])
def test_a_base_is_given_its_own_media_type(server: Server, image_format: str, media_type: str) -> None:
    data = pictures.encoded(pictures.photograph(40, 30, seed=101), image_format)
    answer = server.http.get(f"/images/{server.upload(data)}")
    assert (answer.headers["content-type"], answer.content) == (media_type, data)


@pytest.mark.parametrize("suffix", ["", "-400x300.jpg", "-fit100x100.png", "-w200.auto"])
def test_head_has_the_headers_of_get_and_no_body(server: Server, ident: str, suffix: str) -> None:
    for _ in range(2):  # made, then from the cache
        got = server.http.get(f"/images/{ident}{suffix}")
        head = server.http.head(f"/images/{ident}{suffix}")
        assert (got.status_code, head.status_code, head.content) == (200, 200, b"")
        assert without_date(head.headers) == without_date(got.headers)


def test_head_ignores_a_range(server: Server, ident: str) -> None:
    head = server.http.head(f"/images/{ident}", headers={"range": "bytes=0-9"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(BASE)))


@pytest.mark.parametrize("suffix", ["", "-400x300.jpg"])
def test_etags_are_strong_and_of_the_bytes(server: Server, ident: str, suffix: str) -> None:
    answer = server.http.get(f"/images/{ident}{suffix}")
    assert strong(answer.headers["etag"])
    assert answer.headers["etag"].strip('"') == hashlib.sha256(answer.content).hexdigest()


def test_different_bytes_have_different_etags(server: Server, ident: str) -> None:
    names = [f"{ident}{suffix}" for suffix in ("", "-400x300.jpg", "-400x300.png", "-200x150.jpg")]
    assert len({server.http.get(f"/images/{name}").headers["etag"] for name in names}) == len(names)


@pytest.mark.parametrize("suffix", ["", "-400x300.jpg"])
@pytest.mark.parametrize("shape", ["{}", "W/{}", '"no", {}', '"no",W/{}, "none"', "*"])
def test_what_the_client_has_is_not_sent_again(server: Server, ident: str, suffix: str, shape: str) -> None:
    whole = server.http.get(f"/images/{ident}{suffix}")
    condition = {"if-none-match": shape.format(whole.headers["etag"])}
    for method in ("GET", "HEAD"):
        answer = server.http.request(method, f"/images/{ident}{suffix}", headers=condition)
        assert (answer.status_code, answer.content) == (304, b"")
        for header in ("etag", "cache-control"):
            assert answer.headers[header] == whole.headers[header]
        assert "date" in answer.headers
        assert "content-type" not in answer.headers


def test_another_etag_gets_the_whole(server: Server, derivative: httpx.Response) -> None:
    answer = server.http.get(derivative.request.url.path, headers={"if-none-match": '"other", W/"more"'})
    assert (answer.status_code, answer.content) == (200, derivative.content)


def test_if_none_match_beats_if_modified_since(server: Server, derivative: httpx.Response) -> None:
    later = {"if-none-match": '"other"', "if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    assert server.http.get(derivative.request.url.path, headers=later).status_code == 200


def test_a_match_beats_a_range(server: Server, derivative: httpx.Response) -> None:
    headers = {"if-none-match": derivative.headers["etag"], "range": "bytes=0-9"}
    assert server.http.get(derivative.request.url.path, headers=headers).status_code == 304


@pytest.mark.parametrize("suffix", ["", "-400x300.jpg"])
@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=0-99", slice(0, 100)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-100", slice(-100, None)),
        ("bytes=50-99999999", slice(50, None)),
    ],
)
def test_a_range_is_a_part_of_the_whole(server: Server, ident: str, suffix: str, header: str, part: slice) -> None:
    whole = server.http.get(f"/images/{ident}{suffix}")
    answer = server.http.get(f"/images/{ident}{suffix}", headers={"range": header})
    expected = whole.content[part]
    start = whole.content.index(expected) if part.start != 0 else 0
    assert (answer.status_code, answer.content) == (206, expected)
    end, size = start + len(expected) - 1, len(whole.content)
    assert answer.headers["content-range"] == f"bytes {start}-{end}/{size}"
    assert answer.headers["content-length"] == str(len(expected))
    assert answer.headers["etag"] == whole.headers["etag"]
    assert answer.headers["accept-ranges"] == whole.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("suffix", ["", "-400x300.jpg"])
def test_a_range_past_the_end_is_refused_with_the_size(server: Server, ident: str, suffix: str) -> None:
    whole = server.http.get(f"/images/{ident}{suffix}")
    answer = server.http.get(f"/images/{ident}{suffix}", headers={"range": f"bytes={len(whole.content)}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(whole.content)}"
    assert "immutable" not in answer.headers.get("cache-control", "")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("header", ["bytes=9-1", "items=0-9", "bytes=x-", "bytes=0-1,5-6", "nonsense"])
def test_a_malformed_range_is_ignored(server: Server, derivative: httpx.Response, header: str) -> None:
    answer = server.http.get(derivative.request.url.path, headers={"range": header})
    assert (answer.status_code, answer.content) == (200, derivative.content)


@pytest.mark.parametrize(("shape", "status"), [("{}", 206), ("W/{}", 200), ('"other"', 200)])
def test_if_range_wants_the_very_same_bytes(
    server: Server, derivative: httpx.Response, shape: str, status: int
) -> None:
    headers = {"range": "bytes=0-9", "if-range": shape.format(derivative.headers["etag"])}
    assert server.http.get(derivative.request.url.path, headers=headers).status_code == status


@pytest.mark.parametrize("suffix", ["", "-400x300.jpg", "-fit300x300.webp"])
def test_pictures_are_kept_for_ever_by_whoever_gets_them(server: Server, ident: str, suffix: str) -> None:
    answer = server.http.get(f"/images/{ident}{suffix}")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "vary" not in answer.headers


def test_a_page_from_elsewhere_may_ask_first(server: Server, ident: str) -> None:
    answer = server.http.options(f"/images/{ident}", headers=PREFLIGHT)
    assert answer.status_code in {200, 204}
    assert answer.headers["access-control-allow-origin"] == "*"
    assert {"GET", "HEAD"} <= {m.strip() for m in answer.headers["access-control-allow-methods"].split(",")}
    allowed = {h.strip().lower() for h in answer.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "range", "if-none-match"} <= allowed


@pytest.mark.parametrize("asked", ["-fit400x400.jpg", "-w400.jpg", "-q80.jpg", "-400x300-q80.jpg", "-x0y0w800h600.jpg"])
def test_a_name_that_is_not_canonical_has_the_canonical_bytes_and_says_where(
    server: Server, ident: str, asked: str
) -> None:
    answer = server.http.get(f"/images/{ident}{asked}")
    assert answer.status_code == 200
    target, _, relation = answer.headers["link"].partition(">;")
    assert relation.strip() == 'rel="canonical"'
    canonical = server.http.get(target.removeprefix("<"))
    assert canonical.request.url.path != answer.request.url.path
    assert "link" not in canonical.headers
    assert canonical.content == answer.content
    assert canonical.headers["etag"] == answer.headers["etag"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_pictures_are_only_read_here(server: Server, ident: str, method: str) -> None:
    answer = server.http.request(method, f"/images/{ident}-400x300.jpg")
    assert answer.status_code == 405
    assert {"GET", "HEAD"} <= {m.strip() for m in answer.headers["allow"].split(",")}
    assert "immutable" not in answer.headers.get("cache-control", "")
    assert server.http.get(f"/images/{ident}").content == BASE
