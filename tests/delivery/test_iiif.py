"""The IIIF Image API over HTTP: the pixels that are meant, the headers that the specification wants, and no 500."""

from __future__ import annotations

import io
import json
import re
import socket
import time
from collections.abc import Callable
from urllib.parse import quote

import httpx
import numpy
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from mezzotint.errors import InvalidRendition
from mezzotint.names import Facts, Largest, Region
from mezzotint.names.iiif import Asked, meant
from mezzotint.settings import Settings
from mezzotint.signatures import signer_of
from tests.conftest import Server
from tests.names.test_iiif import LASTS, REGIONS, ROTATIONS, SIZES
from tests.pictures import photograph
from tests.transforms.rendering import file_of

WIDTH, HEIGHT = 48, 36
FACTS = Facts(WIDTH, HEIGHT, "png", 1)
CLOSE = 9.0
"""of 255, on average: two good filters differ by so much on a small picture"""
SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]
NO_IDENTS = ["0" * 64, "x", "%2e%2e", "a%2Fb", "%00", "", "A" * 64, "0" * 63, "0" * 64 + "-100x100"]
JUNK = [
    "full/full/0/default.jpg", "full/max/0/default", "full/max/0/.jpg", "full/max/0/default.jpg/",
    "//max/0/default.jpg", "full/max/400/default.jpg", "full/max/0/default.jpg%00", "full/%2e%2e/0/default.jpg",
    "full/max/0/%ff.jpg", "full/max%2F0/0/default.jpg", "0,0,0,0/max/0/default.jpg", "99,99,1,1/max/0/default.jpg",
    "full/9999999,/0/default.jpg", "full/^99999,/0/default.jpg", "full/max/0/default.%6apg%",
    "pct:0,0,0,0/max/0/default.jpg", "full/max/0", "a/b/c/d", "info.json/x", "full/max/0/native.jpg",
]  # fmt: skip


