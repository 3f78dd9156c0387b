"""IIIF Presentation 3.0, by the specification's own rules: manifests of images and collections, and their list."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from mezzotint.repository.api import manifests
from tests import pictures
from tests.conftest import Server

ROOT = "/iiif/presentation/3"
HOSTILE = "<script>alert(1)</script> \u202e \U0001f3de \" ' \\ &"
MAPS = {"label", "summary", "value"}
LISTS = {"metadata", "thumbnail", "provider", "homepage", "rendering", "seeAlso", "items", "service", "structures"}
TYPES = {"Manifest", "Collection", "Canvas", "AnnotationPage", "Annotation", "Image", "ImageService3", "Agent", "Text",
         "Dataset"}  # fmt: skip


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """Sections 3 and 4: what each resource must have, and of what shape; ids are addresses, and of one thing each."""
    ids: list[str] = []

    def look(one: dict[str, Any], *, whole: bool) -> None:
        assert re.fullmatch(r"https?://\S+", one["id"]) and one["type"] in TYPES, one
        if one["type"] in {"Canvas", "AnnotationPage", "Annotation"}:
            ids.append(one["id"])
        for name, value in one.items():
            if name in MAPS:
                check_map(value)
            elif name in LISTS:
                assert isinstance(value, list) and value, name
        match one["type"]:
            case "Manifest" | "Collection":
                assert one["label"]
                assert not whole or one["items"]
            case "Canvas":
                assert one["width"] > 0 and one["height"] > 0 and len(one["items"]) == 1
            case "Annotation":
                assert one["motivation"] == "painting" and one["body"] and one["target"] in ids
                look(one["body"], whole=False)
            case "Image" | "Text" | "Dataset":
                assert one["format"]
            case "Agent":
                assert one["label"] and one["homepage"]
        for name in LISTS - {"metadata"}:
            for inner in one.get(name, ()):
                look(inner, whole=one["type"] != "Collection")
        for entry in one.get("metadata", ()):
            assert entry.keys() == {"label", "value"}
            check_map(entry["label"])
            check_map(entry["value"])
        if "rights" in one:
            assert re.match(r"http://(creativecommons|rightsstatements)\.org/", one["rights"])
        if "requiredStatement" in one:
            assert one["requiredStatement"].keys() == {"label", "value"}
        if "navDate" in one:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["navDate"])

    def check_map(value: Any) -> None:
        assert isinstance(value, dict) and value
        for language, texts in value.items():
            assert re.fullmatch(r"none|[a-z]{2}", language) and texts
            assert all(isinstance(text, str) and text.strip() for text in texts)

    assert document["@context"] == "http://iiif.io/api/presentation/3/context.json"
    assert next(iter(document)) == "@context"
    look(document, whole=document["type"] == "Manifest")
    assert len(ids) == len(set(ids))
    return document


@pytest.fixture(scope="module")
def ident(server: Server) -> str:
    return server.upload(
        pictures.jpeg(600, 300, seed=900),
        title="The harbour of Visby",
        description="One line\nand another",
        creator="Somebody Known",
        rights="https://creativecommons.org/licenses/by/4.0/",
        tags="sea, winter",
        captured="1899-04-05",
        source="Box 7",
        collection="Manifest harbours",
    )


@pytest.fixture(scope="module")
def hostile(server: Server, ident: str) -> str:
    fields = dict.fromkeys(("title", "description", "creator", "rights", "source"), HOSTILE)
    return server.upload(pictures.jpeg(90, 200, seed=901), captured="1901", collection="Manifest harbours", **fields)


def manifest(server: Server, path: str, **headers: str) -> dict[str, Any]:
    answer = server.http.get(f"{ROOT}{path}", headers=headers).raise_for_status()
    kind = 'application/ld+json;profile="http://iiif.io/api/presentation/3/context.json"'
    assert (answer.headers["content-type"], answer.headers["access-control-allow-origin"]) == (kind, "*")
    return checked(answer.json())


def test_an_image_is_a_manifest_of_one_canvas_with_all_that_is_known_of_it(server: Server, ident: str) -> None:
    found = manifest(server, f"/images/{ident}/manifest.json")
    assert found["id"] == f"{server.url}{ROOT}/images/{ident}/manifest.json"
    assert found["label"] == {"none": ["The harbour of Visby"]}
    assert found["summary"] == {"none": ["One line\nand another"]}
    assert found["rights"] == "http://creativecommons.org/licenses/by/4.0/" and "requiredStatement" not in found
    assert found["navDate"] == "1899-04-05T00:00:00Z"
    said = {entry["label"]["en"][0]: entry["value"]["none"] for entry in found["metadata"]}
    assert said == {
        "Creator": ["Somebody Known"], "Date": ["1899-04-05"], "Source": ["Box 7"], "Tags": ["sea", "winter"]
    }  # fmt: skip
    (canvas,) = found["items"]
    assert (canvas["width"], canvas["height"]) == (600, 300)
    body = canvas["items"][0]["items"][0]["body"]
    assert body["service"] == [
        {"id": f"{server.url}/iiif/3/{ident}", "type": "ImageService3", "profile": "level2"}
    ]  # fmt: skip


def test_everything_that_a_manifest_leads_to_is_there(server: Server, ident: str) -> None:
    found = manifest(server, f"/images/{ident}/manifest.json")
    (canvas,) = found["items"]
    body = canvas["items"][0]["items"][0]["body"]
    for one in (body, *found["thumbnail"], *canvas["rendering"]):
        with pictures.opened(server.http.get(one["id"]).raise_for_status().content) as picture:
            if "width" in one:
                assert picture.size == (one["width"], one["height"])
    for one in (*found["homepage"], *canvas["seeAlso"]):
        assert server.http.get(one["id"]).raise_for_status().headers["content-type"].startswith(one["format"])
    info = server.http.get(f"{body['service'][0]['id']}/info.json").json()
    assert (info["id"], info["width"]) == (body["service"][0]["id"], canvas["width"])


def test_a_collection_is_one_object_of_canvases_in_order(server: Server, ident: str, hostile: str) -> None:
    listed = manifest(server, "/collection.json")
    (address,) = [one["id"] for one in listed["items"] if one["label"] == {"none": ["Manifest harbours"]}]
    found = manifest(server, address.removeprefix(f"{server.url}{ROOT}"))
    assert [canvas["id"].rpartition("/")[2] for canvas in found["items"]] == [ident, hostile]
    assert found["items"][1]["label"] == {"none": [HOSTILE]}
    assert found["items"][1]["requiredStatement"]["value"] == {"none": [HOSTILE]}
    assert "navDate" not in found["items"][1], "a year is no moment"


def test_the_tag_is_that_of_what_is_said(server: Server, ident: str) -> None:
    path = f"{ROOT}/images/{ident}/manifest.json"
    said = server.http.get(path).headers["etag"]  # weak, where it is compressed
    etag = said.removeprefix("W/")
    for held in (said, etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = server.http.get(path, headers={"If-None-Match": held})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert server.http.get(path, headers={"If-None-Match": '"x"'}).status_code == 200
    version = server.writer.get(f"/api/images/{ident}/").json()["version"]
    server.writer.patch(f"/api/images/{ident}/", json={"version": version, "source": "Box 8"}).raise_for_status()
    changed = server.http.get(path, headers={"If-None-Match": etag})
    assert changed.status_code == 200 and "Box 8" in changed.text
    server.writer.patch(f"/api/images/{ident}/", json={"version": version + 1, "source": "Box 7"}).raise_for_status()


@pytest.mark.parametrize(
    "path", [f"/images/{'0' * 64}/manifest.json", "/images/x/manifest.json", "/collections/nothing/manifest.json",
             "/collections/%00/manifest.json", "/images/manifest.json", "/nothing.json"],
)  # fmt: skip
def test_what_is_not_there_is_told_to_viewers_of_other_pages_too(server: Server, path: str) -> None:
    answer = server.http.get(f"{ROOT}{path}")
    assert answer.status_code in {400, 404}


@pytest.mark.parametrize("cursor", ["x", "\x00", "9" * 5000, "%ff"])
def test_a_cursor_that_is_none_is_told(server: Server, cursor: str) -> None:
    answer = server.http.get(f"{ROOT}/collection.json", params={"cursor": cursor})
    assert answer.status_code == 400 and answer.headers["access-control-allow-origin"] == "*"


def test_an_empty_collection_has_no_manifest(server: Server) -> None:
    made = server.writer.post("/api/collections/", json={"title": "Manifest empty", "images": []}).raise_for_status()
    answer = server.http.get(f"{ROOT}/collections/{made.json()['slug']}/manifest.json")
    assert answer.status_code == 404 and "no images" in answer.json()["detail"]


def test_another_page_may_ask_first(server: Server, ident: str) -> None:
    answer = server.http.options(f"{ROOT}/images/{ident}/manifest.json", headers={"Origin": "https://viewer.example"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"


def test_where_reading_is_private_a_token_is_wanted(serve: Callable[..., Server]) -> None:
    private = serve(MEZZOTINT_PUBLIC_READ="false")
    ident = private.upload(pictures.jpeg(60, 40, seed=903))
    for path in (f"/images/{ident}/manifest.json", "/collection.json"):
        assert private.http.get(f"{ROOT}{path}").status_code == 401
        answer = private.writer.get(f"{ROOT}{path}")
        assert answer.status_code == 200 and "private" in answer.headers["cache-control"]


def test_where_the_server_is_is_as_the_settings_say(serve: Callable[..., Server]) -> None:
    named = serve(MEZZOTINT_PUBLIC_URL="https://images.example/base")
    ident = named.upload(pictures.jpeg(60, 40, seed=904))
    found = manifest(named, f"/images/{ident}/manifest.json")
    assert found["id"].startswith("https://images.example/base/iiif/")


def test_many_collections_are_pages_within_each_other(
    client_of_many: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "_PAGE", 2)
    get, seen = client_of_many(5), list[str]()
    address: str | None = f"{ROOT}/collection.json"
    while address is not None:
        page = checked(get(address))
        seen += [one["label"]["none"][0] for one in page["items"] if one["type"] == "Manifest"]
        address = next((one["id"] for one in page["items"] if one["type"] == "Collection"), None)
    assert [title for title in seen if title != "Shelf"] == [f"Number {n}" for n in range(5)]


def test_there_is_a_bound_to_the_canvases_of_one_manifest(
    client_of_many: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "MOST_CANVASES", 0)
    assert "canvases" in client_of_many(1)(f"{ROOT}/collections/number-0/manifest.json")["errors"][0]["limit"]


@pytest.fixture
def client_of_many(repository: Any) -> Callable[[int], Any]:
    """So many collections of one image, and how to ask for a path or an address."""
    from rest_framework.test import APIClient

    from mezzotint.repository.models import Collection, Image, Membership
    from tests.repository.keeping import put_in

    def made(count: int) -> Any:
        put_in(repository, 4)
        for n in range(count):
            one = Collection.objects.create(slug=f"number-{n}", title=f"Number {n}")
            Membership.objects.create(collection=one, image=Image.objects.all()[0], position=1)
        client = APIClient()
        return lambda address: client.get(address.removeprefix("http://testserver")).json()

    return made
