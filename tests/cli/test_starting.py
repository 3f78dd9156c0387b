"""What is set wrong ends the program with one line that names the variable; what is only late is waited for."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests import pictures
from tests.backends import missing_postgresql
from tests.backends.postgresql import PostgreSQL
from tests.backends.swift import SwiftCluster
from tests.conftest import Server, figure
from tests.servers import PROGRAM, environment, run, start_server
from tests.waiting import PATIENCE, until


def ended(tmp_path: Path, *command: str, **variables: str) -> str:
    """The one line that a program which did not start has said."""
    done = run(tmp_path / "data", *(command or ("serve",)), MEZZOTINT_BIND="127.0.0.1:0", **variables)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert (done.returncode, len(lines)) == (2, 1), done.stderr
    return lines[0]


@pytest.mark.parametrize("figures", ["", "127.0.0.1:0"], ids=["without figures", "with figures"])
@pytest.mark.parametrize("command", [("serve",), ("work",), ("clean",), ("clean", "--loop")], ids=" ".join)
@pytest.mark.parametrize("variable", ["MEZZOTINT_DATA", "MEZZOTINT_CACHE_DIR"])
def test_a_directory_that_cannot_be_written_to(
    tmp_path: Path, variable: str, command: tuple[str, ...], figures: str
) -> None:
    (tmp_path / "a file").write_text("")
    wrong = {variable: str(tmp_path / "a file" / "below")}
    said = ended(tmp_path, *command, MEZZOTINT_METRICS_BIND=figures, **wrong)
    assert said.startswith(f"mezzotint: {variable}: cannot be {tmp_path}/a file/below: ")
    assert "a directory that the user of number" in said


@pytest.mark.parametrize("command", ["serve", "work"])
@pytest.mark.parametrize(
    ("scheme", "wrong"), [("swift", {"ST_KEY": "wrong"}), ("s3", {"AWS_SECRET_ACCESS_KEY": "wrong"})]
)
def test_wrong_credentials(
    tmp_path: Path, swift: SwiftCluster, scheme: str, wrong: dict[str, str], command: str
) -> None:
    store = f"{scheme}://{swift.new_container()}/some"
    said = ended(tmp_path, command, MEZZOTINT_STORE=store, **(swift.environment() | wrong))
    [variable] = wrong
    assert said.startswith("mezzotint: MEZZOTINT_STORE: cannot be used: ")
    assert "refuses the credentials" in said
    assert variable in said


@pytest.mark.parametrize("options", [(), ("--read-only",)])
def test_a_bucket_that_is_not_there(tmp_path: Path, swift: SwiftCluster, options: tuple[str, ...]) -> None:
    said = ended(tmp_path, "serve", *options, MEZZOTINT_STORE="s3://never-made/some", **swift.environment())
    assert said.startswith("mezzotint: MEZZOTINT_STORE: cannot be used: S3 has no such bucket (limit: make the bucket")


@pytest.mark.parametrize("command", ["serve", "work"])
@pytest.mark.parametrize("wrong", ["postgres@127.0.0.1:{port}/nowhere", "nobody@127.0.0.1:{port}/postgres"])
def test_a_database_or_user_that_is_not_there(tmp_path: Path, postgresql: PostgreSQL, wrong: str, command: str) -> None:
    said = ended(tmp_path, command, DATABASE_URL=f"postgresql://{wrong.format(port=postgresql.port)}")
    assert said.startswith("mezzotint: DATABASE_URL: cannot be used: ")
    assert "does not exist" in said


@pytest.mark.parametrize("command", ["serve", "work"])
def test_a_database_file_that_cannot_be_made(tmp_path: Path, command: str) -> None:
    (tmp_path / "a file").write_text("")
    said = ended(tmp_path, command, DATABASE_URL=f"sqlite:///{tmp_path}/a file/here.sqlite3")
    assert said.startswith(f"mezzotint: DATABASE_URL: cannot be {tmp_path}/a file: ")


@pytest.mark.parametrize("command", ["serve", "work"])
def test_a_store_that_cannot_be_written_to(tmp_path: Path, command: str) -> None:
    (tmp_path / "a file").write_text("")
    said = ended(tmp_path, command, MEZZOTINT_STORE=f"file://{tmp_path}/a%20file/store")
    assert said.startswith(f"mezzotint: MEZZOTINT_STORE: cannot be {tmp_path}/a file/store: ")


@pytest.mark.parametrize("command", ["serve", "work"])
def test_a_database_of_a_newer_version(tmp_path: Path, command: str) -> None:
    database = tmp_path / "newer.sqlite3"
    url = f"sqlite:///{database}"
    assert run(tmp_path / "data", "commits", DATABASE_URL=url).returncode == 0
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('repository', '9999_later', '2030-01-01')"
        )
    said = ended(tmp_path, command, DATABASE_URL=url)
    assert said.startswith("mezzotint: DATABASE_URL: names a database of a newer version of Mezzotint than ")
    assert "repository.9999_later" in said


@pytest.mark.parametrize("command", [("work",), ("clean", "--loop")])
def test_a_port_for_figures_that_is_taken(tmp_path: Path, command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        said = ended(tmp_path, *command, MEZZOTINT_METRICS_BIND=where)
    assert said == f"mezzotint: MEZZOTINT_METRICS_BIND: cannot listen at {where}: Address already in use"


@contextmanager
def late_swift(swift: SwiftCluster) -> Iterator[tuple[dict[str, str], Callable[[], None]]]:
    """What names a Swift that does not listen yet, and how it begins to."""
    proxy = swift.another_proxy()
    variables = proxy.environment() | {"MEZZOTINT_STORE": f"swift://{proxy.new_container()}/some"}
    proxy.kill()
    try:
        yield variables, proxy.restart
    finally:
        proxy.stop()


def test_a_store_that_is_late_is_waited_for_by_a_server(
    tmp_path: Path, swift: SwiftCluster, serve: Callable[..., Server]
) -> None:
    """It serves meanwhile; afterwards all is as after any first start."""
    with late_swift(swift) as (variables, begin):
        server = serve(tmp_path / "data", **variables)
        said = server.log.read_text()
        assert "could not be reached" in said
        assert "it is asked again until it answers" in said
        assert "first-login" not in said
        until(lambda: figure(server, "mezzotint_store_failures_total") > 0)
        begin()
        until(lambda: "first-login" in server.log.read_text())
        until(lambda: not server.http.get("/api/status/").json()["alarm"])
        assert server.log.read_text().count("first-login") == 1
        assert "password: " in (server.data / "first-login").read_text()
        ident = server.upload(pictures.png(seed=8))
        assert server.http.get(f"/images/{ident}").status_code == 200
        server.stop()


def test_a_late_store_that_has_a_repository_is_restored(
    tmp_path: Path, swift: SwiftCluster, serve: Callable[..., Server]
) -> None:
    store = f"swift://{swift.new_container()}/some"
    first = serve(tmp_path / "first", **(swift.environment() | {"MEZZOTINT_STORE": store}))
    ident = first.upload(pictures.png(seed=9))
    first.stop()
    with late_swift(swift) as (variables, begin):
        second = serve(tmp_path / "second", **(variables | {"MEZZOTINT_STORE": store}))
        assert "it is asked again until it answers" in second.log.read_text()
        begin()
        until(lambda: "restored from the object store, up to commit " in second.log.read_text())
        until(lambda: second.http.get(f"/api/images/{ident}/").status_code == 200)
        assert "first-login" not in second.log.read_text()
        second.stop()


@pytest.fixture
def late_postgresql(tmp_path: Path) -> Iterator[PostgreSQL]:
    """One that was there, and is not."""
    if missing := missing_postgresql():
        pytest.skip(missing)
    server = PostgreSQL.start(tmp_path / "postgresql")
    try:
        server.end()
        yield server
    finally:
        server.stop()


def test_a_database_that_is_late_is_waited_for(
    tmp_path: Path, late_postgresql: PostgreSQL, serve: Callable[..., Server]
) -> None:
    """By a server and by a worker, which a container starts at the same moment as the database."""
    url = late_postgresql.url
    server = serve(tmp_path / "data", DATABASE_URL=url)
    assert "ALARM the database does not answer" in server.log.read_text()
    log = tmp_path / "work.log"
    with log.open("w") as output:
        variables = environment(tmp_path / "data", DATABASE_URL=url)
        worker = subprocess.Popen([PROGRAM, "work"], env=variables, stdout=output, stderr=output, cwd=tmp_path)
    try:
        until(lambda: "waiting: the database does not answer" in log.read_text())
        late_postgresql.restart()
        until(lambda: "first-login" in server.log.read_text() + log.read_text())
        until(lambda: "working on what is queued" in log.read_text())
        until(lambda: server.http.get("/api/status/").status_code == 200)
        assert (server.log.read_text() + log.read_text()).count("first-login") == 1
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0, log.read_text()
        server.stop()
    finally:
        worker.kill()
        worker.wait(PATIENCE)


def test_a_second_server_on_the_same_data_says_so_and_ends(serve: Callable[..., Server]) -> None:
    server = serve()
    second = run(server.data, "serve", MEZZOTINT_BIND="127.0.0.1:0")
    assert second.returncode == 2
    assert second.stderr.startswith("mezzotint: MEZZOTINT_DATA: another `mezzotint serve` runs on ")
    assert server.http.get("/health").status_code == 200
    shared = start_server(server.data, MEZZOTINT_SHARE_DATA="true")
    assert shared.http.get("/health").status_code == 200
    shared.stop()
    server.stop()
    again = serve(server.data)
    assert again.http.get("/health").status_code == 200