@pytest.fixture(scope="module")
def server(serve_here: Callable[..., Server]) -> Server:
    return serve_here()


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return photograph(WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def ident(server: Server, picture: Image.Image) -> str:
    return server.upload(file_of(picture, "PNG"))


def get(server: Server, ident: str, address: str, version: int = 3, **headers: str) -> httpx.Response:
    return server.http.get(f"/iiif/{version}/{ident}/{address}", headers=headers)


def reference(picture: Image.Image, asked: Asked, version: int) -> Image.Image:
    """By Pillow, part after part, in the order of section 4."""
    rendition = meant(asked, FACTS, version, Largest()).rendition  # type: ignore[arg-type]
    made = picture
    if isinstance(rendition.region, Region):
        region = rendition.region
        made = made.crop((region.x, region.y, region.x + region.width, region.y + region.height))
    if rendition.size is not None:
        made = made.resize(rendition.size.sides, Image.Resampling.LANCZOS)
    if asked.rotation.startswith("!"):
        made = made.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if (degrees := float(asked.rotation.lstrip("!")) % 360) % 90 == 0:
        made = made.rotate(-degrees, expand=True)
    return made.convert("RGB")


@given(REGIONS, SIZES, ROTATIONS | st.sampled_from(["0", "90", "!180", "270"]), LASTS, st.sampled_from([2, 3]))
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
def test_the_pixels_are_those_that_are_meant(
    server: Server, ident: str, picture: Image.Image, region: str, size: str, rotation: str, last: str, version: int
) -> None:
    address = "/".join((region, size, rotation, last))
    asked = Asked.of([region, size, rotation, last])
    try:
        expected = reference(picture, asked, version)
    except InvalidRendition:
        assert get(server, ident, address, version).status_code == 400
        return
    answer = get(server, ident, address, version)
    assert answer.status_code == 200, answer.text
    if asked.format in {"pdf", "jxl"}:
        return
    with Image.open(io.BytesIO(answer.content)) as opened:
        given_size = opened.size
        shown = opened.convert("RGBA").convert("RGB")
    if float(asked.rotation.lstrip("!")) % 90:
        assume(False)
    assert given_size == expected.size
    if asked.quality == "default" and asked.format in {"png", "tif"}:
        difference = numpy.abs(numpy.asarray(shown, "int16") - numpy.asarray(expected, "int16")).mean()
        assert difference < CLOSE, address


def test_the_same_pixels_are_the_same_bytes_under_every_address(server: Server, ident: str) -> None:
    native = server.http.get(f"/images/{ident}-24x18-mirror90-gray.jpg").raise_for_status()
    for version, address in (
        (3, "full/24,18/!90/gray.jpg"), (3, "full/pct:50/!90.0/gray.jpg"), (3, "0,0,99,99/24,/!90/gray.jpg"),
        (2, "full/24,/!90/gray.jpg"), (2, "full/%2124,18/%2190/gray.jpg"),
    ):  # fmt: skip
        assert get(server, ident, address, version).content == native.content, address


@pytest.mark.parametrize(("version", "canonical"), [(3, "full/24,18/0/default.jpg"), (2, "full/24,/0/default.jpg")])
def test_one_link_says_what_is_canonical_and_which_profile(
    server: Server, ident: str, version: int, canonical: str
) -> None:
    for _ in range(3):  # made, from the cache, from memory
        answer = get(server, ident, "full/24,18/0/color.jpg", version)
        assert answer.headers.get_list("link") == [
            f'</iiif/{version}/{ident}/{canonical}>;rel="canonical", '
            f'<http://iiif.io/api/image/{version}/level2.json>;rel="profile"'
        ]
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["access-control-allow-origin"] == "*"
    assert (
        get(server, ident, "full/24,18/0/color.jpg", version, **{"If-None-Match": answer.headers["etag"]}).status_code
        == 304
    )
    assert get(server, ident, canonical, version).content == answer.content


@pytest.mark.parametrize("version", [2, 3])
def test_the_description_says_where_the_image_is_and_all_that_it_says_can_be_had(
    server: Server, ident: str, version: int
) -> None:
    answer = server.http.get(f"/iiif/{version}/{ident}/info.json", headers={"Host": "images.example:81"})
    said = answer.json()
    address = said["id" if version == 3 else "@id"]
    assert address == f"http://images.example:81/iiif/{version}/{ident}"
    assert (said["width"], said["height"]) == (WIDTH, HEIGHT)
    for size in said["sizes"]:
        got = get(server, ident, f"full/{size['width']},{size['height']}/0/default.jpg", version)
        assert Image.open(io.BytesIO(got.content)).size == (size["width"], size["height"])
    formats = said["extraFormats"] if version == 3 else said["profile"][1]["formats"]
    for image_format in formats:
        assert get(server, ident, f"full/max/0/default.{image_format}", version).status_code == 200, image_format
    for quality in ("default", "color", "gray", "bitonal"):
        assert get(server, ident, f"full/max/0/{quality}.png", version).status_code == 200
    path, kind = f"/iiif/{version}/{ident}/info.json", answer.headers["content-type"]
    assert server.http.head(path).headers["content-type"] == kind
    held = {"Host": "images.example:81", "If-None-Match": answer.headers["etag"]}
    assert server.http.get(path, headers=held).status_code == 304


CONTEXT = 'application/ld+json;profile="http://iiif.io/api/image/%d/context.json"'


@pytest.mark.parametrize(
    ("version", "accept", "given"),
    [(3, None, CONTEXT % 3), (3, "*/*", CONTEXT % 3), (3, "application/ld+json, application/json;q=0.5", CONTEXT % 3),
     (3, "application/json", "application/json"), (3, "application/json, */*", "application/json"),
     (2, None, "application/json"), (2, "*/*", "application/json"), (2, "application/ld+json", CONTEXT % 2),
     (2, "application/ld+json;q=0.1, application/json", "application/json"), (3, ";;q=x,,", CONTEXT % 3)],
)  # fmt: skip
def test_the_description_is_of_the_kind_that_is_asked_for(
    server: Server, ident: str, version: int, accept: str | None, given: str
) -> None:
    headers = {"Accept": accept} if accept is not None else {}
    answer = server.http.get(f"/iiif/{version}/{ident}/info.json", headers=headers)
    assert answer.headers["content-type"] == given
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("version", [2, 3])
def test_the_identifier_alone_leads_to_the_description(server: Server, ident: str, version: int, slash: str) -> None:
    answer = server.http.get(f"/iiif/{version}/{ident}{slash}")
    assert answer.status_code == 303
    assert re.fullmatch(rf"http://[^/]+/iiif/{version}/{ident}/info.json", answer.headers["location"])


@pytest.mark.parametrize("version", [2, 3])
def test_another_page_may_ask_first(server: Server, ident: str, version: int) -> None:
    answer = server.http.options(f"/iiif/{version}/{ident}/info.json", headers={"Origin": "https://viewer.example"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "GET" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize("rest", ["info.json", "full/max/0/default.jpg", ""])
@pytest.mark.parametrize("no_ident", NO_IDENTS)
def test_what_is_no_image_is_not_found(server: Server, no_ident: str, rest: str) -> None:
    assert server.http.get(f"/iiif/3/{no_ident}/{rest}").status_code in ({404} if rest else {303, 404})


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("junk", JUNK)
def test_junk_is_a_bad_request(server: Server, ident: str, junk: str, version: int) -> None:
    if version == 2 and junk == "full/full/0/default.jpg":
        junk = "full/^max/0/default.jpg"
    answer = get(server, ident, junk, version)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["limit"]


NO_ADDRESSES = [
    "/iiif/3%2Fabc", "/iiif%2F3%2Fx", "/iiif/%33/{ident}/info.json", "/iiif/3/", "/iiif/3", "/iiif%2F3/x/{ident}/full",
    "/iiif/2//info.json", "/iiif/3/%2F/info.json",
]  # fmt: skip


@pytest.mark.parametrize("path", NO_ADDRESSES)
def test_an_address_that_only_looks_like_one_is_not_found(server: Server, ident: str, path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        request = f"GET {path.format(ident=ident)} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        assert connection.makefile("rb").readline().split()[1] == b"404"


def test_signed_addresses_are_wanted_where_the_settings_want_them(serve: Callable[..., Server]) -> None:
    signing = serve(MEZZOTINT_RENDITIONS="signed")
    ident = signing.upload(file_of(photograph(50, 40), "PNG"))
    signer = signer_of(Settings.read({"MEZZOTINT_DATA": str(signing.data)}))
    for address in ("info.json", "full/25,/0/default.jpg", "full/0,/0/default.jpg"):
        path = f"/iiif/3/{ident}/{address}"
        for _ in range(3):
            assert signing.http.get(path).status_code == 403
            assert signing.http.get(signer.sign(path)).status_code in {200, 400}
            assert signing.http.get(signer.sign(path, expires=int(time.time()) + 60)).status_code in {200, 400}
            assert signing.writer.get(path).status_code in {200, 400}


def test_what_depends_on_who_asks_is_for_nobody_else(server: Server, ident: str, serve: Callable[..., Server]) -> None:
    path = f"/iiif/3/{ident}/info.json"
    assert "private" in server.http.get(path).headers["cache-control"]
    named = serve(MEZZOTINT_PUBLIC_URL="https://images.example")
    other = named.upload(file_of(photograph(50, 40), "PNG"))
    answer = named.http.get(f"/iiif/3/{other}/info.json", headers={"X-Forwarded-Proto": "http", "Host": "evil.example"})
    assert "public" in answer.headers["cache-control"]
    assert answer.json()["id"] == f"https://images.example/iiif/3/{other}"


@given(st.text(max_size=40), st.sampled_from([2, 3]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_address_is_an_error_of_the_server(server: Server, ident: str, text: str, version: int) -> None:
    assert get(server, ident, quote(text.encode("utf-8", "replace"), safe="/%^!,."), version).status_code < 500


def test_escapes_are_undone_once(server: Server, ident: str) -> None:
    plain = get(server, ident, "pct:0,0,50,50/^max/!0/default.png").raise_for_status()
    assert get(server, ident, "pct%3A0%2C0%2C50%2C50/%5Emax/%210/default%2Epng").content == plain.content
    assert get(server, ident, "pct%253A0,0,50,50/max/0/default.png").status_code == 400
    assert get(server, f"%{ord(ident[0]):02x}{ident[1:]}", "pct:0,0,50,50/^max/!0/default.png").content == plain.content


def test_a_picture_that_was_removed_is_not_found_and_leaves_nothing(server: Server) -> None:
    gone = server.upload(file_of(photograph(50, 40, seed=9), "PNG"))
    assert get(server, gone, "full/25,/0/default.jpg").status_code == 200
    version = server.writer.get(f"/api/images/{gone}/").json()["version"]
    server.writer.delete(f"/api/images/{gone}/", params={"version": version}).raise_for_status()
    for address in ("info.json", "full/25,/0/default.jpg", "full/20,/0/default.jpg"):
        assert get(server, gone, address).status_code == 404


def test_where_reading_is_private_a_token_is_wanted(serve: Callable[..., Server]) -> None:
    private = serve(MEZZOTINT_PUBLIC_READ="false")
    ident = private.upload(file_of(photograph(50, 40), "PNG"))
    for address in ("info.json", "full/25,/0/default.jpg"):
        path = f"/iiif/3/{ident}/{address}"
        assert private.http.get(path).status_code == 401
        assert private.writer.get(path).status_code == 200
        assert "private" in private.writer.get(path).headers["cache-control"]
        assert private.http.get(path).status_code == 401, "whatever memory has"


def test_a_list_of_renditions_holds_for_this_door_too(
    serve: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.mktemp("listed") / "data"
    data.mkdir()
    (data / "renditions.json").write_text(json.dumps({"sizes": ["w25"], "formats": ["jpg"], "base": False}))
    listed = serve(data, MEZZOTINT_RENDITIONS="listed")
    ident = listed.upload(file_of(photograph(50, 40), "PNG"))
    assert get(listed, ident, "full/25,/0/default.jpg").status_code == 200
    assert get(listed, ident, "full/26,/0/default.jpg").status_code == 403
    assert get(listed, ident, "full/25,/0/default.png").status_code == 403
