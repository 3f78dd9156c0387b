"""Three workers over everything at once, killed and cut off at random: each document ends, each page is there once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.backends.aws import Aws
from tests.backends.postgresql import PostgreSQL
from tests.composites.dlcs import KEY, Dlcs, answers, garbled, hangs_up, loses_answer, now_and_then
from tests.composites.world import CUSTOMER, World
from tests.documents import anything, encrypted, request, scan_page, text_pdf
from tests.documents import pdf as written
from tests.origin import Asked, Origin
from tests.servers import PROGRAM, Server, environment, rows, start_server
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.timeout(1200)
DOCUMENTS = 40
MOST_MISHAPS = 16
WRONG = {
    "/broken.pdf": (text_pdf(9)[:900], "it is damaged"),
    "/html.pdf": (b"<html></html>", "it is not a PDF"),
    "/locked.pdf": (encrypted(text_pdf(2), "secret"), "it needs a password"),
    "/none.pdf": (written([]), "it has no pages"),
}


class Workers:
    """`mezzotint work`, so many times; whoever is killed is started again."""

    def __init__(self, count: int, data: Path, variables: dict[str, str]) -> None:
        self._environment = environment(data, **variables)
        self._data = data
        self._log = open(data.parent / "workers.log", "ab")  # noqa: SIM115
        self.processes = [self._started() for _ in range(count)]

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [PROGRAM, "work"], env=self._environment, cwd=self._data.parent, stdout=self._log, stderr=self._log,
            start_new_session=True,
        )  # fmt: skip

    def kill(self, number: int) -> None:
        os.killpg(self.processes[number].pid, signal.SIGKILL)
        self.processes[number].wait(PATIENCE)
        self.processes[number] = self._started()

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            assert process.wait(PATIENCE) in {0, -signal.SIGTERM}
        self._log.close()


@contextmanager
def a_world(directory: Path, aws: Aws) -> Iterator[World]:
    with Dlcs() as dlcs, Origin() as origin:
        yield World(directory, aws, dlcs, origin, aws.new_bucket())


def asked_for(world: World, choices: random.Random, count: int) -> tuple[list[dict[str, Any]], int]:
    """Members, some of them of documents that are none, and how many pages the good ones have."""
    members, pages = [], 0
    for number in range(count):
        path = f"/{number}.pdf"
        if number < len(WRONG):
            path, (data, _) = list(WRONG.items())[number]
        elif number % 7 == 0:
            size = choices.randint(1, 4)
            data = written([scan_page(150, 200, 36, seed=number * 10 + page) for page in range(size)])
            pages += size
        else:
            size = choices.randint(1, 14)
            data = text_pdf(size, f"Document {number}, page")
            pages += size
        members.append(
            anything(origin=world.document(data, path), id=f"{number}-{{}}", compositeId=f"composite-{number}")
        )
    return members, pages


def cut_off(asked: Asked) -> Any:
    return asked.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n%PDF-1.7")


def hurry(server: Server) -> None:
    """What has failed is tried again now, and not in a while."""
    execute(server, "UPDATE composites_member SET due = 0 WHERE NOT ended AND owner = ''")


def execute(server: Server, statement: str) -> None:
    if server.settings.database_url:
        with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
            connection.execute(statement.encode())
        return
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(server.data / "mezzotint.sqlite3", timeout=60)) as database, database:
        database.execute(statement)


def run(world: World, server: Server, workers: Workers, mishaps: list[Any], choices: random.Random) -> None:
    """Until every member has ended, mishaps all along."""

    def unfinished() -> int:
        statement = "SELECT COUNT(*) FROM composites_member WHERE NOT ended"
        if server.settings.database_url:
            with psycopg.connect(server.settings.database_url) as connection:
                found = connection.execute(statement.encode()).fetchone()
                return int(found[0]) if found else 0
        return int(rows(server.data, statement)[0][0])

    happened: Counter[str] = Counter()
    left = unfinished()

    def step() -> bool:
        nonlocal left
        left = unfinished()
        if left and happened.total() < MOST_MISHAPS and choices.random() < 0.5:
            mishap = choices.choice(mishaps)
            mishap()
            happened[mishap.__name__] += 1
        if happened.total() == MOST_MISHAPS:
            world.dlcs.down = False
        hurry(server)
        return not left

    deadline = time.monotonic() + 5 * PATIENCE  # what was lost is looked for in its own time
    while not step():
        assert time.monotonic() < deadline, left
        time.sleep(0.25)
    assert happened.total() >= 3, happened


def check(world: World, collection: dict[str, Any], pages: int) -> None:
    by_id = {}
    for member in collection["members"]:
        by_id[member["id"]] = member
    statuses = Counter(member["status"] for member in collection["members"])
    errors = sorted(member["error"] for member in collection["members"] if member["status"] == "ERROR")
    assert errors == sorted(why for _, why in WRONG.values())
    assert statuses == {"COMPLETED": len(by_id) - len(WRONG), "ERROR": len(WRONG)}
    keys = world.keys()
    assert len(keys) == pages
    registered = Counter(one["origin"].removeprefix(f"{world.aws.url}/{world.bucket}/") for one in world.registered())
    assert set(registered) == set(keys)
    assert set(registered.values()) == {1}, [key for key, count in registered.items() if count > 1]
    said = [uri for member in collection["members"] for uri in member.get("dlcs_uris", ())]
    assert sorted(said) == sorted(world.dlcs.batches)
    assert sum(member.get("image_count") or 0 for member in collection["members"]) == pages
    until(lambda: not world.left_in_scratch())


def faults(seed: int) -> list[Any]:
    return [now_and_then(0.15, seed, hangs_up, loses_answer, garbled, answers(500), answers(503, {}, Retry_After="1"))]


@pytest.mark.parametrize("seed", [1])
def test_everything_at_once(tmp_path: Path, aws: Aws, postgresql: PostgreSQL, seed: int) -> None:
    choices = random.Random(seed)
    with a_world(tmp_path, aws) as world:
        world.dlcs.faults = faults(seed)
        variables = world.variables(
            DATABASE_URL=postgresql.new_database(),
            SQS_BROKER_QUEUE_NAME=f"composites-{os.getpid()}",
            ENGINE_WORKER_COUNT="2",
        )
        server = start_server(tmp_path / "data", **variables)
        workers = Workers(3, tmp_path / "data", variables)
        try:
            members, pages = asked_for(world, choices, DOCUMENTS)
            collection = sent(server, members)

            def a_worker_is_killed() -> None:
                workers.kill(choices.randrange(3))

            def connections_are_cut() -> None:
                with psycopg.connect(variables["DATABASE_URL"], autocommit=True) as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )

            def the_dlcs_falls_and_rises() -> None:
                world.dlcs.down = not world.dlcs.down

            mishaps = [a_worker_is_killed, connections_are_cut, the_dlcs_falls_and_rises]
            run(world, server, workers, mishaps, choices)
            check(world, got(server, collection), pages)
        finally:
            workers.stop()
            server.stop()


def test_on_sqlite_and_its_own_queue_alone(tmp_path: Path, aws: Aws) -> None:
    choices = random.Random(2)
    with a_world(tmp_path, aws) as world:
        world.dlcs.faults = faults(2)
        variables = world.variables(ENGINE_WORKER_COUNT="2")
        server = start_server(tmp_path / "data", **variables)
        workers = Workers(2, tmp_path / "data", variables)
        try:
            members, pages = asked_for(world, choices, DOCUMENTS // 2)
            collection = sent(server, members)

            def a_worker_is_killed() -> None:
                workers.kill(choices.randrange(2))

            run(world, server, workers, [a_worker_is_killed], choices)
            check(world, got(server, collection), pages)
        finally:
            workers.stop()
            server.stop()


def sent(server: Server, members: list[dict[str, Any]]) -> str:
    """The collection's address."""
    answer = server.http.post(
        f"/customers/{CUSTOMER}/queue", json=request(*members), headers={"Authorization": KEY}
    ).raise_for_status()
    return "/collections/" + str(answer.json()["id"].rpartition("/")[2])


def got(server: Server, collection: str) -> dict[str, Any]:
    found: dict[str, Any] = server.http.get(collection, headers={"Authorization": KEY}).raise_for_status().json()
    return found
