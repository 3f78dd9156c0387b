"""`/get_image` and `/get_thumbnail`, asked of a real server as its clients ask."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from mezzotint import tokens
from tests import pictures
from tests.conftest import Server, start_server
from tests.imagecloud.nodes import OPEN, image
from tests.origin import Origin

WIDTH, HEIGHT = 320, 200
FORMATS = {
    "jpeg2000": ("JPEG2000", "image/jp2"),
    "jp2": ("JPEG2000", "image/jp2"),
    "ppm": ("PPM", "image/x-portable-pixmap"),
    "ico": ("ICO", "image/vnd.microsoft.icon"),
    "jpeg": ("JPEG", "image/jpeg"),
    "png": ("PNG", "image/png"),
    "webp": ("WEBP", "image/webp"),
    "avif": ("AVIF", "image/avif"),
    "gif": ("GIF", "image/gif"),
    "tiff": ("TIFF", "image/tiff"),
    "bmp": ("BMP", "image/bmp"),
}
_seeds = itertools.count(1000)


@dataclass
class Cloud:
    server: Server
    origin: Origin
    reader: httpx.Client
    body: bytes = b""
    url: str = ""
    paths: Iterator[int] = field(default_factory=itertools.count)

    def fresh(self, width: int = WIDTH, height: int = HEIGHT) -> tuple[str, bytes]:
        """A picture that was never asked for."""
        body = pictures.jpeg(width, height, seed=next(_seeds))
        return self.origin.picture(f"/fresh-{next(self.paths)}.jpg", body), body


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Origin() as origin:
        server = start_server(tmp_path_factory.mktemp("get-image") / "data", **OPEN)
        try:
            with server.client(tokens.Scope.READ) as reader:
                made = Cloud(server, origin, reader)
                made.url, made.body = made.fresh()
                image(reader, made.url).raise_for_status()
                yield made
        finally:
            server.stop()


def size_of(answer: httpx.Response) -> tuple[int, int]:
    assert answer.status_code == 200, answer.text
    return pictures.opened(answer.content).size


def test_without_a_size_the_original_bytes_are_sent_and_say_where_they_came_from(cloud: Cloud) -> None:
    url, body = cloud.fresh()
    first, second = image(cloud.reader, url), image(cloud.reader, url)
    ident = hashlib.sha256(body).hexdigest()
    for answer, how in ((first, "MISS"), (second, "HIT")):
        assert (answer.status_code, answer.content == body, answer.headers["x-cache-status"]) == (200, True, how)
        assert answer.headers["x-image-ident"] == ident
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["etag"] == f'"{ident}"'
        assert "max-age=" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert cloud.origin.asked[httpx.URL(url).path] == 1


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({"resize_width": 160}, (160, 100)),
        ({"resize_height": 50}, (80, 50)),
        ({"resize_width": 100, "resize_height": 100}, (100, 63)),
        ({"resize_width": 300, "resize_height": 20}, (32, 20)),
        ({"resize_width": 1}, (1, 1)),
        ({"resize_width": 5000}, (WIDTH, HEIGHT)),
        ({"resize_height": 5000, "resize_width": 4000}, (WIDTH, HEIGHT)),
        ({"resize_width": 100, "resize_height": 100, "keep_aspect_ratio": "false"}, (100, 100)),
        ({"resize_width": 40, "resize_height": 180, "keep_aspect_ratio": "false"}, (40, 180)),
        ({"resize_width": 100, "resize_height": 100, "keep_aspect_ratio": "true"}, (100, 63)),
        ({"resize_width": 100, "resize_height": 100, "force_to_size": "true"}, (100, 100)),
        ({"resize_width": 600, "resize_height": 400, "force_to_size": "true"}, (600, 400)),
        ({"resize_width": "", "resize_height": 50}, (80, 50)),
        ({"resize_height": 50, "force_to_size": "true"}, (80, 50)),
    ],
)
def test_sizes(cloud: Cloud, asked: dict[str, object], given: tuple[int, int]) -> None:
    answer = image(cloud.reader, cloud.url, "/get_image", **asked)
    assert size_of(answer) == given
    assert answer.headers["content-type"] == "image/jpeg"


def test_forced_to_a_size_it_is_centred_on_white_and_not_enlarged(cloud: Cloud) -> None:
    answer = image(
        cloud.reader, cloud.url, resize_width=600, resize_height=400, force_to_size="true", format_when_resize="png"
    )
    given = pictures.opened(answer.content).convert("RGB")
    assert given.size == (600, 400)
    left, top = (600 - WIDTH) // 2, (400 - HEIGHT) // 2
    for corner in ((0, 0), (599, 0), (0, 399), (599, 399), (left - 2, 200), (300, top - 2), (left + WIDTH + 1, 200)):
        assert given.getpixel(corner) == (255, 255, 255), corner
    original = pictures.opened(cloud.body)
    inside = given.crop((left, top, left + WIDTH, top + HEIGHT))
    assert abs(pictures.grey(inside) - pictures.grey(original)).mean() < 2, "it is there as it was, and in the middle"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_that_may_be_asked_for(cloud: Cloud, name: str) -> None:
    for path, asked in (
        ("/get_image", {"resize_width": 64, "format_when_resize": name}),
        ("/get_thumbnail", {"size": 60, "format": name.upper()}),
    ):
        answer = image(cloud.reader, cloud.url, path, **asked)
        assert answer.status_code == 200, answer.text
        assert (pictures.opened(answer.content).format, answer.headers["content-type"]) == FORMATS[name]


def test_a_format_alone_changes_nothing(cloud: Cloud) -> None:
    """It is the format of what is resized."""
    assert image(cloud.reader, cloud.url, format_when_resize="png").content == cloud.body


@pytest.mark.parametrize(
    ("asked", "given"), [({}, (200, 125)), ({"size": 64}, (64, 40)), ({"size": 5000}, (WIDTH, HEIGHT))]
)
def test_a_thumbnail_fits_in_its_square(cloud: Cloud, asked: dict[str, object], given: tuple[int, int]) -> None:
    assert size_of(image(cloud.reader, cloud.url, "/get_thumbnail", **asked)) == given


def test_nothing_is_sent_back_with_no_image_but_it_is_loaded(cloud: Cloud) -> None:
    url, body = cloud.fresh(300, 150)
    first, second = image(cloud.reader, url, no_image="true"), image(cloud.reader, url, no_image="true")
    for answer, how in ((first, "MISS"), (second, "HIT")):
        assert (answer.status_code, answer.content, answer.headers["x-cache-status"]) == (204, b"", how)
        facts = {name: answer.headers[f"x-image-{name}"] for name in ("ident", "format", "width", "height", "bytes")}
        assert facts == {
            "ident": hashlib.sha256(body).hexdigest(),
            "format": "jpg",
            "width": "300",
            "height": "150",
            "bytes": str(len(body)),
        }
    assert image(cloud.server.http, url).content == body, "it is here now, for everybody"
    assert cloud.origin.asked[httpx.URL(url).path] == 1


def test_only_what_is_here_where_that_is_asked(cloud: Cloud) -> None:
    url, body = cloud.fresh()
    refused = image(cloud.reader, url, only_send_if_local="true")
    assert (refused.status_code, cloud.origin.asked[httpx.URL(url).path]) == (404, 0)
    assert refused.headers["content-type"] == "application/problem+json"
    assert image(cloud.reader, url, only_send_if_local="false").content == body
    given = image(cloud.reader, url, only_send_if_local="true")
    assert (given.status_code, given.content == body, given.headers["x-cache-status"]) == (200, True, "HIT")


@pytest.mark.parametrize("asked", [{}, {"resize_width": 50}, {"resize_width": 50, "resize_height": 9}])
def test_the_canonical_link_leads_to_the_same_bytes(cloud: Cloud, asked: dict[str, object]) -> None:
    answer = image(cloud.reader, cloud.url, "/get_image", **asked)
    link = answer.headers["link"]
    assert link.startswith("</images/") and 'rel="canonical"' in link
    by_name = cloud.server.http.get(link[1 : link.index(">")])
    assert (by_name.status_code, by_name.content) == (200, answer.content)
    assert by_name.headers["etag"] == answer.headers["etag"]
    assert "immutable" in by_name.headers["cache-control"]
    assert "immutable" not in answer.headers["cache-control"], "the address may lead to another picture one day"


@pytest.mark.parametrize("asked", [{}, {"resize_width": 50}])
@pytest.mark.parametrize("memory", [False, True])
def test_conditions_ranges_and_head(cloud: Cloud, asked: dict[str, object], memory: bool) -> None:
    parameters = {"url": cloud.url, **{name: str(value) for name, value in asked.items()}}
    client = cloud.server.http if memory else cloud.reader
    whole = client.get("/get_image", params=parameters)
    etag, body = whole.headers["etag"], whole.content

    def answer(method: str = "GET", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.request(method, "/get_image", params=parameters, headers=named)

    fresh = answer(if_none_match=etag)
    assert (fresh.status_code, fresh.content, fresh.headers["etag"]) == (304, b"", etag)
    assert fresh.headers["x-cache-status"] == "HIT"
    assert answer(if_none_match='"other"').content == body
    part = answer(range="bytes=10-19")
    assert (part.status_code, part.content) == (206, body[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(body)}"
    assert answer(range="bytes=-5").content == body[-5:]
    assert answer(range=f"bytes={len(body)}-").status_code == 416
    assert answer(range="bytes=0-1", if_range='"other"').content == body
    head = answer("HEAD")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(body)))
    assert head.headers["x-cache-status"] == "HIT"


def test_the_same_pixels_are_made_once_whatever_door_asks(cloud: Cloud) -> None:
    """A thumbnail, a resized picture and two spellings of one URL have one name."""
    asked = [
        image(cloud.reader, cloud.url, "/get_thumbnail", size=90),
        image(cloud.reader, cloud.url, resize_width=90, resize_height=90),
        image(cloud.reader, cloud.url.replace("http://", "HTTP://") + "#part", resize_width=90),
    ]
    assert len({answer.headers["link"] for answer in asked}) == 1
    assert len({answer.content for answer in asked}) == 1
    assert cloud.origin.asked[httpx.URL(cloud.url).path] == 1


def test_bytes_that_arrive_under_two_urls_are_one_picture(cloud: Cloud) -> None:
    other = cloud.origin.picture("/another-name.jpg", cloud.body)
    answer = image(cloud.reader, other)
    assert answer.headers["x-image-ident"] == image(cloud.reader, cloud.url).headers["x-image-ident"]
    found = [path for path in (cloud.server.data / "store").rglob(answer.headers["x-image-ident"]) if path.is_file()]
    assert len(found) == 1
