"""The queue: whatever it loses or tells twice, each document is worked on once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django_q.models import OrmQ, Schedule
from django_q.signing import SignedPackage

from mezzotint.composites import claims, tasks, worker
from mezzotint.composites.models import Member, Status
from mezzotint.repository.owners import Owner
from tests.backends.aws import Aws
from tests.composites.dlcs import KEY
from tests.composites.world import CUSTOMER, World
from tests.documents import anything, request, text_pdf
from tests.servers import Server, environment, rows
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]


def queued() -> list[dict[str, object]]:
    return [SignedPackage.loads(row.payload) for row in OrmQ.objects.order_by("id")]


def test_what_is_queued_names_the_member_and_nothing_else(world: World) -> None:
    member = world.composite(text_pdf(1))
    [task] = queued()
    assert (task["func"], task["args"], task["kwargs"]) == (tasks.TASK, ({"id": str(member.pk)},), {})
    assert KEY.partition(" ")[2] not in repr(task)


def test_a_task_that_comes_twice_does_its_work_once(world: World) -> None:
    member = world.composite(text_pdf(3), compositeId="a")
    assert tasks.process_member({"id": str(member.pk)}) == "COMPLETED"
    assert tasks.process_member({"id": str(member.pk)}) == "nothing to do"
    assert (world.dlcs.posts, len(world.keys())) == (1, 3)


def test_a_failure_is_one_for_the_queue_too(world: World) -> None:
    member = world.composite(b"no document")
    with pytest.raises(tasks.MemberFailed, match="it is not a PDF"):
        tasks.process_member({"id": str(member.pk)})
    with pytest.raises(Exception, match="badly formed"):
        tasks.process_member({"id": "no id"})


def test_what_the_broker_lost_is_told_again(world: World) -> None:
    member = world.composite(text_pdf(1))
    OrmQ.objects.all().delete()
    assert tasks.sweep() == 0, "it may only be slow"
    Member.objects.update(queued=time.time() - tasks.FORGOTTEN - 1)
    assert tasks.sweep() == 1
    assert [task["args"] for task in queued()] == [({"id": str(member.pk)},)]
    assert tasks.sweep() == 0


def test_what_a_worker_had_that_is_gone_is_free_at_once(world: World) -> None:
    member = world.composite(text_pdf(1))
    owner = Owner()
    assert claims.take(member.pk, owner) is not None
    other = Owner()
    assert claims.take_over() == 0
    assert claims.take(member.pk, other) is None
    owner.close()
    assert claims.take_over() == 1
    assert claims.take(member.pk, other) is not None
    other.close()


def test_a_lease_that_has_ended_is_anybodys(world: World) -> None:
    member = world.composite(text_pdf(1))
    owner, other = Owner(), Owner()
    assert claims.take(member.pk, owner) is not None
    Member.objects.update(lease=time.time() - 1)
    assert claims.due(5) == [member.pk]
    assert claims.take(member.pk, other) is not None
    owner.close()
    other.close()


def test_a_broker_that_is_away_costs_no_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*arguments: object, **options: object) -> None:
        raise ConnectionError("no broker")

    with monkeypatch.context() as patch:
        patch.setattr("django_q.tasks.async_task", away)
        member = world.composite(text_pdf(1))
    assert (member.status, member.queued) == (Status.PENDING, 0.0)
    assert tasks.sweep() == 1


def test_very_many_are_queued_little_by_little(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_AT_ONCE", 10)
    world.accept(*(anything(compositeId=f"a{n}") for n in range(25)))
    told, counts = set(), []
    assert tasks.sweep() == 0, "there is enough in the queue"
    for _ in range(4):
        found = {json.dumps(task["args"]) for task in queued()}
        told |= found
        counts.append(len(found))
        OrmQ.objects.all().delete()
        tasks.sweep()
    assert (counts, len(told)) == ([10, 10, 5, 0], 25)


def test_the_engine_takes_what_is_told_off_the_queue(world: World) -> None:
    world.composite(text_pdf(1))
    assert worker._drained()
    assert OrmQ.objects.count() == 0


def test_clusters_sweep_once_a_minute(transactional_db: None) -> None:
    tasks.schedule_sweeping()
    schedule = Schedule.objects.get()
    assert (schedule.func, schedule.minutes) == (tasks.SWEEP, 1)


def test_a_cluster_does_the_work_as_it_did(tmp_path: Path, aws: Aws, dlcs: object, origin: object) -> None:
    """`manage.py qcluster`, with `createcachetable` and `migrate` before it, and SQS as the broker."""
    made = World(tmp_path, aws, dlcs, origin, aws.new_bucket())  # type: ignore[arg-type]
    more = {"SQS_BROKER_QUEUE_NAME": f"cluster-{os.getpid()}", "CACHE_URL": "dbcache://app_cache"}
    variables = environment(tmp_path / "data", **made.variables(**more))

    def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)

    for command in (["migrate"], ["createcachetable"], ["createcachetable"], ["check"], ["qinfo"]):
        done = manage(*command)
        assert done.returncode == 0, done.stderr
    url = made.document(text_pdf(5))
    script = (
        "from mezzotint.composites import receiving; from tests.documents import anything, request; "
        f"receiving.accept({CUSTOMER}, request(anything(origin={url!r}, compositeId='a')), {KEY!r}, 'tests')"
    )
    variables["PYTHONPATH"] = str(ROOT)
    done = manage("shell", "-c", script)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "cluster.log", "wb") as log:
        cluster = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "qcluster"], env=variables, cwd=tmp_path, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        until(lambda: rows(tmp_path / "data", "SELECT status FROM composites_member") == [("COMPLETED",)])
    finally:
        os.killpg(cluster.pid, signal.SIGTERM)
        try:
            cluster.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(cluster.pid, signal.SIGKILL)
            cluster.wait(PATIENCE)
    assert len(made.keys()) == len(made.registered()) == 5


def test_serve_alone_is_a_whole_installation(
    serve: Callable[..., Server], tmp_path: Path, aws: Aws, dlcs: object, origin: object
) -> None:
    made = World(tmp_path, aws, dlcs, origin, aws.new_bucket())  # type: ignore[arg-type]
    server = serve(**made.variables(MEZZOTINT_WORKERS="2"))
    body = request(*(anything(origin=made.document(text_pdf(n + 1), f"/{n}.pdf"), id=f"{n}-{{}}") for n in range(6)))
    server.http.post(f"/customers/{CUSTOMER}/queue", json=body, headers={"Authorization": KEY}).raise_for_status()
    until(lambda: rows(server.data, "SELECT DISTINCT status FROM composites_member") == [("COMPLETED",)])
    assert len(made.keys()) == sum(range(1, 7))
    until(lambda: rows(server.data, "SELECT COUNT(*) FROM django_q_ormq") == [(0,)])
