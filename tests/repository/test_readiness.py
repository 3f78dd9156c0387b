"""`/ready`: 200 where nothing is missing; what is missing, and why; never a long wait."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from mezzotint.errors import StoreUnavailable
from mezzotint.repository import readiness, standing
from mezzotint.wiring import Engine
from tests.backends.swift import SwiftCluster
from tests.servers import Server, start_server
from tests.waiting import HANGS, IN_TIME, until


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness._ASKED, "_asked", None)


def asked() -> tuple[int, Any]:
    answer = Client(raise_request_exception=False).get("/ready")
    assert "no-store" in answer["cache-control"]
    return answer.status_code, answer.json()


def test_where_all_is_well_nothing_is_missing(repository: Engine) -> None:
    assert asked() == (200, {"ready": True, "missing": {}})


def test_an_alarm_is_said(repository: Engine) -> None:
    standing.installation()
    standing.raise_alarm(StoreUnavailable("the store is another one"))
    status, said = asked()
    assert (status, said["ready"], list(said["missing"])) == (503, False, ["database"])
    assert "the store is another one" in said["missing"]["database"]


def test_a_database_that_does_not_answer_is_said(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise OperationalError("connection refused, password secret")

    monkeypatch.setattr(standing, "installation", fails)
    assert asked() == (503, {"ready": False, "missing": {"database": "the database does not answer (DATABASE_URL)"}})


def test_a_store_that_hangs_is_said_in_time_and_asked_once(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go, calls = threading.Event(), []

    def hangs(key: str) -> Any:
        calls.append(key)
        let_go.wait(HANGS)
        raise StoreUnavailable("S3 does not answer")

    monkeypatch.setattr(readiness, "PATIENCE", 0.2)
    monkeypatch.setattr(repository.store, "stat", hangs)
    begun = time.monotonic()
    for _ in range(3):
        status, said = asked()
        assert (status, list(said["missing"])) == (503, ["store"])
        assert "does not answer within 0.2 s (MEZZOTINT_STORE)" in said["missing"]["store"]
    assert time.monotonic() - begun < IN_TIME
    assert len(calls) == 1, "who hangs is not asked again meanwhile"
    let_go.set()
    until(lambda: asked()[1]["missing"].get("store") == "S3 does not answer")
    monkeypatch.undo()
    until(lambda: asked()[0] == 200)


def test_only_reading_is_answered(server: Server) -> None:
    assert server.http.get("/ready").json() == {"ready": True, "missing": {}}
    assert server.http.head("/ready").status_code == 200
    assert server.http.post("/ready").status_code in {403, 405}


def test_a_node_is_alive_and_not_ready_while_its_store_is_gone(breakable_swift: SwiftCluster, tmp_path: Path) -> None:
    container = breakable_swift.new_container()
    variables = breakable_swift.environment() | {
        "MEZZOTINT_STORE": f"swift://{container}",
        "MEZZOTINT_STORE_TIMEOUT": "1",
    }
    server = start_server(tmp_path / "data", **variables)
    try:
        assert server.http.get("/ready").status_code == 200
        breakable_swift.stop()
        said = until(lambda: (found := server.http.get("/ready")).status_code == 503 and found.json())
        assert "store" in said["missing"]
        assert server.http.get("/health").status_code == 200
    finally:
        server.stop()
