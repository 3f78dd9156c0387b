"""A database that is lost comes back from the store alone, as it is or as it was, and across versions."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from mezzotint import wiring
from mezzotint.errors import InvalidInput
from mezzotint.journal import Change, Head, Journal
from mezzotint.names.keys import CHECKPOINTS, LATEST_KEY, checkpoint_key
from mezzotint.objects import ObjectInfo, ObjectStore
from mezzotint.repository import commits, filters, history, services, standing
from mezzotint.repository.models import Collection, Image, Snapshot
from mezzotint.repository.tables import Trace
from mezzotint.repository.upkeep import checkpointing, restoring
from mezzotint.site import prepare
from mezzotint.wiring import Engine
from tests.durability.oracle import another_database, rows
from tests.repository.keeping import furnish, put_in


def checkpoint(by: str = "tester") -> Snapshot:
    return checkpointing.make(Snapshot.objects.create(by=by))


def restored(at: int | None = None) -> dict[str, list[Change]]:
    with another_database():
        restoring.restore(at)
        return rows()


def test_everything_comes_back_from_segments_and_from_a_checkpoint(repository: Engine) -> None:
    furnish(repository)
    assert restored() == rows()
    checkpoint()
    put_in(repository, 10, title="After it")
    User.objects.filter(username="bela").delete()
    commits.flush("tester")
    live = rows()
    assert restored() == live
    assert [len(live[kind]) > 0 for kind in live] == [True] * len(live)


@pytest.mark.parametrize("from_checkpoint", [False, True])
def test_what_comes_back_is_found_as_it_was(repository: Engine, from_checkpoint: bool) -> None:
    """Words however they are written, and tags: what is kept beside the images is made anew with them."""
    ident = str(put_in(repository, 20, title="Straße in Łódź", tags=["bridge, old"]))
    if from_checkpoint:
        checkpoint()
    with another_database():
        restoring.restore()
        for asked in ({"search": "strasse lodz"}, {"tag": "bridge, old"}):
            assert [one.ident for one in filters.images(asked)] == [ident], asked


def test_what_became_of_all_is_known_again_in_the_background(repository: Engine) -> None:
    furnish(repository)
    checkpoint()
    put_in(repository, 10, title="After it")
    before = set(Trace.objects.values_list("about", "seq"))
    with another_database():
        restoring.restore()
        untraced = history.untraced()
        assert 0 < untraced < standing.head().seq and set(Trace.objects.values_list("about", "seq")) < before
        history.go_on(lambda: False)
        assert set(Trace.objects.values_list("about", "seq")) == before and not history.untraced()


def test_a_store_that_answers_half_way_through_a_start_is_restored_from(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(repository)
    answers, real = [False], prepare._store_answers
    monkeypatch.setattr(prepare, "_store_answers", lambda: answers.pop() if answers else real())
    live, head = rows(), standing.head().seq
    with another_database():
        assert prepare._prepare(lambda what, count: None).restored == head
        assert rows() == live and not answers


def assert_looked_at(table: str, rows: int) -> None:
    """Whether PostgreSQL knows how many rows there are, by which it chooses how to search; -1 where nobody told it."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT reltuples FROM pg_class WHERE relname = %s", [table])
            assert cursor.fetchone() == (rows,)


def test_what_comes_back_can_be_searched_and_keeps_its_order(repository: Engine) -> None:
    idents = furnish(repository)
    order = [idents[2], idents[0], idents[1]]
    version = Collection.objects.get(slug="shelf").version
    services.at_once("anna", lambda s: services.put_collection(s, "shelf", {}, version, order))
    checkpoint()
    with another_database():
        restoring.restore()
        members = Collection.objects.get(slug="shelf").memberships.order_by("position")
        assert list(members.values_list("image__ident", flat=True)) == order
        assert [image.ident for image in filters.images({"search": "edited"})] == [idents[0]]
        assert sorted(User.objects.get(username="anna").groups.values_list("name", flat=True)) == ["printers"]
        assert_looked_at("repository_image", 3)
        put_in(repository, 11, title="And it goes on")
    assert commits.catch_up() == 1
    assert Image.objects.filter(title="And it goes on").exists()


