"""IIIF Change Discovery 1.0: every commit's manifests, in order, page after page, and the same again."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from mezzotint.repository import discovery
from tests import pictures
from tests.conftest import Server

ROOT = "/iiif/discovery"
CONTEXT = "http://iiif.io/api/discovery/1/context.json"


def document(server: Server, address: str) -> dict[str, Any]:
    answer = server.http.get(address).raise_for_status()
    assert answer.headers["content-type"] == f'application/ld+json;profile="{CONTEXT}"'
    assert answer.headers["access-control-allow-origin"] == "*"
    found: dict[str, Any] = answer.json()
    assert found["@context"] == CONTEXT and found["id"] == f"{server.url}{address.removeprefix(server.url)}"
    return found


def activities(server: Server) -> list[tuple[str, str]]:
    """All, from the first page to the last, as harvesters walk: what, and of which manifest."""
    stream, found, before = document(server, f"{ROOT}/activity.json"), list[tuple[str, str]](), ""
    address: str | None = stream["first"]["id"]
    last = address
    while address is not None:
        page = document(server, address)
        assert page["partOf"]["id"] == stream["id"]
        for one in page["orderedItems"]:
            assert one["object"]["type"] == "Manifest"
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*(Z|\+00:00)", one["endTime"])
            assert one["endTime"] >= before
            before = one["endTime"]
            found.append((one["type"], one["object"]["id"].removeprefix(f"{server.url}/iiif/presentation/3/")))
        last, address = address, page.get("next", {}).get("id")
        if address is not None:
            assert document(server, address)["prev"]["id"] == last
    assert stream["last"]["id"] == last
    return found


def test_what_happens_is_told_in_order(serve: Callable[..., Server]) -> None:
    server = serve()
    empty = document(server, f"{ROOT}/activity.json")
    assert empty["type"] == "OrderedCollection"
    assert activities(server) == [], "the first commit is that of the first user"
    ident = server.upload(pictures.jpeg(60, 40, seed=1), title="One", collection="Shelf")
    image, shelf = f"images/{ident}/manifest.json", "collections/shelf/manifest.json"
    assert activities(server) == [("Create", image), ("Create", shelf)] or activities(server) == [
        ("Create", shelf), ("Create", image)
    ]  # fmt: skip
    version = server.writer.get(f"/api/images/{ident}/").json()["version"]
    server.writer.patch(f"/api/images/{ident}/", json={"version": version, "title": "Two"}).raise_for_status()
    assert activities(server)[2:] == [("Update", image)]
    other = server.upload(pictures.jpeg(60, 40, seed=2), collection="Shelf")
    assert sorted(activities(server)[3:]) == [("Create", f"images/{other}/manifest.json"), ("Update", shelf)]
    server.writer.delete(f"/api/images/{ident}/", params={"version": version + 1}).raise_for_status()
    assert ("Delete", image) in activities(server)[5:]
    for what, path in activities(server):
        status = server.http.get(f"/iiif/presentation/3/{path}").status_code
        assert status == (404 if path == image else 200), (what, path)


def test_pages_are_blocks_of_commits_that_stay_as_they_are(serve: Callable[..., Server]) -> None:
    server = serve()
    count = discovery.BLOCK + 2  # and the first user's
    for seed in range(count):
        server.upload(pictures.png(8, 8, seed=seed))
    assert len(activities(server)) == count
    first = server.http.get(f"{ROOT}/activity/0.json")
    assert len(first.json()["orderedItems"]) == discovery.BLOCK - 1
    server.upload(pictures.png(8, 8, seed=1000))
    again = server.http.get(f"{ROOT}/activity/0.json", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert len(server.http.get(f"{ROOT}/activity/1.json").json()["orderedItems"]) == 4


@pytest.mark.parametrize("number", ["9999", "-1", "x", "1" * 400])
def test_a_page_that_is_not_there_is_not_found(server: Server, number: str) -> None:
    assert server.http.get(f"{ROOT}/activity/{number}.json").status_code == 404


def test_where_reading_is_private_a_token_is_wanted(serve: Callable[..., Server]) -> None:
    private = serve(MEZZOTINT_PUBLIC_READ="false")
    private.upload(pictures.jpeg(60, 40, seed=903))
    for path in ("/activity.json", "/activity/0.json"):
        assert private.http.get(f"{ROOT}{path}").status_code == 401
        assert private.writer.get(f"{ROOT}{path}").status_code == 200
