"""Who may do what, as the table of `docs/security.md` has it: every cell."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from mezzotint import tokens
from mezzotint.repository import roles, services
from mezzotint.repository.models import UpdateSession
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import engine_on
from tests.repository.keeping import put_in

ACTORS = ("nobody", "nobody, private", "scope read", "scope write", "a login", "staff", "somebody with")
DOCUMENT = {"@type": "Collection", "member": [{"id": "1", "origin": "https://example.org/a.pdf"}]}
Ask = Callable[[APIClient], Any]


def table() -> Iterator[tuple[str, dict[str, str]]]:
    """What, and what the table says of each actor."""
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text().partition("| what | nobody |")[2]
    for line in text.splitlines()[2:]:
        if not line.startswith("|"):
            return
        what, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        yield what, dict(zip(ACTORS, cells, strict=True))


TABLE = dict(table())


def session(by: str) -> UpdateSession:
    return services.open_session(by)


def picture() -> SimpleUploadedFile:
    return SimpleUploadedFile("a.png", pictures.png(seed=uuid.uuid4().int % 2**31), "image/png")


def asks(engine: Engine, name: str) -> dict[str, Ask]:
    """One request for each line, to what was put in for it. `name` is who the asker goes by."""
    ident = put_in(engine, 7)
    gone = put_in(engine, 8)
    services.at_once("x", partial(services.remove_image, ident=gone))
    services.at_once("x", partial(services.put_collection, slug="table", fields={}))
    mine, others, image = session(name).pk, session("somebody else").pk, f"/api/images/{ident}/"

    def put(verb: str, address: str, **data: Any) -> Ask:
        return lambda client: getattr(client, verb)(address, data, "json")

    def named(client: APIClient) -> Any:
        answer = client.get("/api/commits/")
        if answer.status_code == 200 and answer.json()["results"][0]["by"] is None:
            answer.status_code = 403
        return answer

    def own(client: APIClient) -> Any:
        opened = client.post("/api/sessions/", {}, "json")
        if opened.status_code != 201:
            return opened
        address = f"/api/sessions/{opened.json()['id']}/"
        assert client.get("/api/sessions/").status_code == client.get(address).status_code == 200
        return client.delete(address)

    def own_commit(client: APIClient) -> Any:
        opened = client.post("/api/sessions/", {}, "json")
        return client.post(f"/api/sessions/{opened.json()['id']}/commit/") if opened.status_code == 201 else opened

    return {
        "read images and collections": put("get", image),
        "have pictures fetched": lambda client: client.post(
            "/fire_and_forget", {"urls": ["https://example.org/a.jpg"]}, "json"
        ),
        "see who made a commit, and its note": named,
        "see what was removed": put("get", "/api/removals/"),
        "see snapshots": put("get", "/api/snapshots/"),
        "have a snapshot made": put("post", "/api/snapshots/"),
        "add an image": lambda client: client.post("/api/images/", {"file": picture()}),
        "add an image to a collection": lambda client: client.post(
            "/api/images/", {"file": picture(), "collection": "shelf"}
        ),
        "describe an image": put("patch", image, version=1, title="Mine"),
        "remove an image": put("delete", f"{image}?version=1"),
        "bring a removed image back": put("post", f"/api/removals/{gone}/restore/"),
        "make a collection": put("post", "/api/collections/", title="Attic"),
        "change a collection": put("patch", "/api/collections/shelf/", version=1, title="Mine"),
        "remove a collection": put("delete", "/api/collections/shelf/"),
        "open, see and abort a session of one's own": own,
        "commit a session of one's own": own_commit,
        "see somebody else's session": put("get", f"/api/sessions/{others}/"),
        "abort or commit somebody else's session": put("delete", f"/api/sessions/{others}/"),
        "add an image in a session": lambda client: client.post(f"/api/sessions/{mine}/images/", {"file": picture()}),
        "describe an image in a session": put(
            "patch", f"/api/sessions/{mine}/images/{ident}/", version=1, title="Mine"
        ),
        "remove an image in a session": put("delete", f"/api/sessions/{mine}/images/{ident}/?version=1"),
        "change a collection in a session": put(
            "put", f"/api/sessions/{mine}/collections/table/", version=1, title="Mine"
        ),
        "remove a collection in a session": put("delete", f"/api/sessions/{mine}/collections/shelf/"),
        "delete a picture by its URL": put("delete", "/delete_image?url=https://example.org/a.jpg"),
        "send documents": put("post", "/customers/1/queue", **DOCUMENT),
    }


def client_of(actor: str, engine: Engine, permissions: str = "") -> APIClient:
    client = APIClient(raise_request_exception=False)
    if actor.startswith("scope"):
        token = tokens.issue(engine.settings.secret_key, tokens.Scope(actor.split()[1]), 1)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    elif not actor.startswith("nobody"):
        user = User.objects.create_user("eve", is_staff=actor.startswith("staff"))
        for name in permissions.split(", ") if permissions else ():
            app, _, codename = name.partition(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
        client.force_login(user)
    return client


@pytest.fixture
def holding(transactional_db: None, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    private = "private" in request.param
    with engine_on(tmp_path / "data", MEZZOTINT_PUBLIC_READ="false" if private else "true") as opened:
        yield opened


def is_denied(what: str, status: int) -> bool:
    """Of sessions of others nobody is told that they are there."""
    assert status < 500, what
    return status in {401, 403} or (status == 404 and "somebody else" in what)


@pytest.mark.parametrize(("actor", "holding"), [(actor, actor) for actor in ACTORS], indirect=["holding"])
def test_every_cell(holding: Engine, actor: str) -> None:
    asked = asks(holding, "token token" if actor.startswith("scope") else "eve")
    assert asked.keys() == TABLE.keys(), "every line is tried"
    wrong = {}
    for what, cells in TABLE.items():
        User.objects.filter(username="eve").delete()
        permissions = cells[actor] if actor == "somebody with" else ""
        status = asked[what](client_of(actor, holding, permissions)).status_code
        if is_denied(what, status) == (cells[actor] != "no"):
            wrong[what] = status
    assert not wrong


@pytest.mark.parametrize("holding", ["public"], indirect=True)
def test_who_may_change_images_sees_no_session_of_others(holding: Engine) -> None:
    others = services.open_session("somebody else")
    may = ", ".join(f"repository.{name}" for name in ("change_image", "add_image", "view_updatesession", "add_commit"))
    client = client_of("staff", holding, may)
    address = f"/api/sessions/{others.pk}/"
    assert client.get(address).status_code == 200
    assert client.delete(address).status_code == client.post(f"{address}commit/").status_code == 404
    assert client.post(f"{address}images/", {"file": picture()}).status_code == 404
    User.objects.get().user_permissions.remove(Permission.objects.get(codename="view_updatesession"))
    client.force_login(User.objects.get())
    assert client.get(address).status_code == 404
    assert client.get("/api/sessions/").json()["results"] == []


@pytest.mark.parametrize("holding", ["public"], indirect=True)
def test_who_may_make_collections_changes_none(holding: Engine) -> None:
    """By whatever way: a POST over one that is there, a PUT in a session, an upload that joins one."""
    put_in(holding, 9)
    client = client_of("staff", holding, "repository.add_collection, repository.add_image, repository.add_commit")
    over = {"slug": "shelf", "version": 1, "title": "Mine", "images": []}
    assert client.post("/api/collections/", over, "json").status_code == 403
    opened = client.post("/api/sessions/", {}, "json").json()["id"]
    there = f"/api/sessions/{opened}/collections/"
    assert client.put(f"{there}shelf/", {"version": 1, "title": "Mine"}, "json").status_code == 403
    assert client.put(f"{there}attic/", {"title": "New"}, "json").status_code == 204
    assert client.post("/api/images/", {"file": picture(), "collection": "Shelf"}).status_code == 403
    assert client.post("/api/images/", {"file": picture(), "collection": "Cellar"}).status_code == 201


WHAT_ROLES_MAY = {
    "viewer": set[str](),
    "contributor": {
        "open, see and abort a session of one's own", "add an image in a session", "describe an image in a session",
        "change a collection in a session",
    },
}  # fmt: skip
WHAT_ROLES_MAY["editor"] = WHAT_ROLES_MAY["contributor"] | {
    "see who made a commit, and its note", "see what was removed", "add an image", "add an image to a collection",
    "describe an image", "remove an image", "bring a removed image back", "make a collection", "change a collection",
    "remove a collection", "commit a session of one's own", "see somebody else's session",
    "abort or commit somebody else's session", "remove an image in a session", "remove a collection in a session",
}  # fmt: skip
WHAT_ROLES_MAY["admin"] = set(TABLE)


@pytest.mark.parametrize("role", roles.ROLES)
@pytest.mark.parametrize("holding", ["public"], indirect=True)
def test_every_role_may_what_its_name_says(holding: Engine, role: str) -> None:
    assert roles.make() == list(roles.ROLES) and roles.make() == []
    asked, may = asks(holding, "eve"), set()
    for what in TABLE:
        User.objects.filter(username="eve").delete()
        client = client_of("a login", holding)
        User.objects.get(username="eve").groups.add(Group.objects.get(name=role))
        status = asked[what](client).status_code
        if not is_denied(what, status):
            may.add(what)
    assert may - {"read images and collections", "have pictures fetched"} == WHAT_ROLES_MAY[role] - {
        "read images and collections", "have pictures fetched"
    }  # fmt: skip
