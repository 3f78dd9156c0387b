"""Who sees a collection, and the pictures in it: at every door."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.utils import timezone

from mezzotint import tokens
from mezzotint.errors import InvalidInput
from mezzotint.repository import commits, metadata, services
from mezzotint.repository.models import Image
from mezzotint.repository.readers import Reader
from mezzotint.wiring import Engine
from tests import pictures
from tests.repository.adding import add_image

TODAY = timezone.now().date()
YESTERDAY, TOMORROW = (str(TODAY + timedelta(days=days)) for days in (-1, 1))
COLLECTIONS = {"open": "public", "house": "login", "printers": "group:printers", "past": YESTERDAY, "soon": TOMORROW}
VISITORS = {
    "nobody": {"open", "past"},
    "a login": {"open", "past", "house"},
    "a printer": {"open", "past", "house", "printers"},
    "a token that reads": {"open", "past", "house"},
    "a token that writes": set(COLLECTIONS),
    "an editor": set(COLLECTIONS),
}


@pytest.fixture
def idents(repository: Engine) -> dict[str, str]:
    """One in each, one in none, one in `soon` and `open`."""
    Group.objects.create(name="printers")
    Group.objects.create(name="binders")
    session = services.open_session("tester")
    found = {}
    for seed, name in enumerate([*COLLECTIONS, "none", "both"]):
        joined = {"none": {}, "both": {"soon": "soon", "open": "open"}}.get(name, {name: name})
        base = repository.bases.add([pictures.png(seed=700 + seed)])
        add_image(session, base, {"title": f"picture {name}", "tags": ["seen"]}, joined)
        found[name] = str(base.ident)
    commits.commit(session)
    for slug, visibility in COLLECTIONS.items():
        change = partial(services.put_collection, slug=slug, fields={"visibility": visibility}, version=1)
        services.at_once("tester", change)
    return found


def client_of(visitor: str, engine: Engine) -> Client:
    client = Client()
    if visitor.startswith("a token"):
        scope = tokens.Scope.READ if visitor.endswith("reads") else tokens.Scope.WRITE
        client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {tokens.issue(engine.settings.secret_key, scope, 1)}"
    elif visitor != "nobody":
        user = User.objects.create_user(visitor.replace(" ", "-"), password="x")
        if visitor == "a printer":
            user.groups.add(Group.objects.get(name="printers"))
        if visitor == "an editor":
            user.user_permissions.add(Permission.objects.get(codename="change_image"))
        client.force_login(user)
    return client


def seen(visitor: str) -> set[str]:
    """Names of images."""
    return VISITORS[visitor] | {"none", "both"}


@pytest.mark.parametrize("visitor", VISITORS)
def test_lists_and_searches_have_what_the_visitor_sees(
    repository: Engine, idents: dict[str, str], visitor: str
) -> None:
    client, names = client_of(visitor, repository), {ident: name for name, ident in idents.items()}
    for query in ("", "?search=picture", "?tag=seen"):
        listed = client.get(f"/api/images/{query}").json()["results"]
        assert {names[one["ident"]] for one in listed} == seen(visitor)
        assert {slug for one in listed for slug in one["collections"]} == VISITORS[visitor]
    assert {one["slug"] for one in client.get("/api/collections/").json()["results"]} == VISITORS[visitor]
    for slug in COLLECTIONS:
        listed = client.get(f"/api/images/?collection={slug}").json()["results"]
        assert bool(listed) == (slug in VISITORS[visitor])
    exported = client.get("/api/export/?as=json")
    text = async_to_sync(_whole)(exported)
    assert {name for ident, name in names.items() if ident in text} == seen(visitor)
    assert ('"soon"' in text) == ("soon" in VISITORS[visitor])


async def _whole(answer: Any) -> str:
    return b"".join([piece async for piece in answer.streaming_content]).decode()


DOORS: dict[str, Callable[[str], str]] = {
    "image in the API": lambda ident: f"/api/images/{ident}/",
    "image's page": lambda ident: f"/image/{ident}/",
    "image's manifest": lambda ident: f"/iiif/presentation/3/images/{ident}/manifest.json",
}
OF_COLLECTIONS = ("/api/collections/{}/", "/collection/{}/", "/collection/{}/read/",
                  "/iiif/presentation/3/collections/{}/manifest.json")  # fmt: skip


@pytest.mark.parametrize("visitor", [one for one in VISITORS if not one.startswith("a token")])
def test_each_door_has_what_the_visitor_sees_and_nothing_else(
    repository: Engine, idents: dict[str, str], visitor: str
) -> None:
    client = client_of(visitor, repository)
    for name, ident in idents.items():
        for door, address in DOORS.items():
            status = client.get(address(ident)).status_code
            assert status == (200 if name in seen(visitor) else 404), (door, name)
    for slug in COLLECTIONS:
        for pattern in OF_COLLECTIONS:
            status = client.get(pattern.format(slug)).status_code
            assert status == (200 if slug in VISITORS[visitor] else 404), (pattern, slug)
    front = client.get("/").content.decode()
    assert {name for name, ident in idents.items() if f"/image/{ident}/" in front} == seen(visitor)
    covers = client.get("/collection/").content.decode()
    assert {slug for slug in COLLECTIONS if f"/collection/{slug}/" in covers} == VISITORS[visitor]
    both = client.get(f"/image/{idents['both']}/").content.decode()
    assert ("/collection/soon/" in both) == ("soon" in VISITORS[visitor])
    listed = client.get("/iiif/presentation/3/collection.json").json()["items"]
    assert {one["id"].split("/")[-2] for one in listed} == VISITORS[visitor]
    activities = client.get("/iiif/discovery/activity/0.json").json()["orderedItems"]
    told = {one["object"]["id"].split("/")[-2] for one in activities}
    assert {name for name, ident in idents.items() if ident in told} == seen(visitor)
    assert {slug for slug in COLLECTIONS if slug in told} == VISITORS[visitor]


def test_an_embargo_ends_by_itself(repository: Engine, idents: dict[str, str]) -> None:
    assert Client().get("/collection/soon/").status_code == 404
    change = partial(services.put_collection, slug="soon", fields={"visibility": str(TODAY)}, version=2)
    services.at_once("tester", change)
    assert Client().get("/collection/soon/").status_code == 200


def test_a_group_that_is_gone_shows_to_nobody(repository: Engine, idents: dict[str, str]) -> None:
    client = client_of("a printer", repository)
    Group.objects.get(name="printers").delete()
    assert client.get("/collection/printers/").status_code == 404


@pytest.mark.parametrize(
    "given",
    ["Public", "private", "group:", "group: ", "2026-13-01", "2026-1-1", "26-01-01", "2026-02-30", "login ,", 7],
)
def test_a_visibility_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(InvalidInput, match="visibility"):
        metadata.clean_collection({"visibility": given})


def test_a_group_that_is_not_there_is_refused_in_words(repository: Engine, idents: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match=r"'painters'.*binders, printers"):
        services.at_once("tester", lambda s: services.put_collection(s, "open", {"visibility": "group:painters"}, 2))


def test_where_nothing_is_hidden_nothing_is_asked_for_each_image(repository: Engine) -> None:
    assert str(Reader().images().query) == str(Image.objects.all().query)


def test_what_was_hidden_stays_so_when_it_is_removed(repository: Engine, idents: dict[str, str]) -> None:
    services.at_once("tester", lambda s: services.remove_image(s, idents["printers"]))
    services.at_once("tester", lambda s: services.remove_image(s, idents["open"]))
    for slug in ("soon", "house", "past"):
        services.at_once("tester", partial(services.remove_collection, slug=slug))
    body = Client().get("/iiif/discovery/activity/0.json").content.decode()
    assert idents["printers"] not in body and idents["open"] in body
    for slug in ("soon", "house"):
        deleted = f'"Delete", "object": {{"id": "http://testserver/iiif/presentation/3/collections/{slug}/'
        assert deleted not in body
    assert "/collections/past/" in body
