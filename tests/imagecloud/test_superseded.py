"""Pictures that have changed at their URL: the old one stays for a grace, and goes then; on every host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.imagecloud import deleting, facts, unreferenced
from mezzotint.imagecloud.models import DeletedBase
from mezzotint.names import Ident
from mezzotint.network.urls import parse_url
from mezzotint.repository import commits, queries, services
from mezzotint.repository.upkeep import reconciling, removals
from mezzotint.wiring import Engine
from tests import pictures
from tests.ageing import age
from tests.imagecloud.loading import opened
from tests.origin import Origin
from tests.repository.keeping import put_in
from tests.sources.fetching import run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Engine]:
    with opened(tmp_path / "data", MEZZOTINT_FETCH_MIN_AGE="0s") as engine:
        yield engine


def shown(engine: Engine, origin: Origin, seed: int, path: str = "/a.png") -> Ident:
    """The picture of this `seed` is at the path by now, fetched, and the database knows."""
    body = pictures.png(seed=seed)
    url = origin.picture(path, body, content_type="image/png", cache_control="max-age=0")
    found = run(engine, lambda remote: remote.load(parse_url(url)))
    facts.ingest()
    return found.record.ident


def superseded() -> list[str]:
    return sorted(DeletedBase.objects.filter(superseded=True).values_list("ident", flat=True))


def lies(engine: Engine, ident: Ident) -> str:
    return "here" if engine.bases.exists(ident) else "trash" if engine.bases.life.is_in_trash(ident) else "gone"


def test_what_was_superseded_stays_for_a_grace_and_then_goes_to_the_trash(here: Engine, origin: Origin) -> None:
    old = shown(here, origin, 1)
    assert superseded() == []
    assert shown(here, origin, 1) == old
    assert superseded() == [], "it was fetched anew and is the same"
    new = shown(here, origin, 2)
    assert (superseded(), old != new) == ([old], True)
    assert queries.is_wanted(old)
    unreferenced.purge_expired()
    assert (lies(here, old), lies(here, new)) == ("here", "here")
    age(here)
    unreferenced.purge_expired()
    assert (lies(here, old), lies(here, new), superseded()) == ("trash", "here", [])
    assert not queries.is_wanted(old)


def test_what_was_superseded_is_no_stray(tmp_path: Path, origin: Origin) -> None:
    with opened(tmp_path / "data", MEZZOTINT_FETCH_MIN_AGE="0s") as engine:
        old = shown(engine, origin, 3)
        new = shown(engine, origin, 4)
        lost = engine.bases.add([pictures.png(seed=5)]).ident
        age(engine)
        reconciling.carry_out(reconciling.plan(), over_cap=True)
        age(engine)
        plan = reconciling.plan()
        assert plan.strays.idents == [lost]
        reconciling.carry_out(plan, over_cap=True)
        assert [lies(engine, ident) for ident in (old, new, lost)] == ["here", "here", "trash"]


def test_what_another_url_or_the_repository_leads_to_outlives_its_being_superseded(
    here: Engine, origin: Origin
) -> None:
    shared, ours = shown(here, origin, 6, "/other.png"), put_in(here, 7)
    assert [shown(here, origin, seed) for seed in (6, 7, 8)][:2] == [shared, ours]
    assert superseded() == sorted([shared, ours])
    age(here)
    unreferenced.purge_expired()
    assert (lies(here, shared), lies(here, ours), superseded()) == ("here", "here", [])


def test_what_is_superseded_once_more_stays_for_another_grace(here: Engine, origin: Origin) -> None:
    old = shown(here, origin, 9)
    shown(here, origin, 10)
    age(here)
    assert shown(here, origin, 9) == old
    shown(here, origin, 10)  # a moment ago it was the right one
    unreferenced.purge_expired()
    assert lies(here, old) == "here"


def test_what_was_deleted_and_fetched_again_and_then_superseded_goes_too(here: Engine, origin: Origin) -> None:
    old = shown(here, origin, 11)
    deleting.delete(parse_url(origin.url("/a.png")), only_here=True)
    assert shown(here, origin, 11) == old
    shown(here, origin, 12)
    assert queries.is_wanted(old), "its grace has just begun"
    for _ in range(2):
        age(here)
        unreferenced.purge_expired()
    assert lies(here, old) != "here"


def test_a_base_that_a_url_leads_to_outlives_the_repositorys_image(here: Engine, origin: Origin) -> None:
    both, ours = put_in(here, 13), put_in(here, 14)
    assert shown(here, origin, 13) == both
    for ident in (both, ours):
        services.at_once("tester", lambda s, ident=ident: services.remove_image(s, ident))  # type: ignore[misc]
    removals.settle(commits.catch_up)
    assert not queries.live_idents([both, ours])
    assert (lies(here, both), lies(here, ours)) == ("here", "trash")
    deleting.delete(parse_url(origin.url("/a.png")), only_here=True)
    assert lies(here, both) == "trash", "by now nothing leads to it"


def keep_derivative(engine: Engine, ident: str) -> None:
    engine.cache.put(f"{ident}_w30.jpg", b"a small one")


def has_derivative(engine: Engine, ident: str) -> bool:
    return engine.cache.open(f"{ident}_w30.jpg") is not None


def test_what_was_deleted_elsewhere_is_forgotten_here_and_once(here: Engine) -> None:
    deleted, other, stays = "ab" * 32, "cd" * 32, "ef" * 32
    for ident in (deleted, other, stays):
        keep_derivative(here, ident)
    DeletedBase.objects.create(ident=deleted)
    DeletedBase.objects.create(ident=stays, superseded=True)
    unreferenced.purge_here()
    assert [has_derivative(here, ident) for ident in (deleted, other, stays)] == [False, True, True]
    keep_derivative(here, deleted)  # it was fetched again meanwhile
    unreferenced.purge_here()
    assert has_derivative(here, deleted)
    DeletedBase.objects.create(ident=other)
    unreferenced.purge_here()
    assert [has_derivative(here, ident) for ident in (deleted, other, stays)] == [True, False, True]


def test_where_it_cannot_be_remembered_nothing_is_forgotten_again_and_again(here: Engine) -> None:
    """The host's database is lost, and the disk too full to begin it anew."""
    DeletedBase.objects.create(ident="ab" * 32)
    unreferenced.purge_here()
    keep_derivative(here, "ab" * 32)
    here.host.database.available = False
    for _ in range(2):
        unreferenced.purge_here()
        removals.purge_here()
    assert has_derivative(here, "ab" * 32)


def test_what_was_let_go_after_its_grace_is_forgotten_by_other_hosts(here: Engine, origin: Origin) -> None:
    old = shown(here, origin, 15)
    shown(here, origin, 16)
    unreferenced.purge_here()
    age(here)
    unreferenced.purge_expired()
    keep_derivative(here, old)  # as another host has it still
    unreferenced.purge_here()
    assert not has_derivative(here, old)


def test_a_database_that_begins_anew_is_listened_to(here: Engine) -> None:
    """Its numbers begin anew too."""
    ident = "ab" * 32
    for number in range(3):
        DeletedBase.objects.create(pk=1000 + number, ident=f"{number:064x}")
    unreferenced.purge_here()
    DeletedBase.objects.all().delete()
    unreferenced.purge_here()
    keep_derivative(here, ident)
    DeletedBase.objects.create(pk=1, ident=ident)
    unreferenced.purge_here()
    assert not has_derivative(here, ident)
