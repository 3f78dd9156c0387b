"""Lists of URLs: odd ones in them, what was given up and is tried once more, and when they are forgotten."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from mezzotint import tokens
from mezzotint.errors import OriginLacks
from mezzotint.imagecloud import leases, prefetching
from mezzotint.imagecloud.models import PrefetchBatch, PrefetchItem, RemoteImage
from mezzotint.repository.owners import Owner
from mezzotint.sources.remote import How
from mezzotint.wiring import Engine
from tests import pictures
from tests.origin import Origin
from tests.sources.fetching import get

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(here: Engine) -> APIClient:
    token = tokens.issue(here.settings.secret_key, tokens.Scope.READ, 1)
    made = APIClient(raise_request_exception=False)
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return made


@pytest.mark.parametrize(
    "odd",
    ["http://a.example/\ud800.jpg", "http://\udfff.example/a.jpg", "\ud800", "http://a.example/?\udc80", "\0"],
    ids=ascii,
)
def test_an_entry_that_is_no_text_of_unicode_is_refused_and_the_others_are_taken(client: APIClient, odd: str) -> None:
    body = json.dumps({"urls": ["http://127.0.0.1/a.jpg", odd, "http://127.0.0.1/b.jpg"]})
    answer = client.post("/fire_and_forget", body, content_type="application/json")
    assert answer.status_code == 202, answer.content[:300]
    said = json.loads(answer.content)
    assert (said["given"], said["queued"], said["invalid"]) == (3, 2, 1)
    assert [one["index"] for one in said["refused"]] == [1]
    assert said["refused"][0]["detail"]
    assert sorted(PrefetchItem.objects.values_list("url", flat=True)) == [
        "http://127.0.0.1/a.jpg",
        "http://127.0.0.1/b.jpg",
    ]


def test_what_is_tried_once_more_is_asked_of_its_origin(here: Engine, origin: Origin) -> None:
    url = origin.url("/a.jpg")
    for _ in range(2):
        with pytest.raises(OriginLacks):
            get(here, url)
    accepted = prefetching.enqueue([url, origin.url("/b.jpg")], "anna")
    owner = Owner()
    first, second = sorted(leases.claim(PrefetchItem, owner, lambda group: 9, 9), key=lambda item: item.url)
    leases.bury(first, "there is none")
    leases.finish(PrefetchItem, [second])
    owner.close()
    origin.picture("/a.jpg", pictures.jpeg(60, 40, seed=1))
    with pytest.raises(OriginLacks):
        get(here, url)  # for minutes
    assert origin.asked == {"/a.jpg": 1}
    assert prefetching.retry(accepted.batch.items.all()) == 1
    assert prefetching.counts(accepted.batch) == {"waiting": 1, "running": 0, "done": 1, "dead": 0}
    assert get(here, url).how == How.MISS
    assert origin.asked == {"/a.jpg": 2}


def put_in(days: float, *states: str) -> PrefetchBatch:
    """A list of so many days ago, whose entries stand so."""
    batch = PrefetchBatch.objects.create(by="anna", at=timezone.now() - timedelta(days=days))
    for state in states:
        PrefetchItem.objects.create(batch=batch, url="http://a.example/a.jpg", group="a.example", state=state)
    return batch


def test_lists_that_were_worked_through_are_forgotten_after_a_month(here: Engine) -> None:
    forgotten = [put_in(31, "done", "done"), put_in(31, "done", "dead"), put_in(400, "dead"), put_in(31)]
    kept = [
        put_in(29, "done"),
        put_in(31, "done", "waiting"),
        put_in(400, "running"),
        put_in(31, "dead", "waiting", "done"),
        put_in(0, "waiting"),
    ]
    prefetching.forget_old()
    assert set(PrefetchBatch.objects.all()) == set(kept)
    assert not set(PrefetchBatch.objects.all()) & set(forgotten)
    assert PrefetchItem.objects.count() == sum(batch.items.count() for batch in kept) == 8


def test_urls_that_never_led_to_a_picture_are_forgotten_after_a_month(here: Engine) -> None:
    def put(name: str, days: float, ident: str = "") -> None:
        failed = timezone.now() - timedelta(days=days)
        RemoteImage.objects.create(key=name * 64, url=f"http://a.example/{name}", ident=ident, failed=failed)

    put("a", 31)
    put("b", 29)
    put("c", 31, "ab" * 32)
    assert prefetching.forget_old() == 1
    assert sorted(RemoteImage.objects.values_list("url", flat=True)) == ["http://a.example/b", "http://a.example/c"]
