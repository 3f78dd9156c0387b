"""Update sessions and commits, as services: all at once, or not at all."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from mezzotint.derivatives import Base
from mezzotint.errors import Conflict, InvalidInput, InvalidName, NotFound
from mezzotint.names import Ident
from mezzotint.repository import commits, filters, queries, services
from mezzotint.repository.models import Commit, Image, UpdateSession
from mezzotint.wiring import Engine
from tests import pictures
from tests.repository.adding import add_image


def stored(engine: Engine, seed: int) -> Base:
    return engine.bases.add([pictures.png(seed=seed)])


def put_in(engine: Engine, seed: int, **fields: object) -> Ident:
    base = stored(engine, seed)
    services.at_once("tester", lambda session: add_image(session, base, fields))
    return base.ident


def edit(ident: str, version: object, **fields: object) -> None:
    services.at_once("tester", lambda session: services.edit_image(session, ident, version, fields))


def shown(**parameters: str) -> list[str]:
    return [image.ident for image in filters.images(parameters)]


def members(slug: str) -> list[str]:
    memberships = queries.collection(slug).memberships.select_related("image").order_by("position")
    return [membership.image.ident for membership in memberships]


def test_nothing_of_an_open_session_is_seen(repository: Engine) -> None:
    session = services.open_session("tester", "a note")
    bases = [stored(repository, seed) for seed in range(3)]
    for base in bases:
        add_image(session, base, {"title": "Unseen"}, {"shelf": "Shelf"})
    assert shown() == shown(search="unseen") == []
    assert queries.find_collection("shelf") is None
    with pytest.raises(NotFound):
        queries.image(bases[0].ident)
    assert Commit.objects.first() is None
    assert repository.journal.last(0) == 0


def test_a_commit_shows_all_of_it(repository: Engine) -> None:
    old = put_in(repository, 10, title="Old")
    gone = put_in(repository, 11, title="Gone")
    session = services.open_session("tester", "a note")
    new = [stored(repository, seed) for seed in range(2)]
    for base in new:
        add_image(session, base, {"title": "New"}, {"shelf": "The shelf"})
    services.edit_image(session, old, 1, {"title": "Edited"})
    services.remove_image(session, gone)
    done = commits.commit(session)
    assert (done.added, done.edited, done.removed) == (2, 1, 1)
    assert (done.by, done.note, done.transaction) == ("tester", "a note", str(session.pk))
    assert set(shown()) == {old, *(base.ident for base in new)}
    assert queries.image(old).title == "Edited"
    assert members("shelf") == [base.ident for base in new]
    assert queries.collection("shelf").title == "The shelf"
    session.refresh_from_db()
    assert (session.state, session.seq) == (UpdateSession.State.COMMITTED, done.seq)


def test_an_image_has_what_its_bytes_and_its_fields_say(repository: Engine) -> None:
    data = pictures.png(64, 48, seed=1)
    fields = {"title": "  Tïtle ", "tags": "a, b,a", "captured": "1921-05", "creator": "Somebody"}
    base = repository.bases.add([data])
    services.at_once("tester", lambda session: add_image(session, base, fields))
    image = queries.image(hashlib.sha256(data).hexdigest())
    assert (image.width, image.height, image.format, image.bytes) == (64, 48, "png", len(data))
    assert (image.title, image.tags, image.captured, image.creator) == ("Tïtle", ["a", "b"], "1921-05", "Somebody")
    assert image.version == 1


def test_an_aborted_session_leaves_nothing(repository: Engine) -> None:
    session = services.open_session("tester")
    base = stored(repository, 1)
    add_image(session, base, {}, {"shelf": "Shelf"})
    services.abort(session)
    with pytest.raises(Conflict):
        commits.commit(session)
    with pytest.raises(Conflict):
        add_image(UpdateSession.objects.get(pk=session.pk), base, {})
    with pytest.raises(Conflict):
        services.abort(session)
    assert shown() == []
    assert Commit.objects.count() == repository.journal.last(0) == 0


def test_an_empty_session_can_be_committed(repository: Engine) -> None:
    done = commits.commit(services.open_session("tester"))
    assert (done.seq, done.added, done.edited, done.removed) == (1, 0, 0, 0)


def test_the_same_bytes_are_one_image(repository: Engine) -> None:
    ident = put_in(repository, 1, title="First")
    session = services.open_session("tester")
    again = add_image(session, stored(repository, 1), {"title": "Second"}, {"shelf": "Shelf"})
    commits.commit(session)
    assert (again.ident, again.known) == (ident, True)
    assert shown() == [ident]
    assert queries.image(ident).title == "First"
    assert members("shelf") == [ident]


def test_the_same_bytes_in_two_sessions_are_one_image(repository: Engine) -> None:
    first, second = services.open_session("one"), services.open_session("two")
    for session in (first, second):
        add_image(session, stored(repository, 1), {"title": session.by}, {session.by: session.by})
    commits.commit(first)
    commits.commit(second)
    (ident,) = shown()
    assert queries.image(ident).title == "one"
    assert members("one") == members("two") == [ident]


def test_the_same_bytes_twice_in_one_session_are_one_image(repository: Engine) -> None:
    session = services.open_session("tester")
    for slug in ("a", "b"):
        add_image(session, stored(repository, 1), {}, {slug: slug})
    assert commits.commit(session).added == 1
    assert len(shown()) == 1
    assert members("a") == members("b") == shown()


def test_committing_again_gives_the_same_answer(repository: Engine) -> None:
    session = services.open_session("tester")
    add_image(session, stored(repository, 1), {})
    first = commits.commit(session)
    put_in(repository, 2)
    second = commits.commit(session)
    assert (first.seq, first.fingerprint, first.added) == (second.seq, second.fingerprint, second.added)
    assert repository.journal.last(0) == 2
    with pytest.raises(Conflict):
        add_image(UpdateSession.objects.get(pk=session.pk), stored(repository, 3), {})


@pytest.mark.parametrize("version", [None, 0, -1, "x", True, 1.0, [], "", 2**31, "1" * 30])
def test_an_edit_names_the_version_that_it_saw(repository: Engine, version: object) -> None:
    ident = put_in(repository, 1)
    with pytest.raises(InvalidInput) as refused:
        edit(ident, version, title="New")
    assert refused.value.field == "version"
    assert refused.value.limit
    assert queries.image(ident).version == 1


def test_an_edit_makes_the_next_version(repository: Engine) -> None:
    ident = put_in(repository, 1, title="One", rights="Mine")
    edit(ident, 1, title="Two")
    edit(ident, 2, title="Three", tags=["a"])
    image = queries.image(ident)
    assert (image.version, image.title, image.rights, image.tags) == (3, "Three", "Mine", ["a"])


def test_overwriting_somebody_elses_change_is_refused_with_the_fields(repository: Engine) -> None:
    ident = put_in(repository, 1, title="One")
    bystander = stored(repository, 2)
    late = services.open_session("late")
    services.edit_image(late, ident, 1, {"title": "Late", "creator": "Late", "rights": "Late"})
    add_image(late, bystander, {})
    edit(ident, 1, title="Early", creator="Early")
    with pytest.raises(Conflict) as refused:
        commits.commit(late)
    assert {key: set(fields) for key, fields in refused.value.fields.items()} == {ident: {"title", "creator"}}
    image = queries.image(ident)
    assert (image.title, image.creator, image.rights, image.version) == ("Early", "Early", "", 2)
    assert shown() == [ident]
    late.refresh_from_db()
    assert late.state == UpdateSession.State.OPEN


def test_a_refused_session_can_be_mended_and_committed(repository: Engine) -> None:
    ident = put_in(repository, 1, title="One")
    late = services.open_session("late")
    services.edit_image(late, ident, 1, {"title": "Late"})
    edit(ident, 1, title="Early")
    with pytest.raises(Conflict):
        commits.commit(late)
    services.edit_image(late, ident, 2, {"title": "Agreed"})
    commits.commit(late)
    assert queries.image(ident).title == "Agreed"


def test_edits_of_different_fields_are_merged(repository: Engine) -> None:
    ident = put_in(repository, 1, title="One")
    one, two = services.open_session("one"), services.open_session("two")
    services.edit_image(one, ident, 1, {"title": "Two"})
    services.edit_image(two, ident, 1, {"creator": "Somebody", "tags": ["x"]})
    commits.commit(one)
    commits.commit(two)
    image = queries.image(ident)
    assert (image.title, image.creator, image.tags, image.version) == ("Two", "Somebody", ["x"], 3)


def test_several_edits_of_one_session_are_one(repository: Engine) -> None:
    ident = put_in(repository, 1)
    session = services.open_session("tester")
    services.edit_image(session, ident, 1, {"title": "First", "creator": "First"})
    services.edit_image(session, ident, 1, {"title": "Second"})
    commits.commit(session)
    image = queries.image(ident)
    assert (image.title, image.creator, image.version) == ("Second", "First", 2)


def test_an_image_can_be_described_in_the_session_that_adds_it(repository: Engine) -> None:
    session = services.open_session("tester")
    base = stored(repository, 1)
    add_image(session, base, {"title": "One", "rights": "Mine"})
    services.edit_image(session, base.ident, None, {"title": "Two"})
    commits.commit(session)
    image = queries.image(base.ident)
    assert (image.title, image.rights) == ("Two", "Mine")


def test_what_a_session_adds_and_removes_is_not_there(repository: Engine) -> None:
    session = services.open_session("tester")
    base = stored(repository, 1)
    add_image(session, base, {}, {"shelf": "Shelf"})
    services.remove_image(session, base.ident)
    commits.commit(session)
    assert shown() == []


@pytest.mark.parametrize("fields", [{"title": "x"}, {"nothing": 1}, {}])
def test_an_image_that_is_not_there_cannot_be_changed(repository: Engine, fields: dict[str, Any]) -> None:
    with pytest.raises((NotFound, InvalidInput)):
        edit("0" * 64, 1, **fields)
    with pytest.raises(InvalidName):
        edit("nonsense", 1, title="x")
    with pytest.raises(NotFound):
        services.at_once("tester", lambda session: services.remove_image(session, "0" * 64))
    assert UpdateSession.objects.count() == 0


def test_a_removal_that_saw_an_older_version_is_refused(repository: Engine) -> None:
    ident = put_in(repository, 1, title="One")
    session = services.open_session("tester")
    services.remove_image(session, ident, 1)
    edit(ident, 1, title="Two")
    with pytest.raises(Conflict) as refused:
        commits.commit(session)
    assert refused.value.fields == {ident: ["title"]}
    assert shown() == [ident]


def test_an_edit_of_what_was_removed_meanwhile_is_refused(repository: Engine) -> None:
    ident = put_in(repository, 1)
    session = services.open_session("tester")
    services.edit_image(session, ident, 1, {"title": "Late"})
    services.at_once("other", lambda other: services.remove_image(other, ident))
    with pytest.raises(Conflict) as refused:
        commits.commit(session)
    assert ident in refused.value.fields
    assert Image.objects.count() == 0


def test_what_was_removed_can_be_put_in_again(repository: Engine) -> None:
    ident = put_in(repository, 1, title="First")
    services.at_once("tester", lambda session: services.remove_image(session, ident))
    assert put_in(repository, 1, title="Second") == ident
    assert queries.image(ident).title == "Second"
    assert repository.bases.exists(ident)


def test_bytes_that_another_removal_took_are_brought_back(repository: Engine) -> None:
    ident = put_in(repository, 1)
    session = services.open_session("tester")
    add_image(session, stored(repository, 1), {"title": "Again"})
    services.at_once("other", lambda other: services.remove_image(other, ident))
    commits.commit(session)
    assert queries.image(ident).title == "Again"
    assert repository.bases.exists(ident)
