"""Pictures need no database: not at the start, and not while it breaks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import pictures
from tests.conftest import Server

BASE = pictures.jpeg(400, 300, seed=140)


def replaced_by_garbage(database: Path) -> None:
    for beside in database.parent.glob(f"{database.name}-*"):
        beside.unlink()
    aside = database.with_suffix(".garbage")
    aside.write_bytes(b"this is no database\n" * 5000)
    aside.replace(database)


def overwritten(database: Path) -> None:
    with open(database, "r+b") as stream:
        stream.write(b"\xff" * 8192)


def emptied(database: Path) -> None:
    for beside in database.parent.glob(f"{database.name}-*"):
        beside.unlink()
    aside = database.with_suffix(".empty")
    aside.write_bytes(b"")
    aside.replace(database)


def without_tables(database: Path) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = OFF")
    for table in ("membership", "sessionchange", "updatesession", "commit", "collection", "image"):
        connection.execute(f"DROP TABLE repository_{table}")
    connection.close()


def a_directory(database: Path) -> None:
    for beside in database.parent.glob(f"{database.name}-*"):
        beside.unlink()
    database.unlink()
    database.mkdir()


FAULTS = [replaced_by_garbage, overwritten, emptied, without_tables, a_directory]
Fault = Callable[[Path], None]


def database_of(server: Server) -> Path:
    database = server.settings.sqlite
    assert database is not None
    return database


def is_served(server: Server, ident: str, *names: str) -> None:
    assert server.http.get(f"/images/{ident}").content == BASE
    for name in names:
        answer = server.http.get(f"/images/{ident}{name}")
        assert answer.status_code == 200, answer.text
        pictures.opened(answer.content)
    assert server.http.get("/health").status_code == 200
    assert server.http.get("/metrics").status_code == 200


def is_told(server: Server) -> None:
    for answer in (
        server.http.get("/api/images/"),
        server.http.get("/api/images/", params={"search": "word"}),
        server.writer.post("/api/sessions/", json={}),
        server.writer.post("/api/images/", files={"file": ("a.png", pictures.png(seed=141))}),
    ):
        assert answer.status_code == 503, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 503
        assert "retry-after" in answer.headers
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_database_that_breaks_stops_no_picture(serve: Callable[..., Server], fault: Fault) -> None:
    server = serve()
    ident = server.upload(BASE)
    server.http.get(f"/images/{ident}-200x150.jpg").raise_for_status()
    fault(database_of(server))
    is_served(server, ident, "-200x150.jpg", "-100x75.jpg", "-fit50x50.webp", "-w60.auto")
    is_told(server)


@pytest.mark.parametrize("fault", [replaced_by_garbage, without_tables])
def test_pages_for_people_tell_it_too(serve: Callable[..., Server], fault: Fault) -> None:
    server = serve()
    fault(database_of(server))
    answer = server.http.get("/")
    assert answer.status_code == 503
    assert "database" in answer.text


@pytest.mark.parametrize("fault", [replaced_by_garbage, a_directory])
def test_a_server_starts_without_its_database(serve: Callable[..., Server], tmp_path: Path, fault: Fault) -> None:
    before = serve()
    ident = before.upload(BASE)
    before.http.get(f"/images/{ident}-200x150.jpg").raise_for_status()
    before.stop()
    fault(database_of(before))
    server = serve()
    is_served(server, ident, "-200x150.jpg", "-100x75.jpg")
    is_told(server)
    assert "ALARM" in server.log.read_text()


def test_a_database_that_has_lost_its_tables_is_made_again_at_the_start(serve: Callable[..., Server]) -> None:
    before = serve()
    ident = before.upload(BASE, title="Kept")
    before.stop()
    without_tables(database_of(before))
    assert serve().http.get(f"/api/images/{ident}/").raise_for_status().json()["title"] == "Kept"


def test_a_database_that_comes_back_is_used_again(serve: Callable[..., Server]) -> None:
    server = serve()
    ident = server.upload(BASE, title="Before")
    database = database_of(server)
    kept = database.with_suffix(".kept")
    connection = sqlite3.connect(database)
    connection.execute("VACUUM INTO ?", [str(kept)])
    connection.close()
    a_directory(database)
    assert server.http.get(f"/api/images/{ident}/").status_code == 503
    database.rmdir()
    kept.replace(database)
    assert server.http.get(f"/api/images/{ident}/").json()["title"] == "Before"
