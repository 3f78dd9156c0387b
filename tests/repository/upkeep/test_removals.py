"""What is removed is gone at once, can be had back until the grace is over, and then is gone for good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import httpx
import pytest

from mezzotint.errors import Conflict
from mezzotint.names import Ident, parse, trash_key
from mezzotint.objects.clock import store_time
from mezzotint.repository import commits, services
from mezzotint.repository.models import Image, Removal
from mezzotint.repository.upkeep import removals
from mezzotint.wiring import Engine
from tests import pictures
from tests.ageing import age
from tests.conftest import Server, engine_on
from tests.repository.keeping import put_in, rebuilt_equals_live
from tests.repository.test_admin import as_admin, hidden, messages
from tests.servers import start_server

DESCRIBED = {
    "title": "Chrysotype", "description": "Gold", "creator": "Herschel", "rights": "PD", "source": "x", "tags": ["a"],
    "captured": "1842",
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("removals") / "data")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def admin(site: Server) -> Iterator[httpx.Client]:
    with closing(as_admin(site)) as client:
        yield client


def uploaded(site: Server, seed: int, **fields: str) -> tuple[str, list[str]]:
    """An image that was asked for in every way before."""
    ident = site.upload(pictures.jpeg(seed=seed), **fields)
    names = [f"/images/{ident}", f"/images/{ident}.webp", f"/images/{ident}-30x20.png", f"/api/images/{ident}/"]
    assert [site.http.get(name).status_code for name in names] == [200] * len(names)
    return ident, names


def test_a_removed_image_is_gone_at_once_and_comes_back_as_it_was(site: Server) -> None:
    ident, names = uploaded(site, 900, title="Chrysotype", creator="Herschel", tags="a,b", captured="1842")
    before = site.http.get(f"/api/images/{ident}/").json()
    site.writer.delete(f"/api/images/{ident}/").raise_for_status()
    assert [site.http.get(name).status_code for name in names] == [404] * len(names)
    assert [site.http.head(name).status_code for name in names[:3]] == [404] * 3
    (listed,) = [one for one in site.writer.get("/api/removals/").json()["results"] if one["ident"] == ident]
    assert listed["state"]["title"] == "Chrysotype"
    answer = site.writer.post(f"/api/removals/{ident}/restore/")
    assert (answer.status_code, answer.headers["x-durable"], answer.json()["commit"]["durable"]) == (200, "true", True)
    after = site.http.get(f"/api/images/{ident}/").json()
    own = {"added", "version"}
    assert {k: v for k, v in after.items() if k not in own} == {k: v for k, v in before.items() if k not in own}
    assert [site.http.get(name).status_code for name in names] == [200] * len(names)
    assert site.writer.post(f"/api/removals/{ident}/restore/").status_code == 404
    assert all(one["ident"] != ident for one in site.writer.get("/api/removals/").json()["results"])


def test_a_person_brings_images_back_in_the_admin(site: Server, admin: httpx.Client) -> None:
    idents = [uploaded(site, seed, title="Brought back")[0] for seed in (901, 902)]
    for ident in idents:
        site.writer.delete(f"/api/images/{ident}/").raise_for_status()
    address = "/admin/repository/removal/"
    page = admin.get(address).raise_for_status().text
    chosen = re.findall(r'name="_selected_action" value="(\d+)"', page)
    assert len(chosen) == 2
    done = admin.post(address, data=hidden(page) | {"action": "bring_back", "_selected_action": chosen})
    assert "2 images are back" in messages(done.text)
    assert [site.http.get(f"/images/{ident}").status_code for ident in idents] == [200, 200]
    newest = site.writer.get("/api/commits/").json()["results"][0]
    assert (newest["by"], newest["added"]) == ("admin", 2)


def test_it_is_nobodys_without_a_token(site: Server) -> None:
    ident, _ = uploaded(site, 903)
    site.writer.delete(f"/api/images/{ident}/").raise_for_status()
    assert site.http.post(f"/api/removals/{ident}/restore/").status_code == 401
    for name, expected in (("f" * 64, 404), ("nonsense", 400)):
        assert site.writer.post(f"/api/removals/{name}/restore/").status_code in {expected, 404}


def test_until_the_grace_is_over_it_stays_and_then_it_is_gone_with_its_derivatives(
    transactional_db: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with engine_on(tmp_path_factory.mktemp("grace") / "data") as engine:
        ident, kept = put_in(engine, 1, **DESCRIBED), put_in(engine, 2)
        derivative = rendered(engine, ident)
        services.at_once("x", lambda s: services.remove_image(s, ident))
        assert engine.manager.find(derivative) is None
        assert removals.purge_expired(store_time(engine.store)) == 0
        assert removals.removal(ident).state["title"] == "Chrysotype"
        age(engine)
        assert removals.purge_expired(store_time(engine.store)) == 1
        assert removals.purge_expired(store_time(engine.store)) == 0
        assert [info.key for info in engine.store.list("trash/images/")] == []
        assert not Removal.objects.exists()
        assert engine.manager.find(derivative) is None
        assert engine.bases.exists(kept)


def rendered(engine: Engine, ident: Ident) -> str:
    name = f"{ident}-20x15.png"
    _, rendition = parse(name)
    assert rendition is not None
    engine.manager.request(ident, rendition).result()
    assert engine.manager.find(name) is not None
    return name


def test_an_image_that_came_back_is_not_purged(
    transactional_db: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with engine_on(tmp_path_factory.mktemp("grace") / "data", MEZZOTINT_GRACE="0s") as engine:
        ident = put_in(engine, 1, **DESCRIBED)
        services.at_once("x", lambda s: services.remove_image(s, ident))
        services.at_once("x", lambda s: services.bring_back(s, ident))
        assert removals.purge_expired(store_time(engine.store) + 10) == 0
        assert engine.bases.exists(ident)
        image = Image.objects.get(ident=ident)
        assert {name: getattr(image, name) for name in DESCRIBED} == DESCRIBED


def test_removals_and_what_came_back_are_in_the_journal(repository: Engine) -> None:
    idents = [put_in(repository, seed, title=f"No. {seed}") for seed in range(3)]
    for ident in idents[:2]:
        services.at_once("x", lambda s, one=ident: services.remove_image(s, one))  # type: ignore[misc]
    services.at_once("x", lambda s: services.bring_back(s, idents[0]))
    assert [removal.ident for removal in Removal.objects.all()] == [idents[1]]
    rebuilt_equals_live()
    assert [repository.bases.exists(ident) for ident in idents] == [True, False, True]
    assert repository.store.stat(trash_key(idents[1])).size > 0


def test_what_was_purged_is_forgotten_by_the_journal_too(
    transactional_db: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A database that is made anew offers nothing to bring back that is not there."""
    with engine_on(tmp_path_factory.mktemp("grace") / "data", MEZZOTINT_GRACE="0s") as engine:
        ident = put_in(engine, 1)
        commits.flush("tester")
        services.at_once("x", lambda s: services.remove_image(s, ident))
        assert removals.purge_expired(store_time(engine.store) + 10) == 1
        commits.flush("tester")
        rebuilt_equals_live()
        assert not Removal.objects.exists()


