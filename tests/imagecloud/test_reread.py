"""What the table of remote images takes from notes that are late, odd or of deletions, and from the records."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from mezzotint.imagecloud import facts
from mezzotint.imagecloud.models import DeletedBase, Indexed, RemoteImage
from mezzotint.wiring import Engine
from tests import pictures
from tests.imagecloud.loading import loaded
from tests.imagecloud.nodes import key_of
from tests.origin import Origin

pytestmark = pytest.mark.django_db(transaction=True)
THEN = 1.7e9
URL = "http://a.example/a.jpg"


def note(engine: Engine, ident: str, at: float, url: str = URL, /, **changed: Any) -> None:
    """That a picture was fetched."""
    said = {"at": at, "key": key_of(url), "url": url, "host": "a.example", "ident": ident, "via": "origin"}
    moments = {"fetched": at, "checked": at, "expires": at + 100}
    known = {"kept": True, "format": "jpg", "width": 60, "height": 40, "bytes": 9}
    engine.notes.append(said | moments | known | changed)


def deleted(engine: Engine, at: float, url: str = URL) -> None:
    engine.notes.append({"at": at, "key": key_of(url), "deleted": True})


def idents() -> list[str]:
    return list(RemoteImage.objects.order_by("url").values_list("ident", flat=True))


def test_an_older_note_that_comes_later_undoes_nothing(here: Engine) -> None:
    old, new = "ab" * 32, "cd" * 32
    note(here, new, THEN + 10)
    facts.ingest()
    note(here, old, THEN)
    assert facts.ingest() == 1
    one = RemoteImage.objects.get()
    assert (one.ident, one.fetched) == (new, datetime.fromtimestamp(THEN + 10, UTC))
    assert not DeletedBase.objects.filter(ident=new).exists()
    note(here, old, THEN + 20)
    facts.ingest()
    assert idents() == [old], "and a newer one does"
    assert list(DeletedBase.objects.values_list("ident", "superseded")) == [(new, True)]


@pytest.mark.parametrize("together", [True, False])
def test_a_deletion_removes_what_was_fetched_before_it(here: Engine, together: bool) -> None:
    note(here, "ab" * 32, THEN)
    note(here, "ab" * 32, THEN, "http://a.example/b.jpg")
    if not together:
        facts.ingest()
        assert len(idents()) == 2
    deleted(here, THEN + 10)
    facts.ingest()
    assert list(RemoteImage.objects.values_list("url", flat=True)) == ["http://a.example/b.jpg"]


@pytest.mark.parametrize("together", [True, False])
def test_a_deletion_leaves_what_was_fetched_after_it(here: Engine, together: bool) -> None:
    note(here, "ab" * 32, THEN)
    if not together:
        facts.ingest()
    deleted(here, THEN + 10)
    note(here, "cd" * 32, THEN + 20)
    facts.ingest()
    assert idents() == ["cd" * 32]
    deleted(here, THEN + 15)  # which was told late
    facts.ingest()
    assert idents() == ["cd" * 32]


ODD = [
    {"url": "http://a.example/\ud800"},
    {"via": "peer:\udfff"},
    {"format": "\ud800"},
    {"url": "http://a.example/\0", "via": "\0"},
    {"ident": None},
]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_note_that_no_database_takes_keeps_out_no_other(here: Engine, odd: dict[str, Any]) -> None:
    urls = [f"http://a.example/{number}.jpg" for number in range(5)]
    for url in urls[:3]:
        note(here, "ab" * 32, THEN, url)
    note(here, "cd" * 32, THEN, "http://a.example/odd.jpg", **odd)
    for url in urls[3:]:
        note(here, "ab" * 32, THEN, url)
    assert facts.ingest() == 6
    known = set(RemoteImage.objects.filter(ident="ab" * 32).values_list("url", flat=True))
    assert known == set(urls)
    assert facts.ingest() == 0, "it is not looked at again for ever"


@pytest.mark.parametrize("odd", ["\ud800", "\0"], ids=repr)
def test_a_failure_whose_reason_no_database_takes_keeps_out_no_other(here: Engine, odd: str) -> None:
    said = {"at": THEN, "host": "a.example"}
    here.notes.append(said | {"key": key_of(URL), "url": URL, "failure": f"it said {odd}"})
    other = "http://a.example/b.jpg"
    here.notes.append(said | {"key": key_of(other), "url": other, "failure": "it said no"})
    note(here, "ab" * 32, THEN, "http://a.example/c.jpg")
    assert facts.ingest() == 3
    assert RemoteImage.objects.get(url=other).failure == "it said no"
    assert RemoteImage.objects.filter(ident="ab" * 32).exists()
    assert facts.ingest() == 0


def test_a_row_whose_record_says_otherwise_is_put_right(here: Engine, origin: Origin) -> None:
    """As a database has it that comes from a copy of last week."""
    urls = [origin.picture(f"/{seed}.jpg", pictures.jpeg(60, 40, seed=seed)) for seed in (1, 2)]
    right = loaded(here, *urls)
    then = datetime.fromtimestamp(time.time() - 7 * 86_400, UTC)
    RemoteImage.objects.filter(url=urls[0]).update(ident="ab" * 32, width=1, fetched=then, checked=then)
    assert facts.reread() == (1, 0)
    one = RemoteImage.objects.get(url=urls[0])
    assert (one.ident, one.width, one.kept) == (right[0], 60, True)
    assert one.checked is not None and one.checked > then
    assert RemoteImage.objects.get(url=urls[1]).ident == right[1]
    assert facts.reread() == (0, 0)


def test_a_mark_that_two_have_set_is_one(here: Engine) -> None:
    """As a race at the first start has left it."""
    for _ in range(2):
        Indexed.objects.create()
    facts.reread()
    facts.be_complete()
    assert Indexed.objects.exists()
