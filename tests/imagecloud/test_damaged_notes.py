"""Notes and records that are damaged, late or gone: they cost themselves, and nothing beside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from mezzotint import tokens
from mezzotint.errors import NotFound, OriginError
from mezzotint.imagecloud import deleting, facts, unreferenced
from mezzotint.imagecloud.models import DeletedBase, RemoteImage
from mezzotint.names import Ident, base_key
from mezzotint.names.keys import REMOTE, remote_key, trash_key
from mezzotint.network.urls import parse_url
from mezzotint.wiring import Engine
from tests import pictures
from tests.faults import FaultyStore, Rates
from tests.imagecloud.loading import loaded, opened
from tests.imagecloud.nodes import key_of
from tests.origin import Asked, Origin
from tests.sources.fetching import run

pytestmark = pytest.mark.django_db(transaction=True)
AT = 1.7e9


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Engine]:
    with opened(tmp_path / "data", MEZZOTINT_FETCH_MIN_AGE="0s") as engine:
        yield engine


def put_in(engine: Engine, origin: Origin, count: int) -> list[str]:
    urls = [origin.picture(f"/{n}.jpg", pictures.jpeg(60, 40, seed=n)) for n in range(count)]
    assert "" not in loaded(engine, *urls)
    return urls


def urls_known() -> set[str]:
    return set(RemoteImage.objects.values_list("url", flat=True))


def note(name: str, **other: Any) -> dict[str, Any]:
    url = f"http://a.example/{name}.jpg"
    said = {"key": key_of(url), "url": url, "host": "a.example", "ident": "a" * 64, "via": "origin", "kept": True}
    moments = dict.fromkeys(("at", "fetched", "checked", "expires"), AT)
    return said | moments | {"format": "jpg", "width": 60, "height": 40, "bytes": 9} | other


@pytest.mark.parametrize(
    "damage",
    [
        {"fetched": "yesterday"},
        {"fetched": 1e300},
        {"expires": None},
        {"host": 5},
        {"via": None},
        {"deleted": True, "at": "never"},
        {"failure": "it answered 500", "at": None},
    ],
    ids=lambda damage: " ".join(damage),
)
def test_a_damaged_note_costs_none_of_its_neighbours(
    here: Engine, damage: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    for one in (note("before"), note("damaged", **damage), note("after")):
        here.notes.append(one)
    assert facts.ingest() == 3
    assert urls_known() == {"http://a.example/before.jpg", "http://a.example/after.jpg"}
    assert any("a note of a remote image is none" in line for line in caplog.messages)


def test_a_note_without_a_key_is_none(here: Engine) -> None:
    damaged = note("damaged")
    del damaged["key"]
    here.notes.append(damaged)
    here.notes.append(note("after"))
    facts.ingest()
    assert urls_known() == {"http://a.example/after.jpg"}


def test_what_was_checked_again_has_failed_no_more(here: Engine, origin: Origin) -> None:
    """A picture whose origin fails, and then says that it is as it was."""
    url = origin.picture("/a.jpg", pictures.jpeg(60, 40, seed=1), etag='"1"', cache_control="max-age=0")
    (ident,) = loaded(here, url)
    first = RemoteImage.objects.get()
    origin.picture("/a.jpg", b"", 500)
    with pytest.raises(OriginError):
        run(here, lambda remote: remote.load(parse_url(url)))
    facts.ingest()
    assert RemoteImage.objects.get().failures == 1

    async def same(asked: Asked) -> None:
        assert asked.headers["if-none-match"] == '"1"'
        await asked.send(304, etag='"1"', cache_control="max-age=1000")

    origin.answers["/a.jpg"] = same
    here.records.forget_failure(key_of(url))
    run(here, lambda remote: remote.load(parse_url(url)))
    facts.ingest()
    one = RemoteImage.objects.get()
    assert (one.ident, one.failures, one.failure, one.fetched) == (ident, 0, "", first.fetched)
    assert one.checked is not None and first.checked is not None and one.checked > first.checked
    assert one.expires is not None and one.expires >= one.checked + timedelta(seconds=900)


def test_records_are_read_again_in_handfuls_and_what_is_none_is_passed_over(
    here: Engine, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "_CHUNK", 2)
    urls = put_in(here, origin, 7)
    here.store.put(f"{REMOTE}notes.txt", b"somebody else's")
    RemoteImage.objects.all().delete()
    here.store.put(remote_key(key_of(urls[0])), b"{")
    record = here.records.look_again(key_of(urls[1]))
    assert record is not None
    here.store.delete(base_key(record.ident))
    here.bases.forget(record.ident)
    assert facts.reread() == (5, 0)
    assert urls_known() == set(urls[2:])


def test_a_record_that_a_listing_does_not_show_yet_is_not_dropped(here: Engine, origin: Origin) -> None:
    late, gone, _ = put_in(here, origin, 3)
    true, faulty = here.store, FaultyStore(here.store, Rates(late=1.0), lateness=1000)
    body = true.read(remote_key(key_of(late)))
    for url in (late, gone):
        true.delete(remote_key(key_of(url)))
    faulty.put(remote_key(key_of(late)), body)
    assert remote_key(key_of(late)) not in [info.key for info in faulty.list(REMOTE)]
    object.__setattr__(here, "store", faulty)
    assert facts.reread() == (0, 1)
    assert urls_known() == {late, origin.url("/2.jpg")}
    assert faulty.injected["late"]


def client(engine: Engine, scope: tokens.Scope) -> APIClient:
    made = APIClient()
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(engine.settings.secret_key, scope, 1)}")
    return made


def test_deleting_waits_for_whoever_fetches_it_and_says_so(
    here: Engine, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    (url,) = put_in(here, origin, 1)
    monkeypatch.setattr(deleting, "_PATIENCE", 0.0)
    writer, path = client(here, tokens.Scope.WRITE), f"/delete_image?url={url}"
    with here.host.locks.hold(f"url:{key_of(url)}"):  # as whoever fetches it does
        refused = writer.delete(path)
    assert (refused.status_code, refused["retry-after"]) == (503, "10")
    assert refused.json()["detail"] == "this picture is being fetched just now"
    assert here.records.look_again(key_of(url)) is not None
    assert urls_known() == {url}
    assert writer.delete(path).status_code == 200
    assert (here.records.look_again(key_of(url)), urls_known()) == (None, set())


def test_the_trash_goes_by_when_it_was_put_there(here: Engine, origin: Origin) -> None:
    """A base that came to the trash after its row was written: the grace is that of the trash."""
    (url,) = put_in(here, origin, 1)
    ident = Ident(deleting.delete(parse_url(url), only_here=True).ident)
    DeletedBase.objects.update(at=timezone.now() - timedelta(days=3650))
    assert unreferenced.purge_expired() == 0
    assert (here.store.stat(trash_key(ident)).size > 0, DeletedBase.objects.count()) == (True, 1)
    here.store.delete(trash_key(ident))
    assert unreferenced.purge_expired() == 1, "nothing is left of it"
    assert not DeletedBase.objects.exists()
    with pytest.raises(NotFound):
        here.store.stat(trash_key(ident))


def test_whoever_is_logged_in_may_have_pictures_fetched(tmp_path: Path, here: Engine, django_user_model: Any) -> None:
    body = {"urls": ["http://127.0.0.1/a.jpg"]}
    assert APIClient().post("/fire_and_forget", body, format="json").status_code == 401
    person = APIClient()
    person.force_login(django_user_model.objects.create_user("eve", password="password"))
    assert person.get("/fire_and_forget/batches/01234567-89ab-cdef-0123-456789abcdef").status_code == 404
    assert person.get("/alternative_clouds").status_code == 200
    with opened(tmp_path / "for-all", MEZZOTINT_FETCH_FOR_ALL="true"):
        assert APIClient().post("/fire_and_forget", body, format="json").status_code == 202
