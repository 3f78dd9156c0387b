"""The image cloud in the admin: looked at, tried again, deleted, each by those who may."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client

from mezzotint.imagecloud import deleting
from mezzotint.imagecloud.models import CloneRequest, DeletedBase, Indexed, PrefetchBatch, PrefetchItem, RemoteImage
from mezzotint.sources.failures import Failure
from mezzotint.wiring import Engine
from tests import pictures
from tests.imagecloud.loading import loaded, opened
from tests.imagecloud.nodes import key_of
from tests.origin import Origin

pytestmark = pytest.mark.django_db(transaction=True)
URL = "http://a.example/a.jpg"


def person(*permissions: str) -> Client:
    """Who may look at everything, and has these permissions too."""
    user = User.objects.create_user("eve", password="password", is_staff=True)
    app = Permission.objects.filter(content_type__app_label="imagecloud")
    user.user_permissions.set(app.filter(codename__startswith="view_") | app.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, model: str, action: str, *rows: Model) -> str:
    """What the page says after an action on these rows."""
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    answer = client.post(f"/admin/imagecloud/{model}/", data, follow=True)
    assert answer.status_code == 200
    return " ".join(re.findall(r'<ul class="messagelist">.*?</ul>', answer.content.decode(), re.DOTALL))


def item(state: str = "dead") -> PrefetchItem:
    batch = PrefetchBatch.objects.create(by="anna")
    return PrefetchItem.objects.create(batch=batch, url=URL, group="a.example", state=state, attempts=5)


def copy(state: str = "dead") -> CloneRequest:
    return CloneRequest.objects.create(group="b", key="a" * 64, url=URL, ident="b" * 64, state=state, attempts=9)


def test_a_dead_download_is_tried_again_whatever_is_remembered_of_it(here: Engine) -> None:
    dead, done = item(), item("done")
    here.records.fail(key_of(URL), Failure("lacks", "404", 2e9))
    assert here.records.failure(key_of(URL)) is not None
    assert "1 are tried again" in act(person("change_prefetchitem"), "prefetchitem", "try_again", dead, done)
    assert [(one.state, one.attempts) for one in PrefetchItem.objects.order_by("pk")] == [("waiting", 0), ("done", 5)]
    assert here.records.failure(key_of(URL)) is None


def test_a_dead_copy_is_tried_again(here: Engine) -> None:
    dead = copy()
    assert "1 are tried again" in act(person("change_clonerequest"), "clonerequest", "try_again", dead)
    dead.refresh_from_db()
    assert (dead.state, dead.attempts) == ("waiting", 0)


@pytest.mark.parametrize(
    ("model", "put_in", "other"),
    [("prefetchitem", item, "change_clonerequest"), ("clonerequest", copy, "change_prefetchitem")],
    ids=["download", "copy"],
)
def test_whoever_may_only_look_tries_nothing_again(here: Engine, model: str, put_in: object, other: str) -> None:
    dead = put_in()  # type: ignore[operator]
    assert "You may look, and not change anything." in act(person(other), model, "try_again", dead)
    dead.refresh_from_db()
    assert dead.state == "dead"


def test_whoever_may_not_look_gets_no_page(here: Engine) -> None:
    user = User.objects.create_user("bob", password="password", is_staff=True)
    client = Client()
    client.force_login(user)
    for model in ("remoteimage", "prefetchitem", "prefetchbatch", "clonerequest"):
        assert client.get(f"/admin/imagecloud/{model}/").status_code == 403


def test_nothing_is_written_by_hand(here: Engine) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("ada", password="password"))
    for model in ("remoteimage", "prefetchitem", "prefetchbatch", "clonerequest"):
        assert client.get(f"/admin/imagecloud/{model}/").status_code == 200
        assert client.get(f"/admin/imagecloud/{model}/add/").status_code == 403


def test_pictures_are_deleted_by_those_who_may(here: Engine, origin: Origin) -> None:
    urls = [origin.picture(f"/{n}.jpg", pictures.jpeg(60, 40, seed=n)) for n in range(3)]
    loaded(here, *urls)
    chosen = RemoteImage.objects.filter(url__in=urls[:2])
    assert "2 were deleted" in act(person("delete_remoteimage"), "remoteimage", "delete_pictures", *chosen)
    assert [here.records.look_again(key_of(url)) is None for url in urls] == [True, True, False]
    assert list(RemoteImage.objects.values_list("url", flat=True)) == [urls[2]]


def test_whoever_may_only_look_deletes_no_picture(here: Engine, origin: Origin) -> None:
    url = origin.picture("/a.jpg", pictures.jpeg(60, 40, seed=1))
    loaded(here, url)
    said = act(person("change_remoteimage"), "remoteimage", "delete_pictures", RemoteImage.objects.get())
    assert "You may look, and not delete anything." in said
    assert here.records.look_again(key_of(url)) is not None


def test_a_picture_that_cannot_be_deleted_now_keeps_no_other_one(
    here: Engine, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, free = (origin.picture(f"/{n}.jpg", pictures.jpeg(60, 40, seed=n)) for n in range(2))
    loaded(here, busy, free)
    monkeypatch.setattr(deleting, "_PATIENCE", 0.0)
    with here.host.locks.hold(f"url:{key_of(busy)}"):  # as whoever fetches it does
        said = act(person("delete_remoteimage"), "remoteimage", "delete_pictures", *RemoteImage.objects.all())
    assert "/0.jpg: this picture is being fetched just now" in said
    assert "1 were deleted" in said
    assert list(RemoteImage.objects.values_list("url", flat=True)) == [busy]


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (RemoteImage(url=URL), URL),
        (PrefetchItem(url=URL), URL),
        (PrefetchBatch(id="01234567-89ab-cdef-0123-456789abcdef"), "01234567-89ab-cdef-0123-456789abcdef"),
        (CloneRequest(group="b", task="copy", url=URL), f"copy {URL} (b)"),
        (DeletedBase(ident="a" * 64), "a" * 64),
        (Indexed(at="2024-03-01"), "2024-03-01"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_row_has_a_name(row: Model, name: str) -> None:
    assert str(row) == name


def test_pictures_are_shown_small(here: Engine, origin: Origin) -> None:
    urls = [origin.picture(f"/{n}.jpg", pictures.jpeg(60, 40, seed=n)) for n in range(2)]
    idents = loaded(here, *urls)
    page = person().get("/admin/imagecloud/remoteimage/").content.decode()
    shown = re.findall(r'<img src="([^"]*)" alt="">', page)
    assert sorted(shown) == sorted(f"/images/{ident}-fit80x80.jpg" for ident in idents)
    assert all(url in page for url in urls)


def test_a_private_installation_signs_the_pictures_that_it_shows(tmp_path: Path, origin: Origin) -> None:
    with opened(tmp_path / "private", MEZZOTINT_PUBLIC_READ="false") as engine:
        (ident,) = loaded(engine, origin.picture("/a.jpg", pictures.jpeg(60, 40, seed=1)))
        page = person().get("/admin/imagecloud/remoteimage/").content.decode()
    assert f'<img src="/images/{ident}-fit80x80.jpg?key=own&amp;expires=' in page
