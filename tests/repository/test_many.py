"""Many images in one change: what a collection holds, what is said of them, and how many there are."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import Conflict
from mezzotint.repository import many, services
from mezzotint.repository.commits import commit
from mezzotint.repository.models import Collection, Commit, Image, Membership, UpdateSession
from mezzotint.repository.sessions import moved
from mezzotint.wiring import Engine
from tests.repository.keeping import put_in
from tests.repository.people import person


@pytest.fixture
def editor(repository: Engine) -> Client:
    return person("editor")


@pytest.fixture
def idents(repository: Engine) -> list[str]:
    return [str(put_in(repository, seed, tags=["old"])) for seed in range(4)]


def patch(client: Client, path: str, **said: Any) -> Any:
    return client.patch(path, said, content_type="application/json")


def members() -> list[str]:
    found = Membership.objects.filter(collection__slug="shelf").order_by("position")
    return list(found.values_list("image__ident", flat=True))


def at(idents: list[str], *places: int) -> list[str]:
    return [idents[place] for place in places]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"remove": [0]}, [1, 2, 3]),
        ({"remove": [3, 1]}, [0, 2]),
        ({"move": [0]}, [1, 2, 3, 0]),
        ({"move": [3, 2], "before": 0}, [3, 2, 0, 1]),
        ({"move": [0], "after": 2}, [1, 2, 0, 3]),
        ({"move": [1, 0], "after": 1}, [2, 3, 1, 0]),
        ({"add": [2]}, [0, 1, 2, 3]),
        ({"move": [0], "remove": [1], "before": 3}, [2, 0, 3]),
    ],
)
def test_a_collection_is_changed_without_all_of_it(
    editor: Client, idents: list[str], asked: dict[str, Any], wanted: list[int]
) -> None:
    said = {k: at(idents, *v) if isinstance(v, list) else idents[v] for k, v in asked.items()}
    answer = patch(editor, "/api/collections/shelf/members/", **said)
    assert answer.status_code == 200 and answer["X-Durable"] == "true"
    assert members() == at(idents, *wanted)


def test_what_came_in_meanwhile_stays(repository: Engine, idents: list[str]) -> None:
    session = services.open_session("anna")
    many.change_members(session, "shelf", {"move": [idents[3]], "before": idents[0]})
    many.change_members(session, "shelf", {"remove": [idents[1]]})
    fresh = put_in(repository, 9)
    services.at_once("bela", lambda s: services.remove_image(s, idents[0]))
    commit(session)
    assert members() == [idents[2], fresh, idents[3]], "the anchor is gone, so it goes to the end"


def test_a_session_adds_and_places(repository: Engine, idents: list[str]) -> None:
    from tests import pictures
    from tests.repository.adding import add_image

    session = services.open_session("anna")
    base = repository.bases.add([pictures.png(seed=77)])
    add_image(session, base, {}, {"shelf": "Shelf"})
    many.change_members(session, "shelf", {"move": [base.ident], "before": idents[0]})
    commit(session)
    assert members() == [base.ident, *idents]


def test_a_collection_that_is_removed_meanwhile_is_a_conflict(repository: Engine, idents: list[str]) -> None:
    session = services.open_session("anna")
    many.change_members(session, "shelf", {"remove": idents[:1]})
    services.at_once("bela", lambda s: services.remove_collection(s, "shelf"))
    with pytest.raises(Conflict):
        commit(session)


def test_whoever_writes_the_whole_list_sees_that_it_was_changed(editor: Client, idents: list[str]) -> None:
    version = Collection.objects.get(slug="shelf").version
    patch(editor, "/api/collections/shelf/members/", remove=idents[:1])
    assert patch(editor, "/api/collections/shelf/", version=version, images=idents).status_code == 409


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "add"),
        ({"add": []}, "add"),
        ({"add": "x"}, "add"),
        ({"add": ["x"]}, None),
        ({"add": ["0" * 64]}, "add"),
        ({"remove": ["1" * 64, "1" * 64]}, "remove"),
        ({"remove": ["1" * 64], "before": "0" * 64, "after": "0" * 64}, "after"),
        ({"remove": ["1" * 64], "here": 1}, "here"),
        ({"remove": [f"{n:064x}" for n in range(10_001)]}, "add"),
    ],
)
def test_what_is_asked_wrongly_is_told(
    editor: Client, idents: list[str], said: dict[str, Any], field: str | None
) -> None:
    answer = patch(editor, "/api/collections/shelf/members/", **said)
    assert answer.status_code == 400
    assert field is None or answer.json()["errors"][0]["field"] == field
    assert members() == idents and not UpdateSession.objects.filter(state="open").exists()
    assert patch(editor, "/api/collections/none/members/", remove=["1" * 64]).status_code == 404


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.data())
def test_nothing_is_there_twice_and_nothing_is_lost(listed: list[str], data: st.DataObject) -> None:
    some = st.lists(st.sampled_from("abcdefgh"), unique=True)
    move = {name: data.draw(some) for name in ("add", "move", "remove")}
    move |= {"before": data.draw(st.sampled_from(["a", "h", None]))}
    now = moved(listed, move)
    assert len(set(now)) == len(now)
    assert set(now) == (set(listed) - set(move["remove"])) | (set(move["add"]) - set(listed))
    kept = [one for one in listed if one in now and one not in move["move"]]
    assert [one for one in now if one in kept] == kept


def test_many_are_described_alike(editor: Client, idents: list[str]) -> None:
    before = Commit.objects.count()
    answer = patch(
        editor, "/api/images/", idents=idents, set={"creator": "Anna"}, add_tags=["new"], remove_tags=["old"]
    )
    assert answer.status_code == 200 and answer.json()["described"] == 4
    assert {(one.creator, tuple(one.tags)) for one in Image.objects.all()} == {("Anna", ("new",))}
    assert Commit.objects.count() == before + 1
    again = patch(editor, "/api/images/", idents=idents, set={"creator": "Anna"}, add_tags=["new"])
    assert again.status_code == 200 and again.json()["described"] == 0


def test_many_are_described_each_on_its_own(editor: Client, idents: list[str]) -> None:
    said = [{"ident": ident, "version": 1, "title": f"No. {n}"} for n, ident in enumerate(idents)]
    assert patch(editor, "/api/images/", images=said).json()["described"] == 4
    assert [Image.objects.get(ident=ident).title for ident in idents] == ["No. 0", "No. 1", "No. 2", "No. 3"]
    late = patch(
        editor, "/api/images/", images=[said[0] | {"title": "late"}, said[1] | {"source": "box", "version": 2}]
    )
    assert late.status_code == 409 and list(late.json()["conflicts"]) == [idents[0]]
    assert Image.objects.get(ident=idents[1]).source == ""


@pytest.mark.parametrize(
    ("said", "status", "field"),
    [
        ({}, 400, "set"),
        ({"images": []}, 400, "images"),
        ({"images": [1]}, 400, "images[0]"),
        ({"images": [{"ident": "0" * 64}]}, 400, "images[0].version"),
        ({"images": [{"ident": "0" * 64, "version": 1, "title": 5}]}, 400, "images[0].title"),
        ({"images": [{"ident": "0" * 64, "version": 1, "title": "x"}]}, 404, None),
        ({"images": [{"ident": "0" * 64, "version": 1}] * 2}, 400, "images"),
        ({"images": [], "idents": []}, 400, "idents"),
        ({"idents": ["0" * 64]}, 400, "set"),
        ({"idents": ["0" * 64], "set": {"captured": "x"}}, 400, "captured"),
        ({"idents": ["0" * 64], "set": []}, 400, "set"),
        ({"idents": [None, 7], "set": {"title": "x"}}, 404, None),
        ({"idents": ["0" * 64] * 10_001, "set": {"title": "x"}}, 400, "idents"),
    ],
)
def test_a_wrong_one_is_named(editor: Client, said: dict[str, Any], status: int, field: str | None) -> None:
    answer = patch(editor, "/api/images/", **said)
    assert answer.status_code == status
    assert field is None or answer.json()["errors"][0]["field"] == field
    assert not UpdateSession.objects.exists()


def test_other_bodies_are_refused(editor: Client) -> None:
    assert editor.patch("/api/images/", b"x", content_type="text/plain").status_code == 415
    assert editor.post("/api/images/", {}, content_type="application/json").status_code == 415


def test_how_many_there_are_is_told_to_who_asks(editor: Client, idents: list[str]) -> None:
    assert "count" not in editor.get("/api/images/").json()
    assert editor.get("/api/images/?count=true&page_size=1").json()["count"] == 4
    assert editor.get("/api/images/?count=true&tag=none").json()["count"] == 0
    assert editor.get("/api/collections/?count=1").json()["count"] == 1
    assert editor.get("/api/collections/shelf/?count=true&page_size=1").json()["count"] == 4
    assert editor.get("/api/images/?count=perhaps").json()["errors"][0]["field"] == "count"
    following = editor.get("/api/images/?count=true&page_size=1").json()["next"]
    assert editor.get(following).json()["count"] == 4


def test_a_session_describes_many(editor: Client, idents: list[str]) -> None:
    session = editor.post("/api/sessions/", {}, content_type="application/json").json()["id"]
    answer = patch(editor, f"/api/sessions/{session}/images/", idents=idents[:2], set={"source": "box"})
    assert answer.json() == {"described": 2} and not Image.objects.filter(source="box").exists()
    editor.post(f"/api/sessions/{session}/commit/")
    assert Image.objects.filter(source="box").count() == 2


def test_a_whole_list_comes_after_what_was_moved_before(repository: Engine, idents: list[str]) -> None:
    session = services.open_session("anna")
    many.change_members(session, "shelf", {"remove": idents[:1]})
    services.put_collection(session, "shelf", {}, Collection.objects.get(slug="shelf").version, idents[:2])
    commit(session)
    assert members() == idents[:2]


def test_a_name_that_no_database_has_is_not_there(editor: Client) -> None:
    assert patch(editor, "/api/collections/%00/members/", add=["1" * 64]).status_code == 404
    assert editor.get("/api/collections/%00/history/").status_code == 404


def test_many_move_in_many_within_a_moment() -> None:
    listed = [f"{number:064x}" for number in range(30_000)]
    now = moved(listed, {"move": listed[:10_000], "after": listed[-1]})
    assert now == listed[10_000:] + listed[:10_000]
