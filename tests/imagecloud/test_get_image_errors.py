"""What `/get_image` refuses, and what it says then; whatever is asked, it is never the server's own fault."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from mezzotint import tokens
from tests import pictures
from tests.conftest import Server, start_server
from tests.imagecloud.nodes import OPEN, befriend, image, raw
from tests.origin import Asked, Origin
from tests.repository.keeping import lose_database
from tests.waiting import HANGS, IN_TIME, until

HOSTS = ("127.0.0.1", "127.0.1.1", "127.0.2.1", "127.0.3.1", "127.0.4.1")
SOUND, FAILING, HANGING, LYING, BUSY = HOSTS


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin(hosts=HOSTS) as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = start_server(tmp_path_factory.mktemp("errors") / "data", **OPEN, MEZZOTINT_FETCH_TIMEOUT="8s")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def reader(server: Server) -> Iterator[httpx.Client]:
    with server.client(tokens.Scope.READ) as client:
        yield client


@pytest.fixture(scope="module")
def here(origin: Origin, reader: httpx.Client) -> str:
    """A picture that is on the server."""
    url = origin.picture("/here.jpg", pictures.jpeg(120, 90, seed=4001))
    image(reader, url).raise_for_status()
    return url


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "url"),
        ({"url": ""}, "url"),
        ({"url": "no address"}, "url"),
        ({"url": "ftp://example.com/a.jpg"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "http://user:secret@127.0.0.1/a.jpg"}, "url"),
        ({"url": "http://10.0.0.1/a.jpg"}, "url"),
        ({"url": "http://[::1]/a.jpg"}, "url"),
        ({"url": "http://[::ffff:127.0.0.1]/a.jpg"}, "url"),
        ({"url": "http://example.com/\r\nX: y"}, "url"),
        ({"url": "http://example.com/" + "a" * 5000}, "url"),
        ({"resize_width": "0"}, "resize_width"),
        ({"resize_width": "-5"}, "resize_width"),
        ({"resize_height": "10.5"}, "resize_height"),
        ({"resize_height": "٣"}, "resize_height"),
        ({"resize_width": "65536"}, "resize_width"),
        ({"resize_width": "9" * 5000}, "resize_width"),
        ({"resize_width": "50", "format_when_resize": "svg"}, "format_when_resize"),
        ({"keep_aspect_ratio": "perhaps"}, "keep_aspect_ratio"),
        ({"force_to_size": "2"}, "force_to_size"),
        ({"no_image": "nein"}, "no_image"),
        ({"use_alternativ_clouds": "x"}, "use_alternativ_clouds"),
        ({"use_alternative_clouds": "x"}, "use_alternative_clouds"),
        ({"only_send_if_local": "x"}, "only_send_if_local"),
    ],
)
def test_what_is_wrong_is_said_by_its_name(
    reader: httpx.Client, here: str, parameters: dict[str, str], field: str
) -> None:
    answer = reader.get(
        "/get_image", params=parameters if not parameters or "url" in parameters else {"url": here} | parameters
    )
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(("name", "value"), [("size", "0"), ("size", "big"), ("format", "docx"), ("url", "")])
def test_a_thumbnail_says_what_is_wrong_too(reader: httpx.Client, here: str, name: str, value: str) -> None:
    answer = reader.get("/get_thumbnail", params={"url": here} | {name: value})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, [name])


def test_a_canvas_that_is_larger_than_may_be_made_is_refused(reader: httpx.Client, here: str) -> None:
    answer = image(reader, here, resize_width=65000, resize_height=65000, force_to_size="true")
    assert answer.status_code == 400, answer.text[:300]


def test_without_a_token_there_is_what_is_here_and_nothing_is_fetched(
    server: Server, origin: Origin, here: str
) -> None:
    assert image(server.http, here).status_code == 200
    assert image(server.http, here, resize_width=33).status_code == 200
    url = origin.picture("/not-for-strangers.jpg", pictures.jpeg(50, 50, seed=4002))
    for more in ({}, {"no_image": "true"}, {"use_alternativ_clouds": "true"}, {"resize_width": "5"}):
        refused = image(server.http, url, **more)
        assert (refused.status_code, "www-authenticate" in refused.headers) == (401, True)
    assert image(server.http, url, "/get_thumbnail").status_code == 401
    assert image(server.http, url, only_send_if_local="true").status_code == 404
    assert origin.asked["/not-for-strangers.jpg"] == 0
    assert image(server.http, url, token=server.token(tokens.Scope.READ)).status_code == 200
    assert image(server.http, url, token="no-token").status_code == 401, "a token that is shown has to be good"


def test_what_the_origin_lacks_is_not_found_and_not_asked_for_again_at_once(
    reader: httpx.Client, origin: Origin
) -> None:
    url = origin.url("/lacks.jpg")
    for _ in range(3):
        assert image(reader, url).status_code == 404
    assert origin.asked["/lacks.jpg"] == 1


def test_an_origin_that_fails_is_a_502_that_tells_nobody_why(reader: httpx.Client, origin: Origin) -> None:
    origin.picture("/broken.jpg", b"secret words of the origin", 500)
    url = origin.url("/broken.jpg", FAILING)
    answer = image(reader, url)
    assert (answer.status_code, answer.headers["cache-control"]) == (502, "no-store")
    assert "secret words" not in answer.text and "500" not in answer.json()["detail"].replace(url, "")
    asked = origin.asked["/broken.jpg"]
    assert image(reader, url).status_code == 502
    assert origin.asked["/broken.jpg"] == asked, "a failure is remembered for a while"


def test_an_origin_that_hangs_is_a_504_in_time(reader: httpx.Client, origin: Origin) -> None:
    async def hang(asked: Asked) -> None:
        await asyncio.sleep(HANGS)

    origin.answers["/hangs.jpg"] = hang
    answer = image(reader, origin.url("/hangs.jpg", HANGING))
    assert answer.status_code == 504
    assert 1.5 < answer.elapsed.total_seconds() < IN_TIME


def test_what_is_no_picture_is_the_origins_fault(reader: httpx.Client, origin: Origin) -> None:
    origin.picture("/page.jpg", b"<html>hello</html>")
    assert image(reader, origin.url("/page.jpg", LYING)).status_code == 502


def test_an_origin_that_asks_for_a_pause_has_it(reader: httpx.Client, origin: Origin) -> None:
    origin.picture("/busy.jpg", b"", 429, retry_after="20")
    answer = image(reader, origin.url("/busy.jpg", BUSY))
    assert answer.status_code == 503
    assert 1 <= int(answer.headers["retry-after"]) <= 21
    origin.picture("/not-busy.jpg", pictures.jpeg(40, 40, seed=4003))
    assert image(reader, origin.url("/not-busy.jpg", BUSY)).status_code == 503
    assert (origin.asked["/busy.jpg"], origin.asked["/not-busy.jpg"]) == (1, 0)


def strange(here: str) -> list[bytes]:
    url = quote(here, safe="").encode()
    return [
        b"url=%s&url=%s" % (url, url),
        b"url=%s&resize_width=5&resize_width=x" % url,
        b"url=%s&a=b&utm_source=c&=d&&;" % url,
        b"url=%zz",
        b"url=%",
        b"url=%s%%" % url,
        b"url=%s%%00" % url,
        b"url=%00",
        b"url=%s&%%00=1" % url,
        b"url=%ff%fe",
        b"url=%ed%a0%80",
        b"url=http%3A%2F%2F%5B",
        b"url=http%3A%2F%2F127.0.0.1%3A99999%2F",
        b"url=http%3A%2F%2F127.0.0.1%3A-1%2F",
        b"url=http%3A%2F%2F%E2%84%80.com%2F",
        b"url=http%3A%2F%2F127.0.0.1%EF%BC%8Fa%2F",
        b"url=%s&resize_width=%%F0%%9F%%98%%80" % url,
        b"url=%s&resize_width=%%EF%%BC%%95" % url,
        b"url=" + b"a" * 20_000,
        b"url=%s&x=" % url + b"y" * 20_000,
        b"&".join(b"a%d=1" % number for number in range(400)),
        b"&" * 500,
        b"url=%s&token=" % url,
        b"url=%s&token=%%ff" % url,
        b"url=%s&token=%%00.%%00.%%00" % url,
        b"url=%s&format_when_resize=%%00" % url,
        b"url=\xff\xfe\x80",
        b"\xc3\xa9=1",
        b"url",
        b"?",
        b"",
    ]


@pytest.mark.parametrize("path", [b"/get_image", b"/get_thumbnail"])
@pytest.mark.parametrize("credentials", [False, True])
def test_a_strange_query_is_never_the_servers_fault(server: Server, here: str, path: bytes, credentials: bool) -> None:
    shown = [b"Authorization: Bearer " + server.token(tokens.Scope.READ).encode()] if credentials else []
    wrong: dict[bytes, Any] = {}
    for query in strange(here):
        for method in (b"GET", b"HEAD"):
            status, answer = raw(server.port, method + b" " + path + b"?" + query + b" HTTP/1.1", *shown)
            if not 200 <= status < 500:
                wrong[method + b" " + query[:60]] = (status, answer[:200])
    assert not wrong
    assert server.http.get("/health").status_code == 200


def test_of_a_repeated_parameter_the_first_counts_and_unknown_ones_nothing(reader: httpx.Client, here: str) -> None:
    pairs = (("url", here), ("resize_width", "30"), ("resize_width", "60"), ("colour", "red"), ("url", "http://["))
    answer = reader.get("/get_image", params=httpx.QueryParams(pairs))
    assert pictures.opened(answer.content).size[0] == 30


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_pictures_are_asked_for_with_get(server: Server, here: str, method: str) -> None:
    answer = server.http.request(method, "/get_image", params={"url": here})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_pictures_flow_while_the_database_is_gone(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> None:
    node = start_server(tmp_path_factory.mktemp("gone") / "data", **OPEN)
    try:
        befriend(node.data, {"name": "nobody", "url": "http://127.0.0.1:9", "clone": True})
        lose_database(node.data)
        with suppress(FileExistsError):
            (node.data / "mezzotint.sqlite3").mkdir()  # so that it cannot be made anew either
        with node.client(tokens.Scope.READ) as reader:
            for number in range(3):
                body = pictures.jpeg(100, 80, seed=4100 + number)
                url = origin.picture(f"/no-database-{number}.jpg", body)
                assert image(reader, url).content == body
                assert image(node.http, url).headers["x-cache-status"] == "HIT"
                assert pictures.opened(image(reader, url, resize_width=50).content).size == (50, 40)
        assert until(lambda: any((node.data / "notes").iterdir())), "what the database is to be told waits"
        assert node.http.get("/health").status_code == 200
    finally:
        node.stop()
