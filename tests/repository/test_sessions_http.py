"""Update sessions over the REST interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mezzotint.tokens import Scope
from tests import http, pictures
from tests.conftest import Server


def new_session(server: Server, **fields: str) -> str:
    answer = server.writer.post("/api/sessions/", json=fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def add(server: Server, session: str, data: bytes, **fields: Any) -> dict[str, Any]:
    answer = server.writer.post(f"/api/sessions/{session}/images/", files={"file": ("a.png", data)}, data=fields)
    assert answer.status_code in {200, 201}, answer.text
    return dict(answer.json())


def commit(server: Server, session: str) -> httpx.Response:
    return server.writer.post(f"/api/sessions/{session}/commit/")


def found(server: Server, word: str) -> list[str]:
    answer = server.http.get("/api/images/", params={"search": word}).raise_for_status()
    return [image["ident"] for image in answer.json()["results"]]


def test_nothing_is_seen_before_the_commit_and_everything_after(server: Server) -> None:
    session = new_session(server, note="a first shelf")
    idents = [
        add(server, session, pictures.png(seed=seed), title="Heliogravure", collection="Shelf 200")["ident"]
        for seed in (200, 201, 202)
    ]
    listed = {image["ident"] for image in server.http.get("/api/images/?page_size=500").json()["results"]}
    assert not listed & set(idents)
    assert found(server, "heliogravure") == []
    assert all(server.http.get(f"/api/images/{ident}/").status_code == 404 for ident in idents)
    assert all(server.http.get(f"/image/{ident}/").status_code == 404 for ident in idents)
    assert server.http.get("/api/collections/shelf-200/").status_code == 404
    assert "Heliogravure" not in server.http.get("/").text

    done = commit(server, session)
    assert done.status_code == 200
    assert done.json()["added"] == 3
    assert isinstance(done.json()["seq"], int)
    assert set(found(server, "heliogravure")) == set(idents)
    collection = server.http.get("/api/collections/shelf-200/").json()
    assert [image["ident"] for image in collection["images"]] == idents
    assert "Heliogravure" in server.http.get("/").text
    assert server.writer.get(f"/api/sessions/{session}/").json()["state"] == "committed"


def test_committing_again_gives_the_same_answer(server: Server) -> None:
    session = new_session(server)
    add(server, session, pictures.png(seed=210))
    first = commit(server, session)
    server.upload(pictures.png(seed=211))
    again = commit(server, session)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()


def test_an_aborted_session_takes_no_more(server: Server) -> None:
    session = new_session(server)
    ident = add(server, session, pictures.png(seed=220))["ident"]
    assert server.writer.delete(f"/api/sessions/{session}/").status_code == 204
    assert commit(server, session).status_code == 409
    upload = {"file": ("a.png", pictures.png(seed=221))}
    assert server.writer.post(f"/api/sessions/{session}/images/", files=upload).status_code == 409
    assert server.http.get(f"/api/images/{ident}/").status_code == 404


def test_a_session_says_what_it_will_do(server: Server) -> None:
    session = new_session(server, note="why")
    ident = add(server, session, pictures.png(seed=230), title="Said")["ident"]
    shown = server.writer.get(f"/api/sessions/{session}/").json()
    assert (shown["id"], shown["state"], shown["note"]) == (session, "open", "why")
    assert [(change["kind"], change["key"]) for change in shown["changes"]] == [("add", ident)]


def test_the_same_bytes_twice_are_one_image(server: Server) -> None:
    data = pictures.png(seed=240)
    first = server.writer.post("/api/images/", files={"file": ("a.png", data)}, data={"title": "Daguerreotype"})
    second = server.writer.post("/api/images/", files={"file": ("b.png", data)}, data={"title": "Other"})
    assert (first.status_code, first.json()["known"]) == (201, False)
    assert (second.status_code, second.json()["known"]) == (200, True)
    assert first.json()["ident"] == second.json()["ident"]
    assert found(server, "daguerreotype") == [first.json()["ident"]]
    assert second.json()["title"] == "Daguerreotype"


def test_an_edit_that_comes_late_is_refused_with_the_fields(server: Server) -> None:
    ident = server.upload(pictures.png(seed=250), title="One")
    session = new_session(server)
    late = {"version": 1, "title": "Late", "rights": "Late"}
    assert server.writer.patch(f"/api/sessions/{session}/images/{ident}/", json=late).status_code == 204
    early = server.writer.patch(f"/api/images/{ident}/", json={"version": 1, "title": "Early"})
    assert (early.status_code, early.json()["version"]) == (200, 2)
    answer = commit(server, session)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["conflicts"] == {ident: ["title"]}
    shown = server.http.get(f"/api/images/{ident}/").json()
    assert (shown["title"], shown["rights"]) == ("Early", "")


def test_late_edits_of_other_fields_are_merged(server: Server) -> None:
    ident = server.upload(pictures.png(seed=260), title="One")
    session = new_session(server)
    late = {"version": 1, "creator": "Somebody", "tags": ["a", "b"]}
    server.writer.patch(f"/api/sessions/{session}/images/{ident}/", json=late)
    server.writer.patch(f"/api/images/{ident}/", json={"version": 1, "title": "Two"})
    assert commit(server, session).status_code == 200
    shown = server.http.get(f"/api/images/{ident}/").json()
    assert (shown["title"], shown["creator"], shown["tags"], shown["version"]) == ("Two", "Somebody", ["a", "b"], 3)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_removed_image_is_gone_from_everywhere(serve: Callable[..., Server], workers: str) -> None:
    server = serve(MEZZOTINT_WORKERS=workers)
    ident = server.upload(pictures.jpeg(300, 200, seed=270), title="Gone", collection="Shelf")
    addresses = [f"/images/{ident}{suffix}" for suffix in ("", "-100x67.jpg", "-w50.auto", "-fit40x40.png")]
    for _ in range(6):
        assert all(http.get(server.url + address).status_code == 200 for address in addresses)
    answer = server.writer.delete(f"/api/images/{ident}/")
    assert (answer.status_code, answer.json()["removed"]) == (200, 1)
    for _ in range(6):
        assert [http.get(server.url + address).status_code for address in addresses] == [404] * 4
    assert server.http.get("/api/images/").json()["results"] == []
    assert server.http.get("/api/collections/shelf/").json()["images"] == []
    assert server.http.get(f"/image/{ident}/").status_code == 404
    assert not list((server.settings.cache / "native").rglob(f"{ident}*"))
    assert server.writer.delete(f"/api/images/{ident}/").status_code == 404


def test_a_removal_in_a_session_waits_for_its_commit(server: Server) -> None:
    ident = server.upload(pictures.png(seed=280))
    session = new_session(server)
    assert server.writer.delete(f"/api/sessions/{session}/images/{ident}/").status_code == 204
    assert server.http.get(f"/api/images/{ident}/").status_code == 200
    assert server.http.get(f"/images/{ident}").status_code == 200
    assert commit(server, session).json()["removed"] == 1
    assert server.http.get(f"/api/images/{ident}/").status_code == 404
    assert server.http.get(f"/images/{ident}").status_code == 404


def test_collections_are_made_ordered_and_removed(server: Server) -> None:
    idents = [server.upload(pictures.png(seed=seed)) for seed in (290, 291, 292)]
    made = server.writer.post("/api/collections/", json={"title": "Röntgen 290", "images": idents})
    assert (made.status_code, made.json()["slug"]) == (201, "rontgen-290")
    path = "/api/collections/rontgen-290/"
    assert [image["ident"] for image in server.http.get(path).json()["images"]] == idents
    assert server.writer.patch(path, json={"version": 1, "images": idents[::-1]}).json()["version"] == 2
    assert [image["ident"] for image in server.http.get(path).json()["images"]] == idents[::-1]
    stale = server.writer.patch(path, json={"version": 1, "title": "Stale"})
    assert (stale.status_code, stale.json()["conflicts"]) == (409, {"rontgen-290": ["title"]})
    listed = server.http.get("/api/images/", params={"collection": "rontgen-290"}).json()["results"]
    assert {image["ident"] for image in listed} == set(idents)
    assert server.writer.delete(path).status_code == 200
    assert server.http.get(path).status_code == 404
    assert server.http.get(f"/api/images/{idents[0]}/").status_code == 200


def test_a_session_changes_collections_too(server: Server) -> None:
    session = new_session(server)
    ident = add(server, session, pictures.png(seed=295))["ident"]
    path = f"/api/sessions/{session}/collections/shelf-295/"
    assert server.writer.put(path, json={"title": "Shelf", "images": [ident]}).status_code == 204
    assert server.http.get("/api/collections/shelf-295/").status_code == 404
    commit(server, session)
    assert server.http.get("/api/collections/shelf-295/").json()["images"][0]["ident"] == ident


def test_an_image_is_told_in_full(server: Server) -> None:
    data = pictures.png(64, 48, seed=296)
    ident = server.upload(data, title="Full", tags="a,b", captured="1890-07-01")
    image = server.http.get(f"/api/images/{ident}/").json()
    expected = {"ident": ident, "width": 64, "height": 48, "format": "png", "bytes": len(data), "version": 1}
    assert expected.items() <= image.items()
    assert (image["tags"], image["captured"], image["title"]) == (["a", "b"], "1890-07-01", "Full")
    assert server.http.get(image["url"]).content == data
    assert server.http.get(image["thumbnail"]).status_code == 200


def test_writing_needs_a_token_and_is_done_in_its_name(server: Server) -> None:
    upload = {"file": ("a.png", pictures.png(seed=297))}
    assert server.http.post("/api/images/", files=upload).status_code == 401
    assert server.http.post("/api/sessions/", json={}).status_code == 401
    with server.client(Scope.ADMIN) as admin:
        done = admin.post("/api/images/", files=upload).json()["commit"]
    commits = {one["seq"]: one for one in server.writer.get("/api/commits/").json()["results"]}
    assert commits[done["seq"]]["by"] == "token token"


def test_the_state_of_things_is_told(server: Server) -> None:
    server.upload(pictures.png(seed=298))
    status = server.http.get("/api/status/").json()
    assert status["live"] == status["durable"] >= 1
    assert status["images"] >= 1


def test_a_version_that_nobody_has_seen_yet_is_a_conflict(server: Server) -> None:
    ident = server.upload(pictures.png(seed=990), title="First")
    answer = server.writer.patch(f"/api/images/{ident}/", json={"version": 999_999, "title": "Second"})
    assert answer.status_code == 409
    assert answer.json()["conflicts"] == {ident: ["title"]}
