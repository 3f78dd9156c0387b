"""How a collection is to be read: its direction, and as what."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests import pictures
from tests.conftest import Server


def test_a_manifest_says_how_it_is_read(server: Server) -> None:
    ident = server.upload(pictures.png(seed=641), collection="A manga")
    path = "/api/collections/a-manga/"
    version = server.http.get(path).json()["version"]
    assert server.http.get(path).json()["viewing_direction"] == ""
    said = {"viewing_direction": "right-to-left", "behavior": "paged", "version": version}
    assert server.writer.patch(path, json=said).raise_for_status().json() | said | {"version": version + 1}
    manifest = server.http.get("/iiif/presentation/3/collections/a-manga/manifest.json").json()
    assert manifest["viewingDirection"] == "right-to-left" and manifest["behavior"] == ["paged"]
    server.writer.patch(path, json={"behavior": "", "version": version + 1}).raise_for_status()
    manifest = server.http.get("/iiif/presentation/3/collections/a-manga/manifest.json").json()
    assert manifest["viewingDirection"] == "right-to-left" and "behavior" not in manifest
    assert ident in str(manifest)


@pytest.mark.parametrize("field", ["viewing_direction", "behavior"])
@pytest.mark.parametrize("value", ["backwards", "PAGED", 7, None, ["paged"], "paged paged", "x" * 10_000])
def test_what_it_cannot_be_is_told_with_what_it_can(server: Server, field: str, value: object) -> None:
    answer = server.writer.post("/api/collections/", json={"title": f"Odd {field}", field: value})
    assert answer.status_code == 400 and field in answer.text
    assert server.http.get(f"/api/collections/odd-{field.replace('_', '-')}/").status_code == 404


def test_it_comes_back_out_of_the_journal(serve: Callable[..., Server]) -> None:
    said = {"title": "Kept", "viewing_direction": "top-to-bottom", "behavior": "continuous"}
    first = serve()
    first.writer.post("/api/collections/", json=said).raise_for_status()
    first.stop()
    for file in first.data.glob("mezzotint.sqlite3*"):
        file.unlink()
    again = serve().http.get("/api/collections/kept/").raise_for_status().json()
    assert again | said == again