def test_what_came_back_goes_on_from_the_version_it_had(repository: Engine) -> None:
    """An edit that saw it before it went comes too late; its collections have it again, those that are left."""
    ident = put_in(repository, 61, title="First")
    services.at_once("x", partial(services.put_collection, slug="gone", fields={"title": "Gone"}, images=[ident]))
    services.at_once("x", partial(services.edit_image, ident=ident, version=1, fields={"title": "Second"}))
    services.at_once("x", partial(services.remove_image, ident=ident))
    services.at_once("x", partial(services.remove_collection, slug="gone"))
    _, done = services.at_once("x", partial(services.bring_back, ident=ident))
    assert (done.added, done.edited, done.collections) == (1, 0, 1)
    image = Image.objects.get(ident=ident)
    assert (image.version, image.title) == (3, "Second")
    assert [found.slug for found in image.collections.all()] == ["shelf"]
    for seen in (1, 2):
        with pytest.raises(Conflict):
            services.at_once("x", partial(services.edit_image, ident=ident, version=seen, fields={"rights": "Late"}))
    services.at_once("x", partial(services.edit_image, ident=ident, version=3, fields={"rights": "In time"}))
    services.at_once("x", partial(services.remove_image, ident=ident))
    assert put_in(repository, 61) == ident
    assert Image.objects.get(ident=ident).version == 5, "uploading it again is no way around"
    rebuilt_equals_live()
