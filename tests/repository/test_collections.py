"""Ordered collections."""

from __future__ import annotations

from functools import partial

import pytest

from mezzotint.errors import Conflict, InvalidInput, InvalidName, NotFound
from mezzotint.repository import commits, filters, queries, services
from mezzotint.repository.models import Collection, Commit, Image
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import Server
from tests.repository.adding import add_image
from tests.repository.keeping import put_in


@pytest.fixture
def idents(repository: Engine) -> list[str]:
    session = services.open_session("tester")
    bases = [repository.bases.add([pictures.png(seed=seed)]) for seed in range(5)]
    for base in bases:
        add_image(session, base, {}, {"shelf": "The shelf"})
    commits.commit(session)
    return [str(base.ident) for base in bases]


def put(slug: str, version: object = None, images: object = None, **fields: object) -> None:
    services.at_once("tester", lambda s: services.put_collection(s, slug, fields, version, images))


def members(slug: str) -> list[str]:
    memberships = queries.collection(slug).memberships.select_related("image").order_by("position")
    return [membership.image.ident for membership in memberships]


def test_images_stand_in_the_order_in_which_they_joined(repository: Engine, idents: list[str]) -> None:
    assert members("shelf") == idents
    late = repository.bases.add([pictures.png(seed=9)])
    services.at_once("tester", lambda s: add_image(s, late, {}, {"shelf": "ignored"}))
    assert members("shelf") == [*idents, late.ident]
    assert queries.collection("shelf").title == "The shelf"


def test_an_image_joins_a_collection_once(repository: Engine, idents: list[str]) -> None:
    again = repository.bases.add([pictures.png(seed=0)])
    services.at_once("tester", lambda s: add_image(s, again, {}, {"shelf": "The shelf"}))
    assert members("shelf") == idents


def test_a_collection_is_put_in_another_order(idents: list[str]) -> None:
    order = [idents[i] for i in (3, 0, 4, 2, 1)]
    put("shelf", 1, order)
    assert members("shelf") == order
    put("shelf", 2, order[::-1])
    assert members("shelf") == order[::-1]


def test_a_collection_loses_what_its_new_list_leaves_out(idents: list[str]) -> None:
    put("shelf", 1, idents[1:3])
    assert members("shelf") == idents[1:3]
    assert filters.images({}).count() == len(idents)
    put("shelf", 2, [])
    assert members("shelf") == []


def test_a_collection_is_made_and_renamed(idents: list[str]) -> None:
    put("new", None, idents[:2], title="New", description="Some")
    put("new", 1, title="Newer")
    new = queries.collection("new")
    assert (new.title, new.description, new.version) == ("Newer", "Some", 2)
    assert members("new") == idents[:2]


def test_a_collection_may_hold_what_the_same_session_adds(repository: Engine) -> None:
    session = services.open_session("tester")
    bases = [repository.bases.add([pictures.png(seed=seed)]) for seed in (7, 6, 5)]
    for base in bases:
        add_image(session, base, {})
    services.put_collection(session, "new", {}, None, [base.ident for base in bases])
    commits.commit(session)
    assert members("new") == [base.ident for base in bases]


def test_a_collection_changed_meanwhile_is_refused(idents: list[str]) -> None:
    late = services.open_session("late")
    services.put_collection(late, "shelf", {"title": "Late"}, 1)
    put("shelf", 1, title="Early")
    with pytest.raises(Conflict) as refused:
        commits.commit(late)
    assert refused.value.fields == {"shelf": ["title"]}
    assert queries.collection("shelf").title == "Early"


def test_a_collection_removed_meanwhile_is_refused(idents: list[str]) -> None:
    late = services.open_session("late")
    services.put_collection(late, "shelf", {"title": "Late"}, 1)
    services.at_once("tester", lambda s: services.remove_collection(s, "shelf"))
    with pytest.raises(Conflict) as refused:
        commits.commit(late)
    assert "shelf" in refused.value.fields
    assert queries.find_collection("shelf") is None


def test_two_who_make_the_same_collection_do_not_overwrite_each_other(idents: list[str]) -> None:
    one, two = services.open_session("one"), services.open_session("two")
    services.put_collection(one, "new", {"title": "One"}, None, idents[:2])
    services.put_collection(two, "new", {"title": "Two"}, None, idents[2:])
    commits.commit(one)
    with pytest.raises(Conflict) as refused:
        commits.commit(two)
    assert "new" in refused.value.fields
    assert (queries.collection("new").title, members("new")) == ("One", idents[:2])


