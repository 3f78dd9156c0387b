"""Listings lead to this host, by whatever name it was asked, or to the archive: never anywhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.delivery.covers import FRONT, Covers, ServeCovers, covers_of

ARCHIVE = "https://coverartarchive.org"


def addresses(listing: dict[str, Any]) -> set[str]:
    images = listing["images"]
    return {image["image"] for image in images} | {url for image in images for url in image["thumbnails"].values()}


def expected(release: str, base: str, shape: str = "new") -> set[str]:
    extensions = {11: "jpg", 12: "png", 13: "pdf", 14: "gif", 15: "png"}
    sizes = (250, 500) if shape == "old" else (250, 500, 1200)
    at = f"{base}/release/{release}"
    return {f"{at}/{id}.{ending}" for id, ending in extensions.items()} | {
        f"{at}/{id}-{size}.jpg" for id in extensions for size in sizes
    }


def listing_of(covers: Covers, release: str, **headers: str) -> dict[str, Any]:
    status, _, body = covers.raw(
        f"/release/{release}", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    assert status == 200
    return dict(json.loads(body))


@pytest.mark.parametrize("shape", ["new", "old"])
@pytest.mark.parametrize("path", ["/release/{release}", "/release/{release}/", "/release-group/{group}"])
def test_everything_in_a_listing_can_be_had_here(covers: Covers, shape: Any, path: str) -> None:
    release = covers.release(shape)
    for _ in range(2):
        listing = covers.http.get(path.format(release=release, group=covers.archive.release_group(release))).json()
        assert addresses(listing) == expected(release, covers.server.url, shape)
        assert listing["release"] == f"https://musicbrainz.org/release/{release}"
    for address in addresses(listing):
        answer = covers.http.get(address)
        assert (answer.status_code, answer.headers["content-type"].partition("/")[0] != "text") == (200, True)
    assert covers.http.get(listing["images"][0]["image"]).content == FRONT


@pytest.mark.parametrize("shape", ["new", "old"])
def test_a_listing_has_one_shape_whatever_its_age(covers: Covers, shape: Any) -> None:
    release = covers.release(shape)
    listing = covers.http.get(f"/release/{release}").json()
    first = listing["images"][0]
    assert first.keys() >= {"approved", "back", "comment", "edit", "front", "id", "image", "thumbnails", "types"}
    assert (first["id"], first["front"], first["types"], first["approved"]) == (11, True, ["Front"], True)
    for image in listing["images"]:
        thumbnails = image["thumbnails"]
        assert (thumbnails["250"], thumbnails["500"]) == (thumbnails["small"], thumbnails["large"])


@pytest.mark.parametrize(
    "host", ["covers.example", "covers.example:8080", "COVERS.example", "10.0.0.7:80", "[::1]:8000", "a_b.local", "nas"]
)
def test_it_leads_to_the_host_that_was_asked(covers: Covers, host: str) -> None:
    release = covers.release()
    for _ in range(2):
        assert addresses(listing_of(covers, release, Host=host)) == expected(release, f"http://{host}")


def test_it_leads_to_https_where_a_proxy_says_so(covers: Covers) -> None:
    release = covers.release()
    for scheme, given in (("https", "https"), ("http", "http"), ("javascript", "http"), ("https://x/?", "http")):
        listing = listing_of(covers, release, Host="covers.example", X_Forwarded_Proto=scheme)
        assert addresses(listing) == expected(release, f"{given}://covers.example")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example/path",
        "evil.example/release",
        "evil.example?x",
        "evil.example#x",
        "user:password@evil.example",
        "evil.example@here",
        'evil.example"><script>alert(1)</script>',
        "evil.example\\",
        "evil.example:80:80",
        "evil.example:port",
        "evil.example, here",
        "evil example",
        "evil.example%00",
        "evil.example\xff",
        "javascript:alert(1)//",
        "[::1",
        ":80",
    ],
)
def test_a_host_that_is_none_leads_to_the_archive(covers: Covers, host: str) -> None:
    release = covers.release()
    status, _, body = covers.raw(f"/release/{release}", headers={"Host": host})
    assert status == 400 or addresses(json.loads(body)) == expected(release, ARCHIVE)
    assert addresses(listing_of(covers, release)) == expected(release, covers.server.url)


def test_a_tag_is_of_what_the_host_was_sent(covers: Covers) -> None:
    path = f"/release/{covers.release()}"
    tags = {host: covers.raw(path, headers={"Host": host})[1]["etag"] for host in ("one.example", "two.example")}
    assert tags["one.example"] != tags["two.example"]
    for host, tag in tags.items():
        assert covers.raw(path, headers={"Host": host, "If-None-Match": tag})[0] == 304
        other = tags["one.example" if host.startswith("two") else "two.example"]
        assert covers.raw(path, headers={"Host": host, "If-None-Match": other})[0] == 200


@pytest.fixture(scope="module", params=["https://covers.example/art", "http://127.0.0.1:9"])
def public(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Covers]:
    data = tmp_path_factory.mktemp("public") / "data"
    with covers_of(data, MEZZOTINT_PUBLIC_URL=request.param + "/") as started:
        yield started


@pytest.mark.parametrize("host", ["covers.example", "evil.example", 'evil"', ""])
def test_a_public_address_is_where_it_leads_to(public: Covers, host: str) -> None:
    release, base = public.release(), public.server.settings.public_url
    assert base
    status, _, body = public.raw(f"/release/{release}", headers={"Host": host})
    if host in {"covers.example", "evil.example"} or status != 400:
        assert status == 200
        assert addresses(json.loads(body)) == expected(release, base)


def test_it_may_be_left_at_the_archive(serve_covers: ServeCovers) -> None:
    covers = serve_covers(MEZZOTINT_COVER_ART_REWRITE="false", MEZZOTINT_PUBLIC_URL="https://covers.example")
    for shape in ("new", "old"):
        release = covers.release(shape)
        assert addresses(covers.http.get(f"/release/{release}").json()) == expected(release, ARCHIVE, shape)


def test_what_another_cache_lists_leads_here_as_well(covers: Covers, serve_covers: ServeCovers) -> None:
    """Its own listing leads to itself."""
    second = serve_covers(MEZZOTINT_COVER_ART_UPSTREAM=covers.server.url)
    release = covers.release()
    for _ in range(2):
        assert addresses(second.http.get(f"/release/{release}").json()) == expected(release, second.server.url)
    for path in (f"/release/{release}/front", f"/release-group/{covers.archive.release_group(release)}/front"):
        assert second.http.get(path).content == FRONT
    assert second.http.get(f"/release/{release}/11").headers["x-cache-status"] == "HIT", "the first has told what it is"
    assert not second.archive.asked
