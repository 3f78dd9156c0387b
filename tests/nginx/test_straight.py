"""What has a canonical name comes from the disk: here, Mezzotint is not even there to be asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests import pictures
from tests.archive import Archive, Art
from tests.backends.nginx import Nginx
from tests.nginx.fronting import BY_NGINX, Front, fronted, reaching

IMMUTABLE = "public, max-age=31536000, immutable"
MEDIA = {
    "-30x20.jpg": "image/jpeg",
    "-30x20.png": "image/png",
    "-30x20.webp": "image/webp",
    "-30x20.avif": "image/avif",
    "-30x20.gif": "image/gif",
    "-30x20.tif": "image/tiff",
    "-30x20.bmp": "image/bmp",
    "-x10y5w20h20-rotate90-gray-q85.jpg": "image/jpeg",
    "-canvas100x100x1a2b3c.png": "image/png",
    "/11": "image/jpeg",
    "/11-250": "image/jpeg",
    "/11-500.jpg": "image/jpeg",
    "/11-1200.png": "image/jpeg",
    "/12": "image/png",
    "/12.jpg": "image/png",
    "/13.gif": "image/gif",
    "/14": "application/pdf",
    "/14-500": "image/jpeg",
}
"""of a picture in the store, and of a release's pictures"""
NATURAL = ".png"
"""as large as the picture itself"""


@dataclass(frozen=True)
class Left:
    """An nginx alone, and what Mezzotint had answered before it ended."""

    http: httpx.Client
    nginx: Nginx
    image: str
    release: str
    given: dict[str, bytes]

    def path(self, name: str) -> str:
        return (self.release if name.startswith("/") else self.image) + name

    def get(self, name: str, **headers: str) -> httpx.Response:
        return self.http.get(self.path(name), headers={k.replace("_", "-"): v for k, v in headers.items()})


def arts() -> list[Art]:
    gif = pictures.encoded(pictures.photograph(120, 90).convert("P"), "GIF")
    return [
        Art(11, pictures.jpeg(600, 500)),
        Art(12, pictures.png(120, 90), extension="png", front=False),
        Art(13, gif, extension="gif", front=False),
        Art(14, b"%PDF-1.4\n1 0 obj\n" + b"x" * 3000, extension="pdf", front=False),
    ]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, archive: Archive) -> Iterator[Left]:
    with fronted(tmp_path_factory.mktemp("left") / "data", **reaching(archive)) as front:
        image = f"/images/{front.server.upload(pictures.jpeg(90, 60))}"
        release = f"/release/{archive.release(images=arts())}"
        paths = {name: (release if name.startswith("/") else image) + name for name in (*MEDIA, NATURAL)}
        given = {name: asked(front, path) for name, path in paths.items()}
        front.server.stop()
        yield Left(front.http, front.nginx, image, release, given)


def asked(front: Front, path: str) -> bytes:
    answer = front.http.get(path)
    assert answer.status_code == 200, (path, answer.text)
    return answer.content


@pytest.mark.parametrize("name", [".auto", "-30x20.auto", "-w30.jpg", "", "/front", "/front-500", "/back", "/11-600"])
def test_what_has_another_name_is_not(left: Left, name: str) -> None:
    assert left.get(name).status_code in (502, 504)


@pytest.mark.parametrize("name", MEDIA)
def test_a_canonical_name_is_answered_from_the_disk(left: Left, name: str) -> None:
    answer = left.get(name)
    assert (answer.status_code, answer.content) == (200, left.given[name])
    expected = {
        "content-type": MEDIA[name],
        "content-length": str(len(left.given[name])),
        "cache-control": IMMUTABLE,
        "x-cache-status": "HIT",
        "x-content-type-options": "nosniff",
        "access-control-allow-origin": "*",
        "accept-ranges": "bytes",
        BY_NGINX[0]: BY_NGINX[1],
    }
    assert {key: answer.headers.get_list(key) for key in expected} == {key: [value] for key, value in expected.items()}
    assert "etag" in answer.headers["access-control-expose-headers"]


def test_so_is_a_picture_at_its_own_size_in_another_format(left: Left) -> None:
    answer = left.get(NATURAL)
    assert (answer.status_code, answer.content) == (200, left.given[NATURAL])


@pytest.mark.parametrize("name", ["-30x20.jpg", "/11-500.jpg"])
def test_a_canonical_name_is_good_for_conditions_and_ranges(left: Left, name: str) -> None:
    data = left.given[name]
    tag = left.get(name).headers["etag"]
    same = left.get(name, if_none_match=tag)
    assert (same.status_code, same.content) == (304, b"")
    assert (same.headers["cache-control"], same.headers["access-control-allow-origin"]) == (IMMUTABLE, "*")
    assert left.get(name, if_none_match='"another"').content == data
    part = left.get(name, range="bytes=5-9")
    assert (part.status_code, part.content) == (206, data[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(data)}"
    assert left.get(name, range="bytes=5-9", if_range=tag).content == data[5:10]
    assert left.get(name, range="bytes=5-9", if_range='"another"').content == data
    head = left.http.head(left.path(name))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(data))


@pytest.mark.parametrize("name", ["-30x20.jpg", "/11-500.jpg"])
def test_a_range_that_cannot_be_is_refused_as_anywhere(left: Left, name: str) -> None:
    refused = left.get(name, range="bytes=99999999-")
    assert refused.status_code == 416
    assert refused.headers["content-range"] == f"bytes */{len(left.given[name])}"
    assert refused.headers.get("access-control-allow-origin") == "*"


def test_a_query_changes_nothing(left: Left) -> None:
    assert left.get("/11-500?t=1").content == left.given["/11-500.jpg"]
    assert left.get("-30x20.jpg?v=2").content == left.given["-30x20.jpg"]


def test_it_outlives_a_restart_of_nginx(left: Left) -> None:
    before = {name: left.given[name] for name in MEDIA}
    left.nginx.restart()
    assert {name: left.get(name).content for name in MEDIA} == before
    left.nginx.reload()
    assert {name: left.get(name).content for name in MEDIA} == before