def test_every_commit_can_be_gone_back_to(repository: Engine) -> None:
    states: list[dict[str, Any]] = []

    def remember() -> None:
        commits.flush("tester")
        assert standing.head().seq == len(states) + 1
        states.append(rows())

    first = put_in(repository, 1, title="First")
    remember()
    second = put_in(repository, 2, title="Second")
    remember()
    services.at_once("x", lambda s: services.put_collection(s, "shelf", {"title": "T"}, 1, [second, first]))
    remember()
    checkpoint()
    User.objects.create(username="late")
    remember()
    services.at_once("x", lambda s: services.remove_image(s, first))
    remember()
    services.at_once("x", lambda s: services.bring_back(s, first))
    remember()
    for seq, state in enumerate(states, start=1):
        with another_database():
            assert restoring.restore(seq) == seq
            assert rows() == state
            assert standing.installation().pinned == seq
            assert not standing.is_writable()
    for beyond in (len(states) + 1, 1000):
        with another_database(), pytest.raises(InvalidInput):
            restoring.restore(beyond)
    assert rows() == states[-1]


@pytest.mark.parametrize("hint", [None, b"", b"{", b"null", b"\xff\xfe", b'{"checkpoint": "journal/latest"}', "older"])
def test_the_hint_is_not_trusted(repository: Engine, hint: bytes | str | None) -> None:
    furnish(repository)
    older = checkpoint()
    put_in(repository, 10)
    newer = checkpoint()
    put_in(repository, 11)
    if hint is None:
        repository.store.delete(LATEST_KEY)
    elif isinstance(hint, bytes):
        repository.store.put(LATEST_KEY, hint)
    else:
        repository.store.put(LATEST_KEY, json.dumps({"checkpoint": older.key}).encode())
    assert repository.journal.checkpoints()[0].key == newer.key
    assert restored() == rows()


class LateListing:
    """Lists no checkpoint yet."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ObjectInfo]:
        return (info for info in self._store.list(prefix, start_after) if not info.key.startswith(CHECKPOINTS))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_checkpoint_that_is_not_listed_yet_is_found_by_the_hint(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(repository)
    made = checkpoint()
    put_in(repository, 10)
    live = rows()
    late: Any = LateListing(repository.store)
    with monkeypatch.context() as patch:
        patch.setattr(wiring, "_engine", replace(repository, store=late, journal=Journal(late)))
        assert [info.key for info in wiring.engine().journal.checkpoints()] == [made.key]
        assert restored() == live
        repository.store.delete(LATEST_KEY)
        assert wiring.engine().journal.checkpoints() == []
        assert restored() == live


def test_the_newest_checkpoints_and_the_last_of_each_month_stay(repository: Engine) -> None:
    put_in(repository, 1)
    ages = {1: "2024-01-03", 2: "2024-01-30", 3: "2024-03-01", 4: "2024-03-02", 5: "2024-03-03", 6: "2024-04-01",
            7: "2024-04-02", 8: "2024-04-03", 9: "2024-04-04"}  # fmt: skip
    for seq, day in ages.items():
        key = checkpoint_key(seq, "0" * 32)
        repository.store.put(key, b"x")
        moment = time.mktime(time.strptime(day, "%Y-%m-%d"))
        path = repository.store.local_path(key)
        assert path is not None
        os.utime(path, (moment, moment))
    gone = checkpointing.remove_old()
    assert sorted(gone) == [checkpoint_key(seq, "0" * 32) for seq in (1, 3, 4, 6)]
    assert [info.key for info in repository.journal.checkpoints()] == [
        checkpoint_key(seq, "0" * 32) for seq in (9, 8, 7, 5, 2)
    ]
    assert repository.journal.read(Head()) is not None
    assert checkpointing.remove_old() == []
