"""The repository's reconcile knows of what URLs lead to; what was deleted is in the trash until the grace is over."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mezzotint.errors import NotFound
from mezzotint.imagecloud import deleting, facts, unreferenced
from mezzotint.imagecloud.models import DeletedBase, RemoteImage
from mezzotint.names import Ident, trash_key
from mezzotint.names.keys import remote_key
from mezzotint.network.urls import parse_url
from mezzotint.repository.upkeep import reconciling
from mezzotint.repository.upkeep.reconciling import RepairPlan
from mezzotint.wiring import Engine
from tests import pictures
from tests.ageing import age
from tests.imagecloud.loading import loaded, opened
from tests.imagecloud.nodes import key_of
from tests.origin import Origin
from tests.repository.keeping import put_in

pytestmark = pytest.mark.django_db(transaction=True)


def picture(origin: Origin, seed: int) -> str:
    return origin.picture(f"/{seed}.png", pictures.png(seed=seed), content_type="image/png")


def stray(engine: Engine, seed: int) -> Ident:
    return engine.bases.add([pictures.png(seed=seed)]).ident


def later_plan(engine: Engine) -> RepairPlan:
    """Strays are seen twice, a grace apart."""
    age(engine)
    reconciling.carry_out(reconciling.plan(), over_cap=True)
    age(engine)
    return reconciling.plan()


def in_trash(engine: Engine, ident: str) -> bool:
    try:
        return engine.store.stat(trash_key(Ident(ident))).size > 0
    except NotFound:
        return False


def delete(url: str) -> deleting.Deleted:
    return deleting.delete(parse_url(url), only_here=True)


def test_what_a_url_leads_to_is_no_stray(here: Engine, origin: Origin) -> None:
    idents = loaded(here, picture(origin, 1), picture(origin, 2))
    lost = stray(here, 3)
    plan = later_plan(here)
    assert plan.strays.idents == [lost], "and what nothing leads to is one"
    reconciling.carry_out(plan, over_cap=True)
    assert [here.bases.exists(Ident(ident)) for ident in [*idents, lost]] == [True, True, False]


def test_what_only_a_record_in_the_store_knows_of_is_no_stray(here: Engine, origin: Origin) -> None:
    urls = [picture(origin, 4), picture(origin, 5)]
    idents = loaded(here, *urls)
    stray(here, 6)
    RemoteImage.objects.all().delete()
    plan = later_plan(here)
    assert not set(plan.strays.idents) & set(idents)
    assert plan.strays.count == 1
    assert sorted(RemoteImage.objects.values_list("url", "ident", "kept")) == sorted(
        (url, ident, True) for url, ident in zip(urls, idents, strict=True)
    )


def test_what_the_table_forgets_between_plan_and_deed_is_not_taken_away(here: Engine, origin: Origin) -> None:
    lost = stray(here, 7)
    plan = later_plan(here)
    assert plan.strays.idents == [lost]
    assert loaded(here, picture(origin, 7)) == [lost], "meanwhile a URL leads to it"
    reconciling.carry_out(plan, over_cap=True)
    assert here.bases.exists(lost)


def test_the_records_are_read_again_and_those_that_are_gone_are_dropped(here: Engine, origin: Origin) -> None:
    urls = [picture(origin, seed) for seed in (8, 9, 10)]
    idents = loaded(here, *urls)
    assert facts.reread() == (0, 0)
    RemoteImage.objects.filter(url=urls[0]).delete()
    here.store.delete(remote_key(key_of(urls[1])))
    assert facts.reread() == (1, 1)
    assert sorted(RemoteImage.objects.values_list("url", flat=True)) == sorted([urls[0], urls[2]])
    again = RemoteImage.objects.get(url=urls[0])
    assert (again.ident, again.width, again.height, again.host) == (idents[0], 64, 48, "127.0.0.1")
    assert later_plan(here).strays.idents == [idents[1]]


def test_what_was_deleted_is_purged_when_the_grace_is_over(here: Engine, origin: Origin) -> None:
    url = picture(origin, 11)
    (ident,) = loaded(here, url)
    said = delete(url)
    assert (said.record, said.base, said.ident) == (True, True, ident)
    assert (here.bases.exists(Ident(ident)), in_trash(here, ident)) == (False, True)
    assert unreferenced.purge_expired() == 0, "it is too early"
    assert in_trash(here, ident)
    age(here)
    assert unreferenced.purge_expired() == 1
    assert (in_trash(here, ident), DeletedBase.objects.count()) == (False, 0)
    with pytest.raises(NotFound):
        delete(url)


def test_without_a_grace_it_is_purged_at_once(tmp_path: Path, origin: Origin) -> None:
    with opened(tmp_path / "data", MEZZOTINT_GRACE="0s") as engine:
        url = picture(origin, 12)
        (ident,) = loaded(engine, url)
        delete(url)
        time.sleep(0.05)
        assert (unreferenced.purge_expired(), in_trash(engine, ident)) == (1, False)


def test_what_is_had_again_meanwhile_is_not_purged(here: Engine, origin: Origin) -> None:
    url = picture(origin, 13)
    (ident,) = loaded(here, url)
    delete(url)
    assert loaded(here, url) == [ident]
    age(here)
    unreferenced.purge_expired()
    assert here.bases.exists(Ident(ident))
    with here.bases.open(Ident(ident)) as reader:
        assert b"".join(reader.chunks()) == pictures.png(seed=13)


def test_a_base_of_the_repository_or_of_another_url_is_not_let_go(here: Engine, origin: Origin) -> None:
    ident = put_in(here, 14)
    url, two = picture(origin, 14), origin.picture("/two.png", pictures.png(seed=15), content_type="image/png")
    other = picture(origin, 15)
    loaded(here, url, two, other)
    assert [delete(url).base, delete(two).base] == [False, False]
    age(here)
    assert unreferenced.purge_expired() == 0
    assert here.bases.exists(ident)
    assert delete(other).base


def test_a_picture_that_the_table_has_not_heard_of_yet_keeps_its_base(here: Engine, origin: Origin) -> None:
    """The other URL was noted, and the note was not taken in, or the database has lost it."""
    one = picture(origin, 16)
    two = origin.picture("/same.png", pictures.png(seed=16), content_type="image/png")
    (ident, _) = loaded(here, one, two)
    RemoteImage.objects.filter(url=two).delete()
    delete(one)
    age(here)
    unreferenced.purge_expired()
    reconciling.carry_out(reconciling.plan(), over_cap=True)
    assert here.bases.exists(Ident(ident)), "a record in the store leads to it"


def test_what_is_only_cached_leaves_nothing_in_the_store(tmp_path: Path, origin: Origin) -> None:
    with opened(tmp_path / "data", MEZZOTINT_FETCH_KEEP="kept.example") as engine:
        url = picture(origin, 17)
        (ident,) = loaded(engine, url)
        assert (engine.bases.exists(Ident(ident)), engine.bases.is_here(Ident(ident))) == (False, True)
        assert not RemoteImage.objects.get().kept
        assert delete(url).record
        assert (engine.bases.is_here(Ident(ident)), engine.records.look_again(key_of(url))) == (False, None)
        assert not RemoteImage.objects.exists()
