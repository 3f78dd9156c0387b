"""What befalls composites rarely: rows of another handler that are none, a collection in the way, a base in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from mezzotint.composites import importing, receiving
from mezzotint.composites.models import Batch, Collection, Member, Page, Status
from mezzotint.composites.references import PageReferences
from mezzotint.errors import Conflict, InvalidInput, ReadOnly
from mezzotint.names import Ident
from mezzotint.repository import services
from mezzotint.repository.models import Collection as Shelf
from mezzotint.repository.owners import Owner
from mezzotint.repository.upkeep import reconciling
from mezzotint.wiring import Engine
from tests import pictures
from tests.ageing import age
from tests.composites.test_importing import COLLECTION, DONE, dump
from tests.composites.world import World, settle
from tests.documents import text_pdf
from tests.repository.keeping import put_in

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def changed(path: Path, change: Callable[[list[dict[str, Any]]], Any]) -> str:
    """A dump in which something is otherwise."""
    dump(path)
    rows = json.loads(path.read_text())
    change(rows)
    path.write_text(json.dumps(rows))
    return str(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[0].update(pk="no id"),
        lambda rows: rows[0]["fields"].pop("customer"),
        lambda rows: rows[0]["fields"].update(created_date="yesterday"),
        lambda rows: rows[1]["fields"].update(json_data="{"),
        lambda rows: rows[1]["fields"].update(collection=None),
        lambda rows: rows[1]["fields"].pop("status"),
        lambda rows: rows[4]["fields"].pop("uri"),
    ],
    ids=["id", "customer", "moment", "json", "collection", "status", "uri"],
)
def test_a_row_that_is_none_is_told_and_nothing_is_taken_over(
    tmp_path: Path, change: Callable[[list[dict[str, Any]]], Any]
) -> None:
    source = changed(tmp_path / "dump.json", change)
    for dry_run in (True, False):
        with pytest.raises(InvalidInput, match="has a row that is none of a composite handler's"):
            importing.take_over(source, dry_run=dry_run)
    assert not (Collection.objects.exists() or Member.objects.exists() or Batch.objects.exists())


def test_members_without_their_collection_are_left_out_with_their_batches(tmp_path: Path) -> None:
    """They came in while the dump was written."""

    def orphan(rows: list[dict[str, Any]]) -> None:
        rows[1]["fields"]["collection"] = "01234567-89ab-cdef-0123-456789abcdef"
        assert rows[1]["pk"] == str(DONE)

    report = importing.take_over(changed(tmp_path / "dump.json", orphan))
    assert (report.collections, report.members, report.batches) == (1, 2, 0)
    assert list(Member.objects.values_list("collection_id", "position").order_by("position")) == [
        (COLLECTION, 0), (COLLECTION, 1),
    ]  # fmt: skip


def added(path: Path, title: str, data: bytes | None = None) -> Member:
    """A document of this host that waits to be worked on."""
    path.write_bytes(text_pdf(2) if data is None else data)
    return receiving.add_file(str(path), title, "anna", owner="", lease=0.0)


def test_of_documents_for_one_collection_one_is_added_at_a_time(world: World, tmp_path: Path) -> None:
    owner = Owner()
    first = receiving.add_file(str(tmp_path / "a.pdf"), "Report", "anna", owner.next_claim(), 2e9)
    with pytest.raises(Conflict, match="a document is just being added to the collection Report"):
        receiving.add_file(str(tmp_path / "b.pdf"), "Report", "anna", owner.next_claim(), 2e9)
    receiving.add_file(str(tmp_path / "c.pdf"), "Another", "anna", owner.next_claim(), 2e9)
    assert Member.objects.count() == Collection.objects.count() == 2
    Member.objects.filter(pk=first.pk).update(owner="")
    receiving.add_file(str(tmp_path / "b.pdf"), "Report", "anna", owner.next_claim(), 2e9)
    owner.close()


def test_a_read_node_adds_nothing(world: World, tmp_path: Path) -> None:
    settle(read_only=True)
    with pytest.raises(ReadOnly):
        added(tmp_path / "a.pdf", "Report")
    assert not Member.objects.exists()


def test_a_collection_that_people_have_made_is_not_written_over(
    world: World, repository_of_the_world: Engine, tmp_path: Path
) -> None:
    ident = put_in(repository_of_the_world, 1)
    services.at_once("anna", lambda s: services.put_collection(s, "report", {"title": "Mine"}, None, [ident]))
    member = world.work(added(tmp_path / "a.pdf", "Report"))
    assert (member.status, member.ended) == (Status.ERROR, True)
    assert member.error == "there is a collection report already that no document has made"
    assert Shelf.objects.get(slug="report").title == "Mine"


@pytest.mark.parametrize(("times", "status"), [(2, Status.COMPLETED), (3, Status.ERROR)])
def test_a_collection_that_somebody_changes_meanwhile_is_written_at_the_next_try(
    world: World,
    repository_of_the_world: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
    status: Status,
) -> None:
    at_once, tries = services.at_once, list[str]()

    def changed_first(by: str, *rest: Any) -> Any:
        tries.append(by)
        if len(tries) <= times:
            raise Conflict("somebody has changed it")
        return at_once(by, *rest)

    monkeypatch.setattr(services, "at_once", changed_first)
    member = world.work(added(tmp_path / "a.pdf", "Report"))
    assert (member.status, member.ended, tries) == (status, status == Status.COMPLETED, ["anna"] * 3)
    assert Shelf.objects.filter(slug="report").exists() is (status == Status.COMPLETED)


@pytest.fixture
def repository_of_the_world(world: World) -> Engine:
    from mezzotint.repository.models import Captured
    from mezzotint.wiring import engine

    Captured.objects.all().delete()
    return engine()


def page(engine: Engine, member: Member, number: int, seed: int) -> Ident:
    ident = engine.bases.add([pictures.png(seed=seed)]).ident
    Page.objects.create(member=member, number=number, ident=ident, width=64, height=48, bytes=9)
    return ident


def waiting() -> Member:
    now = timezone.now()
    collection = Collection.objects.create(customer=0, json_data={}, created_date=now, last_updated_date=now)
    return Member.objects.create(
        collection=collection, position=0, json_data={}, created_date=now, last_updated_date=now,
        target="repository", place="repository:report",
    )  # fmt: skip


def test_pages_of_what_is_under_way_are_no_strays(repository: Engine) -> None:
    member = waiting()
    ident = page(repository, member, 1, seed=1)
    stray = repository.bases.add([pictures.png(seed=2)]).ident

    def strays() -> list[str]:
        for _ in range(2):
            age(repository)
            plan = reconciling.plan()
            reconciling.carry_out(plan, over_cap=True)
        return [one for one in (ident, stray) if not repository.bases.exists(one)]

    assert strays() == [stray]
    Member.objects.update(ended=True)
    assert strays() == [ident, stray]


def test_each_page_is_told_once_and_in_order(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mezzotint.repository.references._PAGE", 2)
    member, ended = waiting(), waiting()
    idents = {page(repository, member, number, seed=number % 5) for number in range(1, 8)}
    other = page(repository, ended, 1, seed=9)
    Member.objects.filter(pk=ended.pk).update(ended=True)
    found = PageReferences()
    assert list(found.idents()) == sorted(idents)
    assert len(idents) == 5
    assert all(found.want(ident) for ident in idents)
    assert not found.want(other)
