"""MEZZOTINT_PRIVATE_BYTES: pictures outside public collections are for who has a login, a token or a signed address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from mezzotint.settings import Settings
from mezzotint.signatures import signer_of
from mezzotint.tokens import Scope
from tests import pictures
from tests.conftest import Server, run
from tests.waiting import until

WAYS = (
    "/images/{}",
    "/images/{}-w40.jpg",
    "/images/{}-w40.auto",
    "/iiif/3/{}/info.json",
    "/iiif/3/{}/full/40,/0/default.jpg",
    "/iiif/2/{}/full/40,/0/default.jpg",
)


@pytest.fixture(scope="module")
def server(serve_here: Callable[..., Server]) -> Server:
    return serve_here(MEZZOTINT_PRIVATE_BYTES="true")


@pytest.fixture
def person(server: Server) -> Iterator[httpx.Client]:
    """Somebody who has logged in by the page."""
    name = f"eve{datetime.now().timestamp()}"
    made = "from django.contrib.auth.models import User; User.objects.create_user('{}', password='a long one 77')"
    assert run(server.data, "manage", "shell", "-c", made.format(name)).returncode == 0
    with httpx.Client(base_url=server.url, follow_redirects=True) as client:
        secret = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', client.get("/login/").text)
        assert secret is not None
        form = {"username": name, "password": "a long one 77", "csrfmiddlewaretoken": secret[1], "next": "/"}
        assert client.post("/login/", data=form).status_code == 200
        yield client


def statuses(client: httpx.Client, ident: str, **headers: str) -> set[int]:
    return {client.get(way.format(ident), headers=headers).status_code for way in WAYS}


def becomes(server: Server, ident: str, wanted: int) -> None:
    until(lambda: statuses(server.http, ident) == {wanted})


def put(server: Server, slug: str, **fields: object) -> None:
    now = server.writer.get(f"/api/collections/{slug}/").json()
    server.writer.patch(f"/api/collections/{slug}/", json={"version": now["version"], **fields}).raise_for_status()


def test_who_is_not_known_has_what_a_public_collection_has(server: Server) -> None:
    alone = server.upload(pictures.png(seed=1))
    shelved = server.upload(pictures.png(seed=2), collection="Shelf")
    becomes(server, shelved, 200)
    assert statuses(server.http, alone) == {401}
    assert statuses(server.http, "0" * 64) == {401}, "it is told what is not there"
    assert server.http.get(f"/images/{shelved}-w40.jpg").headers["cache-control"].startswith("private")


def test_a_token_and_a_signed_address_open_it(server: Server) -> None:
    ident = server.upload(pictures.png(seed=3))
    token = f"Bearer {server.token(Scope.READ)}"
    assert statuses(server.http, ident, Authorization=token) == {200}
    assert statuses(server.http, ident) == {401}, "what was made for one is given to all"
    signer = signer_of(Settings.read({"MEZZOTINT_DATA": str(server.data)}))
    for way in WAYS:
        assert server.http.get(signer.sign(way.format(ident))).status_code == 200
        assert server.http.get(way.format(ident)).status_code == 401


@pytest.mark.parametrize("visibility", ["login", "day"])
def test_it_follows_who_sees_the_collection(server: Server, visibility: str) -> None:
    today = datetime.now(UTC).date()
    hidden = "login" if visibility == "login" else (today + timedelta(days=3)).isoformat()
    shown = "public" if visibility == "login" else today.isoformat()
    ident = server.upload(pictures.png(seed=len(visibility)), collection=f"Box {visibility}")
    slug = f"box-{visibility}"
    becomes(server, ident, 200)
    put(server, slug, visibility=hidden)
    becomes(server, ident, 401)
    put(server, slug, visibility=shown)
    becomes(server, ident, 200)
    put(server, slug, images=[])
    becomes(server, ident, 401)
    put(server, slug, images=[ident])
    becomes(server, ident, 200)
    server.writer.delete(f"/api/collections/{slug}/").raise_for_status()
    becomes(server, ident, 401)


def test_one_of_two_collections_is_enough(server: Server) -> None:
    ident = server.upload(pictures.png(seed=20), collection="First")
    server.upload(pictures.png(seed=21), collection="Second")
    put(server, "second", images=[ident])
    put(server, "first", visibility="login")
    becomes(server, ident, 200)
    put(server, "second", visibility="login")
    becomes(server, ident, 401)


def test_a_login_opens_it_and_its_end_closes_it(server: Server, person: httpx.Client) -> None:
    ident = server.upload(pictures.png(900, 700, seed=30), title="Mine")
    assert statuses(person, ident) == {200}
    page = person.get(f"/image/{ident}/").text
    secret = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page)
    shown = re.search(rf'src="(/images/{ident}[^"]+)"', page)
    assert shown is not None and "signature=" in shown[1]
    assert server.http.get(shown[1].replace("&amp;", "&")).status_code == 200
    assert "openseadragon" in page
    assert secret is not None
    person.post("/logout/", data={"csrfmiddlewaretoken": secret[1]})
    assert statuses(person, ident) == {401}


def test_a_cookie_that_is_no_good_is_none(server: Server) -> None:
    ident = server.upload(pictures.png(seed=40), collection="Open")
    becomes(server, ident, 200)
    for cookie in ("mezzotint_read=x", "mezzotint_read=", "a=b; mezzotint_read=eyJ.x.y"):
        assert statuses(server.http, ident, Cookie=cookie) == {200}
        assert statuses(server.http, "1" * 64, Cookie=cookie) == {401}


def test_what_is_known_is_said_anew_where_it_was_lost(server: Server) -> None:
    ident = server.upload(pictures.png(seed=50), collection="Kept")
    becomes(server, ident, 200)
    for end in ("", "-wal", "-shm"):
        (server.data / "host" / f"host.sqlite3{end}").unlink(missing_ok=True)
    until(lambda: (server.data / "host" / "host.sqlite3").exists())
    becomes(server, ident, 200)


def test_who_is_not_known_sees_only_what_is_in_public_collections(server: Server) -> None:
    alone = server.upload(pictures.png(seed=60), title="Alone")
    assert server.http.get(f"/image/{alone}/").status_code == 404
    assert alone not in server.http.get("/").text and alone not in server.http.get("/api/images/").text
    assert server.http.get(f"/iiif/presentation/3/images/{alone}/manifest.json").status_code == 404
    assert server.writer.get(f"/api/images/{alone}/").status_code == 200


def test_another_collection_of_the_same_name_shows_nothing_of_the_first(server: Server) -> None:
    ident = server.upload(pictures.png(seed=70), collection="Twice")
    other = server.upload(pictures.png(seed=71), collection="Twice other")
    becomes(server, ident, 200)
    server.writer.delete("/api/collections/twice/").raise_for_status()
    made = server.writer.post("/api/collections/", json={"slug": "twice", "title": "Twice", "images": [other]})
    assert made.status_code == 201
    becomes(server, ident, 401)
