"""What Mezzotint is asked about first: nginx sends the file then, and the answer is Mezzotint's own."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest

from mezzotint import tokens
from mezzotint.sources.records import RemoteRecord
from tests import http, pictures
from tests.archive import Archive, Art
from tests.nginx.fronting import Front, by_nginx, said

ALIASES = [
    "/images/{ident}",
    "/images/{ident}-w60.jpg",
    "/images/{ident}-30x20.auto",
    "/images/{ident}-h40.webp?token={token}",
    "/images/{ident}?download=Z%C3%BCrich",
    "/images/{ident}-30x20.jpg?download=Z%C3%BCrich%20%22a%22.jpg",
    "/images/{ident}-30x20.jpg?download=0",
    "/release/{release}/front",
    "/release/{release}/front-250.png",
    "/release/{release}/back",
    "/release/{release}/back-500",
    "/release/{release}/front-1200?token={token}",
    "/release-group/{group}/front",
    "/release-group/{group}/front-500.jpg",
    "/get_image?url={url}",
    "/get_image?url={url}&resize_width=20",
    "/get_thumbnail?url={url}",
    "/get_image?url={url}&only_send_if_local=true",
    "/iiif/3/{ident}/full/30,20/0/default.jpg",
    "/iiif/2/{ident}/full/30,/0/default.jpg?token={token}",
]
STRAIGHT = ["/images/{ident}-30x20.jpg", "/release/{release}/21", "/release/{release}/21-500"]
SMALL = ["/release/{release}", "/release/{release}/", "/release-group/{group}", "/health", "/cache-status",
         "/iiif/3/{ident}/info.json", "/iiif/2/{ident}/info.json"]  # fmt: skip
ERRORS = [
    "/release/{release}/99",
    "/release/{release}/front-0600",
    "/release/{release}/front/more",
    "/release/not-an-mbid/front",
    "/release/{nowhere}/front",
    "/release-group/{group}/back",
    "/images/{ident}-0x0.jpg",
    "/iiif/3/{ident}/full/0,/0/default.jpg",
    "/iiif/3/{nothing}/info.json",
    "/images/{nothing}",
    "/images/{nothing}-10x10.jpg",
    "/get_image?url=ftp://example.com/",
    "/images/{ident}?token=wrong",
]


@dataclass(frozen=True)
class Both:
    """The same, asked through nginx and past it."""

    front: Front
    words: dict[str, str]

    def path(self, template: str) -> str:
        return template.format(**self.words)

    def ask(self, template: str, method: str = "GET", **headers: str) -> tuple[httpx.Response, httpx.Response]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._asked(self.front.http, template, method, given), self.past(template, method, **given)

    def past(self, template: str, method: str = "GET", **headers: str) -> httpx.Response:
        return self._asked(self.front.server.http, template, method, headers)

    def _asked(self, client: httpx.Client, template: str, method: str, headers: dict[str, str]) -> httpx.Response:
        host = {"host": f"127.0.0.1:{self.front.server.port}"}  # which is what listings lead to
        return client.request(method, self.path(template), headers=host | headers)


@pytest.fixture(scope="module")
def both(front: Front, archive: Archive) -> Both:
    """All that is asked for is here already."""
    back = Art(22, pictures.jpeg(200, 300, seed=22), front=False, back=True, types=("Back",))
    release = archive.release(images=[Art(21, pictures.jpeg(300, 200, seed=21)), back])
    words = {
        "ident": front.server.upload(pictures.jpeg(90, 60)),
        "release": release,
        "group": archive.release_group(release),
        "url": f"{archive.url}/release/{release}/22",
        "token": front.server.token(tokens.Scope.READ),
        "nothing": "0" * 64,
        "nowhere": "00000000-0000-4000-8000-000000000000",
    }
    with front.server.client(tokens.Scope.READ) as reader:
        for template in [*ALIASES, *STRAIGHT, *SMALL]:
            assert reader.get(template.format(**words)).status_code == 200, template
    return Both(front, words)


@pytest.mark.parametrize("template", ALIASES)
def test_an_alias_is_sent_by_nginx_as_mezzotint_would(both: Both, template: str) -> None:
    through, past = both.ask(template)
    assert (through.status_code, by_nginx(through), by_nginx(past)) == (200, True, False)
    assert through.content == past.content
    assert said(through) == said(past)
    assert through.headers["etag"] == f'"{hashlib.sha256(through.content).hexdigest()}"'
    assert through.headers["access-control-allow-origin"] == "*"
    assert through.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("template", ALIASES)
def test_an_alias_is_good_for_conditions(both: Both, template: str) -> None:
    tag = both.past(template).headers["etag"]
    for held in (tag, f'"another", {tag}', f"W/{tag}", "*"):
        through, past = both.ask(template, if_none_match=held)
        assert (through.status_code, through.content, said(through)) == (304, b"", said(past))
    through, past = both.ask(template, if_none_match='"another"')
    assert (through.status_code, through.content, said(through)) == (200, past.content, said(past))


@pytest.mark.parametrize("template", ALIASES)
def test_an_alias_is_good_for_ranges(both: Both, template: str) -> None:
    whole = both.past(template)
    tag = whole.headers["etag"]
    for headers in ({"range": "bytes=5-9"}, {"range": "bytes=-7"}, {"range": "bytes=5-9", "if_range": tag}):
        through, past = both.ask(template, **headers)
        assert (through.status_code, through.content, by_nginx(through)) == (206, past.content, True)
        assert said(through) == {name: value for name, value in said(past).items() if name != "accept-ranges"}
    through, _ = both.ask(template, range="bytes=5-9", if_range='"another"')
    assert (through.status_code, through.content) == (200, whole.content)


@pytest.mark.parametrize("template", ["/images/{ident}", "/images/{ident}-w60.jpg", "/release/{release}/front"])
def test_a_range_of_an_alias_that_cannot_be_is_refused(both: Both, template: str) -> None:
    through, past = both.ask(template, range="bytes=99999999-")
    assert (through.status_code, past.status_code) == (416, 416)
    for name in ("content-range", "access-control-allow-origin", "x-content-type-options"):
        assert through.headers.get_list(name) == past.headers.get_list(name), name


@pytest.mark.parametrize("template", [*ALIASES, *STRAIGHT])
def test_head_says_what_get_would(both: Both, template: str) -> None:
    head, past = both.ask(template, "HEAD")
    assert (head.status_code, head.content, by_nginx(head)) == (200, b"", True)
    assert said(head).items() >= {(name, value) for name, value in said(past).items() if name not in {"etag"}}
    assert head.headers["content-length"] == str(len(both.past(template).content))


@pytest.mark.parametrize("template", [*SMALL, *ERRORS])
def test_what_is_no_file_is_as_mezzotint_says_it(both: Both, template: str) -> None:
    for method in ("GET", "HEAD"):
        through, past = both.ask(template, method)
        assert (through.status_code, through.content) == (past.status_code, past.content)
        assert (said(through), by_nginx(through)) == (said(past), False)


@pytest.mark.parametrize("template", [*STRAIGHT, ALIASES[0], ALIASES[4], SMALL[0]])
@pytest.mark.parametrize("method", ["OPTIONS", "POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_for_mezzotint_where_the_file_lies_too(both: Both, template: str, method: str) -> None:
    through, past = both.ask(template, method)
    assert (through.status_code, through.content) == (past.status_code, past.content)
    assert (said(through), by_nginx(through)) == (said(past), False)
    assert through.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("template", [ALIASES[1], ALIASES[4], "/release/{release}/21-500", "/images/{ident}-30x20.jpg"])
def test_what_only_nginx_and_mezzotint_say_to_each_other_means_nothing_from_outside(both: Both, template: str) -> None:
    plain, _ = both.ask(template)
    for headers in (
        {"x_sendfile_type": "X-Accel-Redirect"},
        {"x_sendfile_type": ""},
        {"x_sendfile_lost": "1"},
        {"x_sendfile_type": "X-Sendfile", "x_sendfile_lost": "1"},
        {"x_accel_redirect": "/.mezzotint/cache/.control/index.sqlite3"},
        {"x_cache_control": "no-store"},
    ):
        through, _ = both.ask(template, **headers)
        assert (through.status_code, through.content, by_nginx(through)) == (200, plain.content, True), headers
        assert said(through) == said(plain), headers


def test_a_listing_leads_to_where_nginx_was_asked(both: Both) -> None:
    listing = both.front.http.get(both.path("/release/{release}")).json()
    images = [image["image"] for image in listing["images"]]
    assert [image.partition("/release/")[0] for image in images] == [both.front.nginx.url] * 2
    assert all(http.get(image).status_code == 200 for image in images)


@pytest.mark.parametrize("first", [lambda both: both.front.http, lambda both: both.front.server.http])
def test_what_was_not_here_comes_too(both: Both, archive: Archive, first: Callable[[Both], httpx.Client]) -> None:
    data = pictures.jpeg(100, 100, seed=len(archive.asked))
    release = archive.release(images=[Art(31, data)])
    answer = first(both).get(f"/release/{release}/front")
    assert (answer.content, answer.headers["x-cache-status"]) == (data, "MISS")
    again = both.front.http.get(f"/release/{release}/front")
    assert (again.content, again.headers["x-cache-status"], by_nginx(again)) == (data, "HIT", True)


def test_a_peer_learns_through_nginx_what_is_known_of_a_picture(both: Both) -> None:
    answer, _ = both.ask("/get_image?url={url}&only_send_if_local=true")
    record = RemoteRecord.from_json(answer.headers["x-remote-record"])
    assert record is not None and record.ident == answer.headers["x-image-ident"]


def test_header_names_are_spelled_as_scripts_look_for_them(both: Both) -> None:
    for port in (both.front.nginx.port, both.front.server.port):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            path = both.path("/release/{release}/front")
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            head = connection.makefile("rb").read().partition(b"\r\n\r\n")[0].decode("latin-1")
        assert "Content-Type: image/" in head and "X-Cache-Status: " in head and "X-Served-By: " in head