def test_removing_a_collection_keeps_its_images(idents: list[str]) -> None:
    services.at_once("tester", lambda s: services.remove_collection(s, "shelf"))
    with pytest.raises(NotFound):
        queries.collection("shelf")
    assert filters.images({}).count() == len(idents)


def test_removing_an_image_takes_it_out_of_its_collections(idents: list[str]) -> None:
    services.at_once("tester", lambda s: services.remove_image(s, idents[2]))
    assert members("shelf") == [ident for ident in idents if ident != idents[2]]


@pytest.mark.parametrize("images", ["text", {"a": 1}, 5, [1], ["x"], [None], ["0" * 63]])
def test_a_list_of_anything_else_is_refused(idents: list[str], images: object) -> None:
    with pytest.raises((InvalidInput, InvalidName)):
        put("shelf", 1, images)
    assert members("shelf") == idents


def test_a_list_with_doubles_or_strangers_is_refused(idents: list[str]) -> None:
    for images in ([idents[0], idents[0]], [idents[0], "0" * 64]):
        with pytest.raises(InvalidInput) as refused:
            put("shelf", 1, images)
        assert refused.value.field == "images"
    assert members("shelf") == idents


def test_changing_a_collection_names_its_version(idents: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        put("shelf", None, title="New")
    assert refused.value.field == "version"


NAMES = ["Фото 1", "Архив 1", "写真", "図書", "Étude", "Etude!", "1", "Shelf  1", "😀"]


def test_no_two_names_are_one_collection(repository: Engine) -> None:
    """Of whatever script; letters of either case, and spaces, make no other name."""
    for seed, name in enumerate(NAMES):
        for again, spelt in enumerate((name, name.upper(), f" {name} ".replace(" ", "  "))):
            base = repository.bases.add([pictures.png(seed=900 + 10 * seed + again)])
            cleaned = spelt.strip()
            services.at_once("x", partial(add_image, base=base, fields={}, collections={cleaned: cleaned}))
    found = {found.title: (found.slug, found.images.count()) for found in Collection.objects.all()}
    assert found == {
        "Фото 1": ("foto-1", 3),
        "Архив 1": ("arkhiv-1", 3),
        "写真": ("xiezhen", 3),
        "図書": ("tushu", 3),
        "Étude": ("etude", 3),
        "Etude!": ("etude-2", 3),
        "1": ("1", 3),
        "Shelf  1": ("shelf-1", 3),
        "😀": (found["😀"][0], 3),
    }


def test_names_of_one_session_that_sound_alike_stay_apart(repository: Engine) -> None:
    session = services.open_session("x")
    base = repository.bases.add([pictures.png(seed=990)])
    add_image(session, base, {}, {name: name for name in ("Étude", "Etude!", "étude")})
    services.put_collection(session, "etude-2", {"title": "Third"})
    commits.commit(session)
    assert dict(Collection.objects.values_list("slug", "title")) == {
        "etude": "Etude!", "etude-2": "Third", "etude-3": "Étude",
    }  # fmt: skip


def test_what_changes_nothing_makes_no_version(repository: Engine) -> None:
    ident = put_in(repository, 995, title="Same")
    shelf = Collection.objects.get(slug="shelf")
    before = Commit.objects.count()
    for fields, images in (({"title": shelf.title}, None), ({}, [ident]), ({"description": ""}, [ident])):
        services.at_once("x", partial(services.put_collection, slug="shelf", fields=fields, version=1, images=images))
        assert Collection.objects.get(slug="shelf").version == 1
    services.at_once("x", partial(services.edit_image, ident=ident, version=1, fields={"title": "Same"}))
    assert Image.objects.get(ident=ident).version == 1
    assert Commit.objects.count() >= before
    services.at_once("x", partial(services.put_collection, slug="shelf", fields={}, version=1, images=[]))
    assert Collection.objects.get(slug="shelf").version == 2


def test_a_slug_is_kept_or_refused(server: Server) -> None:
    for title in ("Ноты 7", "Noty 7"):
        made = server.writer.post("/api/collections/", json={"title": title})
        assert made.status_code == 201
    assert made.json()["slug"] == "noty-7-2"
    other = server.writer.patch("/api/collections/noty-7/", json={"version": 1, "slug": "else"})
    assert (other.status_code, other.json()["errors"][0]["field"]) == (400, "slug")
    same = server.writer.patch("/api/collections/noty-7/", json={"version": 1, "slug": "noty-7", "title": "Ноты 7"})
    assert (same.status_code, same.json()["version"]) == (200, 1)
