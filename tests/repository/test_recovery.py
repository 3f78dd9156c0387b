"""The journal comes first: a commit that is broken off is found again, and the database is only its index."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from mezzotint import wiring
from mezzotint.derivatives.life_cycle import LifeCycle
from mezzotint.errors import Conflict, JournalBroken, MezzotintError, StoreUnavailable
from mezzotint.journal import Head, Journal, Segment
from mezzotint.names import Ident, parse
from mezzotint.objects import MemoryStore
from mezzotint.repository import commits, filters, queries, services, standing
from mezzotint.repository.intake import capture
from mezzotint.repository.models import Collection, Commit, Image, Membership, Removal, UpdateSession
from mezzotint.wiring import Engine
from tests import pictures
from tests.repository.adding import add_image


class Killed(BaseException):
    """The process ends here."""


class JournalThatIsTheLastThing(Journal):
    """Appends, and then its process is no more."""

    def append(self, segment: Segment) -> Head | None:
        super().append(segment)
        raise Killed


class StoreWithoutAnswers:
    """Does what it is asked; its answers to creations are lost, as many times as it is told."""

    def __init__(self, store: Any, lost: int) -> None:
        self._store, self._lost = store, lost

    def put_if_absent(self, key: str, *arguments: Any) -> bool:
        created = self._store.put_if_absent(key, *arguments)
        if self._lost:
            self._lost -= 1
            raise StoreUnavailable("the answer was lost")
        return bool(created)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class LifeWithSomebodyQuicker:
    """As it discards a base, somebody else begins something and has time to do it."""

    def __init__(self, life: LifeCycle, meanwhile: Callable[[], Any]) -> None:
        self._life = life
        self.somebody = threading.Thread(target=self._run, args=(meanwhile,))

    def discard(self, ident: Ident) -> None:
        self.somebody.start()
        self.somebody.join(0.5)
        self._life.discard(ident)

    @staticmethod
    def _run(meanwhile: Callable[[], Any]) -> None:
        try:
            meanwhile()
        finally:
            connection.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._life, name)


def use(monkeypatch: pytest.MonkeyPatch, engine: Engine, **parts: Any) -> None:
    monkeypatch.setattr(wiring, "_engine", replace(engine, **parts))


def session_with(engine: Engine, seed: int, **fields: object) -> UpdateSession:
    session = services.open_session("tester")
    add_image(session, engine.bases.add([pictures.png(seed=seed)]), fields, {"shelf": "Shelf"})
    return session


def put_in(engine: Engine, seed: int, **fields: object) -> Ident:
    session = session_with(engine, seed, **fields)
    commits.commit(session)
    return engine.bases.add([pictures.png(seed=seed)]).ident


def broken_off(monkeypatch: pytest.MonkeyPatch, engine: Engine, session: UpdateSession) -> None:
    """Its segment is in the journal, and the database knows nothing of it."""
    with monkeypatch.context() as patch:
        use(patch, engine, journal=JournalThatIsTheLastThing(engine.store))
        with pytest.raises(Killed):
            commits.commit(session)


def rows() -> dict[str, list[Mapping[str, Any]]]:
    """All that a database has of the journal, without its own numbers."""
    return {
        "images": [without_id(row) for row in Image.objects.order_by("ident").values()],
        "collections": [without_id(row) for row in Collection.objects.order_by("slug").values()],
        "members": list(
            Membership.objects.order_by("collection__slug", "position").values(
                "collection__slug", "image__ident", "position"
            )
        ),
        "commits": list(Commit.objects.order_by("seq").values()),
    }


def without_id(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}


def emptied_database() -> None:
    with capture.silenced():
        for model in (Membership, Image, Collection, Removal, Commit, UpdateSession):
            model.objects.all().delete()


def durable_seq() -> int:
    return wiring.engine().journal.last(standing.head().seq)


def rebuilt_equals_live() -> None:
    before = rows()
    emptied_database()
    assert commits.catch_up() == len(before["commits"])
    assert rows() == before


def test_a_commit_that_is_broken_off_shows_nothing(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_off(monkeypatch, repository, session_with(repository, 1))
    assert list(filters.images({})) == []
    assert queries.find_collection("shelf") is None
    assert (durable_seq(), Commit.objects.first()) == (1, None)


def test_asking_again_finishes_a_commit_that_was_broken_off(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_with(repository, 1, title="Once")
    broken_off(monkeypatch, repository, session)
    assert commits.commit(session).seq == 1
    assert [image.title for image in filters.images({})] == ["Once"]
    assert commits.commit(session).seq == durable_seq() == 1


def test_commits_go_on_after_one_that_was_broken_off_and_asked_again(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_with(repository, 1)
    broken_off(monkeypatch, repository, session)
    commits.commit(session)
    put_in(repository, 2)
    rebuilt_equals_live()


def test_the_next_commit_takes_one_that_was_broken_off_along(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_with(repository, 1, title="First")
    broken_off(monkeypatch, repository, session)
    put_in(repository, 2, title="Second")
    assert [image.title for image in filters.images({}).order_by("added")] == ["First", "Second"]
    assert commits.commit(session).seq == 1
    session.refresh_from_db()
    assert (session.state, session.seq) == (UpdateSession.State.COMMITTED, 1)
    rebuilt_equals_live()


def test_catching_up_takes_one_that_was_broken_off_along(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_with(repository, 1, title="First")
    broken_off(monkeypatch, repository, session)
    assert commits.catch_up() == 1
    assert commits.catch_up() == 0
    assert [image.title for image in filters.images({})] == ["First"]
    assert commits.commit(session).seq == 1
    rebuilt_equals_live()


def test_a_session_that_conflicts_with_one_that_was_broken_off_is_refused(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ident = put_in(repository, 1, title="Before")
    first, second = services.open_session("first"), services.open_session("second")
    for session in (first, second):
        services.edit_image(session, ident, 1, {"title": session.by})
    broken_off(monkeypatch, repository, first)
    with pytest.raises(MezzotintError) as refused:
        commits.commit(second)
    assert getattr(refused.value, "fields", None) == {ident: ["title"]}
    assert queries.image(ident).title == "first"


def test_a_removal_that_was_broken_off_takes_the_base_and_its_derivatives_in_the_end(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ident = put_in(repository, 1)
    _, rendition = parse(f"{ident}-32x24.png")
    assert rendition is not None
    repository.manager.request(ident, rendition).result()
    session = services.open_session("tester")
    services.remove_image(session, ident)
    broken_off(monkeypatch, repository, session)
    commits.catch_up()
    assert list(filters.images({})) == []
    assert repository.manager.find(f"{ident}-32x24.png") is None
    assert not repository.bases.exists(ident)


def test_a_lost_answer_is_looked_up(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_with(repository, 1)
    use(monkeypatch, repository, journal=Journal(StoreWithoutAnswers(repository.store, 1)))
    assert commits.commit(session).seq == 1
    put_in(repository, 2)
    rebuilt_equals_live()


def test_an_outcome_that_stays_unknown_can_be_asked_for_later(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = repository.bases.add([pictures.png(seed=1)])
    with monkeypatch.context() as patch:
        use(patch, repository, journal=Journal(StoreWithoutAnswers(repository.store, 1000)))
        with pytest.raises(StoreUnavailable):
            services.at_once("tester", lambda session: add_image(session, base, {}))
    assert list(filters.images({})) == []
    session = UpdateSession.objects.get()
    assert session.state == UpdateSession.State.COMMITTING
    assert commits.commit(session).seq == durable_seq() == 1
    put_in(repository, 2)
    rebuilt_equals_live()


def test_an_image_that_is_put_in_again_while_it_goes_keeps_its_bytes(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ident = put_in(repository, 1, title="First")
    again = session_with(repository, 1, title="Second")
    meanwhile = LifeWithSomebodyQuicker(repository.bases.life, lambda: commits.commit(again))
    monkeypatch.setattr(repository.bases, "life", meanwhile)
    services.at_once("tester", lambda session: services.remove_image(session, ident))
    meanwhile.somebody.join()
    assert queries.image(ident).title == "Second"
    assert repository.bases.exists(ident)


def test_an_emptied_database_is_rebuilt_from_the_journal(repository: Engine) -> None:
    idents = [put_in(repository, seed, title=f"No. {seed}", tags=["a", "b"]) for seed in range(4)]
    services.at_once("x", lambda s: services.edit_image(s, idents[0], 1, {"title": "Edited", "captured": "1900"}))
    services.at_once("x", lambda s: services.remove_image(s, idents[1]))
    services.at_once("x", lambda s: services.put_collection(s, "shelf", {"title": "T"}, 1, [idents[3], idents[0]]))
    services.at_once("x", lambda s: services.put_collection(s, "gone", {}, None, idents[2:]))
    services.at_once("x", lambda s: services.remove_collection(s, "gone"))
    put_in(repository, 1, title="Back again")
    rebuilt_equals_live()
    assert all(repository.bases.exists(Ident(image.ident)) for image in filters.images({}))
    assert [image.title for image in filters.images({"search": "edited"})] == ["Edited"]


def test_a_database_that_is_behind_catches_up(repository: Engine) -> None:
    for seed in range(3):
        put_in(repository, seed)
    before = rows()
    with capture.silenced():
        Image.objects.latest("added").delete()
    Commit.objects.filter(seq=3).delete()
    assert commits.catch_up() == 1
    assert rows() == before


def test_nothing_goes_into_a_session_that_was_committed_meanwhile(repository: Engine) -> None:
    session = session_with(repository, 1)
    late = UpdateSession.objects.get(pk=session.pk)
    commits.commit(session)
    with pytest.raises(Conflict):
        add_image(late, repository.bases.add([pictures.png(seed=2)]), {})


def test_an_empty_store_in_the_place_of_the_right_one_is_not_committed_to(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in(repository, 1)
    session = session_with(repository, 2)
    use(monkeypatch, repository, journal=Journal(MemoryStore()))
    with pytest.raises(JournalBroken):
        commits.commit(session)
    monkeypatch.undo()
    use(monkeypatch, repository)
    assert commits.commit(session).seq == 2
