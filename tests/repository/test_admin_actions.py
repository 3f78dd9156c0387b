"""The admin's actions on what is chosen, refusals told in its pages, and the names that it shows."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

import pytest
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from mezzotint import wiring
from mezzotint.journal import Journal
from mezzotint.names import base_key, trash_key
from mezzotint.repository import commits, services
from mezzotint.repository.intake import capture
from mezzotint.repository.models import (
    Applying,
    Captured,
    Collection,
    Commit,
    Image,
    Installation,
    Membership,
    Removal,
    SessionChange,
    Sighting,
    Snapshot,
    UpdateSession,
)
from mezzotint.wiring import Engine
from tests.faults import FaultyStore
from tests.repository.keeping import put_in


@pytest.fixture
def admin(repository: Engine) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada", password="a long enough one 8"))
    commits.flush("tester")
    return client


def text(answer: object) -> str:
    content = answer.content.decode()  # type: ignore[attr-defined]
    return re.sub(r"\s+", " ", content)


def act(client: Client, model: str, action: str, *chosen: Model, **more: str) -> str:
    data = {"action": action, "_selected_action": [str(one.pk) for one in chosen]} | more
    return text(client.post(f"/admin/repository/{model}/", data, follow=True))


def test_one_image_is_deleted_from_its_page(admin: Client, repository: Engine) -> None:
    ident, kept = put_in(repository, 1, title="Kallitype"), put_in(repository, 2)
    address = f"/admin/repository/image/{Image.objects.get(ident=ident).pk}/delete/"
    assert "Kallitype" in text(admin.get(address))
    assert "was deleted successfully" in text(admin.post(address, {"post": "yes"}, follow=True))
    assert list(Image.objects.values_list("ident", flat=True)) == [kept]
    assert Removal.objects.get().by == "ada"
    assert (repository.bases.exists(ident), repository.bases.life.is_in_trash(ident)) == (False, True)
    assert Commit.objects.latest("seq").removed == 1


def test_thousands_are_deleted_at_once(admin: Client, repository: Engine) -> None:
    """Each is a field of the form by which they are deleted. Their bytes are not at hand, and are not needed."""
    about = {"width": 1, "height": 1, "format": "png", "bytes": 1, "added": timezone.now()}
    made = [Image(ident=f"{number:064x}", **about) for number in range(5000)]
    Image.objects.bulk_create(made)
    act(admin, "image", "delete_selected", *Image.objects.all(), post="yes")
    assert (Image.objects.count(), Commit.objects.latest("seq").removed) == (0, 5000)


def test_collections_are_deleted_together_and_their_images_stay(admin: Client, repository: Engine) -> None:
    put_in(repository, 3)
    for slug in ("attic", "cellar"):
        services.at_once("x", partial(services.put_collection, slug=slug, fields={"title": slug}))
    before = Commit.objects.count()
    gone = Collection.objects.filter(slug__in=["shelf", "attic"])
    assert "attic" in act(admin, "collection", "delete_selected", *gone)
    assert Collection.objects.count() == 3, "it asks first"
    act(admin, "collection", "delete_selected", *gone, post="yes")
    assert list(Collection.objects.values_list("slug", flat=True)) == ["cellar"]
    assert (Image.objects.count(), Commit.objects.count()) == (1, before + 1)


def test_images_whose_bytes_are_gone_do_not_come_back_and_neither_do_the_others(
    admin: Client, repository: Engine
) -> None:
    idents = [put_in(repository, seed) for seed in (4, 5)]
    for ident in idents:
        services.at_once("x", partial(services.remove_image, ident=ident))
    repository.store.delete(trash_key(idents[0]))
    before = Commit.objects.count()
    said = act(admin, "removal", "bring_back", *Removal.objects.all())
    assert "Nothing was changed" in said and "not in the trash any more" in said
    assert "images are back" not in said
    assert (Image.objects.count(), Commit.objects.count()) == (0, before)
    assert "1 images are back" in act(admin, "removal", "bring_back", Removal.objects.get(ident=idents[1]))
    assert repository.bases.exists(idents[1])


def test_a_change_that_the_store_does_not_take_yet_is_told(
    admin: Client, repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = FaultyStore(repository.store)
    with monkeypatch.context() as patch:
        patch.setattr(wiring, "_engine", replace(repository, store=faulty, journal=Journal(faulty)))
        with faulty.down():
            answer = admin.post("/admin/auth/group/add/", {"name": "printers"})
        assert answer.status_code == 302
    assert faulty.injected["refused"]
    assert (Group.objects.count(), capture.pending()) == (1, True)
    said = text(admin.get("/admin/auth/group/"))
    assert "in the database, and not yet durable in the store" in said
    admin.post("/admin/auth/group/add/", {"name": "binders"})
    assert not capture.pending(), "the next change takes it along"
    assert "not yet durable" not in text(admin.get("/admin/auth/group/"))


IDENT = "ab" * 32
NAMED: list[tuple[Model, str]] = [
    (Image(ident=IDENT, title="Kallitype"), "Kallitype"),
    (Image(ident=IDENT), "abababababab"),
    (Collection(slug="shelf", title="Shelf"), "Shelf"),
    (Membership(collection_id=3, image_id=4, position=5), "3[5]"),
    (Removal(ident=IDENT, state={"title": "Kallitype"}), "Kallitype"),
    (Removal(ident=IDENT, state={}), "abababababab"),
    (Commit(seq=7, by="ada"), "7 by ada"),
    (UpdateSession(id="6b1e8663-04ca-4823-bdb2-3f6cb0adb5a3"), "6b1e8663-04ca-4823-bdb2-3f6cb0adb5a3 (open)"),
    (SessionChange(kind="add", key=IDENT), "add abababababab"),
    (Installation(store="f" * 32), "f" * 32),
    (Captured(kind="user", key="ada"), "user ada"),
    (Applying(pk=1), "1"),
    (Sighting(key=base_key(IDENT)), f"images/{IDENT}"),  # type: ignore[arg-type]
    (Snapshot(state="done", seq=7), "done 7"),
    (Snapshot(), "waiting "),
]


@pytest.mark.parametrize(("model", "name"), NAMED, ids=lambda it: type(it).__name__ if isinstance(it, Model) else "")
def test_each_thing_is_called_by_what_tells_it_apart(model: Model, name: str) -> None:
    assert str(model) == name
