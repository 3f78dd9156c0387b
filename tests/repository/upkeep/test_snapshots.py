"""Checkpoints: asked for, made in the background, and due by themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from mezzotint import wiring
from mezzotint.errors import Conflict, StoreUnavailable
from mezzotint.names.keys import LATEST_KEY
from mezzotint.repository import standing
from mezzotint.repository.intake import capture
from mezzotint.repository.models import Captured, Snapshot
from mezzotint.repository.upkeep import checkpointing
from mezzotint.repository.upkeep.maintenance import Maintenance
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import Server, engine_on
from tests.durability.oracle import rows
from tests.faults import FaultyStore
from tests.repository.keeping import furnish, put_in
from tests.repository.upkeep.test_reconciling import used
from tests.servers import start_server
from tests.waiting import until


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("snapshots") / "data", MEZZOTINT_CHECKPOINT_SEGMENTS="4")
    yield server
    server.stop()


def test_a_snapshot_is_asked_for_and_made_in_the_background(site: Server) -> None:
    site.upload(pictures.png(seed=1))
    answer = site.writer.post("/api/snapshots/")
    asked = answer.json()
    assert (answer.status_code, asked["state"], answer.headers["x-durable"]) == (202, "waiting", "false")
    address = answer.headers["location"]
    assert address == f"/api/snapshots/{asked['id']}/"
    until(lambda: site.writer.get(address).json()["state"] == "done")
    made = site.writer.get(address).json()
    live = site.http.get("/api/status/").json()
    assert made["seq"] == live["checkpoint"] == live["live"]
    path = site.data / "store" / "journal" / "ch" / made["key"].removeprefix("journal/")
    assert path.stat().st_size == made["bytes"]
    assert site.writer.get("/api/snapshots/").json()["results"][0]["id"] == asked["id"]


def test_one_is_due_after_so_many_segments(site: Server) -> None:
    before = site.http.get("/api/status/").json()["checkpoint"] or 0
    for seed in range(10, 15):
        site.upload(pictures.png(seed=seed))
    until(lambda: (site.http.get("/api/status/").json()["checkpoint"] or 0) >= before + 4)
    newest = site.writer.get("/api/snapshots/").json()["results"][0]
    assert (newest["by"], newest["state"]) == ("system", "done")


def test_only_who_may_write_asks_for_one(site: Server) -> None:
    assert site.http.post("/api/snapshots/").status_code == 401
    assert site.writer.get("/api/snapshots/00000000-0000-0000-0000-000000000000/").status_code == 404


@pytest.mark.parametrize(
    ("variables", "due_after"), [({"MEZZOTINT_CHECKPOINT_SEGMENTS": "3"}, 3), ({"MEZZOTINT_CHECKPOINT_BYTES": "1"}, 1)]
)
def test_segments_and_bytes_make_one_due(
    transactional_db: None, tmp_path: Path, variables: dict[str, str], due_after: int
) -> None:
    with engine_on(tmp_path / "data", **variables) as engine:
        Captured.objects.all().delete()
        for seed in range(due_after):
            assert not checkpointing.is_due()
            put_in(engine, seed)
        assert checkpointing.is_due()
        Maintenance().turn()
        assert checkpointing.newest() == standing.head().seq == due_after
        assert not checkpointing.is_due()


def test_a_checkpoint_holds_what_was_captured_a_moment_ago(repository: Engine) -> None:
    furnish(repository)
    User.objects.create(username="just now")
    made = checkpointing.make(checkpointing.ask("tester"))
    assert not capture.pending()
    assert made.seq == standing.head().seq
    with repository.journal.open_checkpoint(made.key) as reader:
        held = list(reader.rows())
    assert held == [{"put": kind} | row for kind, some in rows().items() for row in some]
    assert json.loads(repository.store.read(LATEST_KEY)) == {"checkpoint": made.key}


def test_there_is_nothing_to_keep_before_the_first_commit(repository: Engine) -> None:
    asked = checkpointing.ask("tester")
    with pytest.raises(Conflict):
        checkpointing.make(asked)
    asked.refresh_from_db()
    assert (asked.state, bool(asked.error)) == (Snapshot.State.FAILED, True)


def test_one_that_fails_says_so_and_the_next_succeeds(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(repository)
    faulty = FaultyStore(repository.store)
    asked = checkpointing.ask("tester")
    with monkeypatch.context() as patch:
        patch.setattr(wiring, "_engine", used(repository, faulty))
        faulty.fail("refused", operation="put", key="journal/checkpoint-")
        with pytest.raises(StoreUnavailable):
            checkpointing.make(asked)
    assert faulty.injected["refused"] == 1
    asked.refresh_from_db()
    assert asked.state == Snapshot.State.FAILED
    assert repository.journal.checkpoints() == []
    again = checkpointing.make(checkpointing.ask("tester"))
    assert (again.state, again.seq) == (Snapshot.State.DONE, standing.head().seq)


def test_one_that_was_interrupted_is_made_after_the_next_start(repository: Engine) -> None:
    furnish(repository)
    interrupted = checkpointing.ask("tester")
    Snapshot.objects.update(state=Snapshot.State.RUNNING)
    Maintenance().turn()
    interrupted.refresh_from_db()
    assert interrupted.state == Snapshot.State.DONE
