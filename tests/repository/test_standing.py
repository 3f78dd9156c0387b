"""A start looks at database and store together: behind is made good, and what is not understood is never guessed at."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from mezzotint.names.keys import COPYING_KEY, MARKER_KEY
from mezzotint.objects import DirectoryStore
from tests import pictures
from tests.backends.swift import SwiftCluster
from tests.conftest import Server
from tests.repository.keeping import kept_database, lose_database, put_database_back
from tests.servers import rows, run, start_server
from tests.waiting import until

Serve = Callable[..., Server]


def contents(store: Path) -> dict[str, str]:
    """Every object, without the one that only tells the time."""
    files = (path for path in store.rglob("*") if path.is_file() and ".incoming" not in path.parts)
    found = {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return {key: digest for key, digest in found.items() if not key.endswith("/clock")}


def status(server: Server) -> dict[str, object]:
    return dict(server.http.get("/api/status/").raise_for_status().json())


def titles(server: Server) -> list[str]:
    found = server.http.get("/api/images/", params={"ordering": "added"}).raise_for_status().json()["results"]
    return sorted(image["title"] for image in found)


@pytest.mark.parametrize("and_what_is_beside", [True, False])
def test_a_database_that_was_deleted_is_restored(serve: Serve, and_what_is_beside: bool) -> None:
    first = serve()
    ident = first.upload(pictures.png(seed=1), title="Kept", collection="Shelf")
    first.upload(pictures.png(seed=2), title="Kept too")
    seq = status(first)["live"]
    first.kill()
    lose_database(first.data, and_what_is_beside=and_what_is_beside)
    second = serve()
    assert f"restored from the object store, up to commit {seq}" in second.log.read_text()
    assert titles(second) == ["Kept", "Kept too"]
    assert status(second)["live"] == status(second)["durable"] == seq
    assert second.http.get(f"/images/{ident}").status_code == 200
    assert second.http.get("/api/collections/shelf/").json()["title"] == "Shelf"
    second.upload(pictures.png(seed=3), title="And on")
    assert status(second)["live"] == int(str(seq)) + 1


def ingested(data: Path, seed: int) -> int:
    """Put a picture in on the command line; the newest commit then."""
    source = data.parent / "pictures"
    source.mkdir(exist_ok=True)
    (source / f"{seed}.png").write_bytes(pictures.png(seed=seed))
    assert run(data, "ingest", str(source)).returncode == 0
    return int(rows(data, "SELECT max(seq) FROM repository_commit")[0][0])


def test_an_older_database_is_brought_up_to_date(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ingested(data, 1)
    kept = kept_database(data)
    seq = ingested(data, 2)
    put_database_back(data, kept)
    assert rows(data, "SELECT max(seq) FROM repository_commit")[0][0] < seq
    listed = run(data, "commits", "--json")
    assert json.loads(listed.stdout)[0]["seq"] == seq
    assert rows(data, "SELECT count(*) FROM repository_image") == [(2,)]


def test_a_store_older_than_the_database_is_an_alarm_and_nothing_is_written(serve: Serve, tmp_path: Path) -> None:
    first = serve()
    ident = first.upload(pictures.png(seed=1), title="Old")
    store, older, newer = first.data / "store", tmp_path / "older", tmp_path / "newer"
    shutil.copytree(store, older)
    first.upload(pictures.png(seed=2), title="New")
    first.stop()
    store.rename(newer)
    older.rename(store)
    there = contents(store)
    second, told = serve(), "older than the database"
    assert "ALARM" in second.log.read_text()
    said = status(second)
    assert (said["read_only"], told in str(said["alarm"]), said["live"]) == (True, True, said["live"])
    assert titles(second) == ["New", "Old"]
    assert second.http.get("/").status_code == 200
    assert second.http.get(f"/images/{ident}-20x15.png").status_code == 200
    refusals = [
        second.writer.post("/api/images/", files={"file": ("a.png", pictures.png(seed=3))}),
        second.writer.patch(f"/api/images/{ident}/", json={"version": 1, "title": "Never"}),
        second.writer.delete(f"/api/images/{ident}/"),
        second.writer.post("/api/collections/", json={"title": "Never"}),
        second.writer.post("/api/sessions/", json={}),
        second.writer.post("/api/snapshots/"),
        second.writer.post(f"/api/removals/{ident}/restore/"),
    ]
    assert [answer.status_code for answer in refusals] == [503] * len(refusals)
    assert all(told in answer.json()["detail"] for answer in refusals)
    second.stop()
    assert contents(store) == there
    shutil.rmtree(store)
    newer.rename(store)
    third = serve()
    assert (status(third)["alarm"], status(third)["read_only"]) == ("", False)
    third.upload(pictures.png(seed=4), title="Again")
    assert titles(third) == ["Again", "New", "Old"]


def an_empty_store(store: Path) -> None:
    shutil.rmtree(store)


def another_store(store: Path) -> None:
    """With a history of its own that is as long."""
    shutil.rmtree(store)
    ingested(store.parent.parent / "elsewhere", 9)
    shutil.copytree(store.parent.parent / "elsewhere/store", store)


def a_copy_that_was_broken_off(store: Path) -> None:
    DirectoryStore(store).put(COPYING_KEY, b"{}\n")


def a_marker_that_cannot_be_read(store: Path) -> None:
    DirectoryStore(store).put(MARKER_KEY, b"{")


WRONG: dict[Callable[[Path], None], str] = {
    an_empty_store: "no marker",
    another_store: "belongs to store",
    a_copy_that_was_broken_off: "copy-store",
    a_marker_that_cannot_be_read: "marker",
}


def test_a_store_that_does_not_fit_is_never_written_to(tmp_path: Path) -> None:
    data, whole = tmp_path / "data", tmp_path / "whole"
    store = data / "store"
    ingested(data, 1)
    shutil.copytree(store, whole)
    commands = itertools.cycle((["reconcile", "--apply", "--over-cap"], ["ingest", str(tmp_path / "pictures")]))
    for (happening, told), command in zip(WRONG.items(), commands, strict=False):
        happening(store)
        there = contents(store) if store.exists() else {}
        done = run(data, *command, MEZZOTINT_GRACE="0s")
        assert (done.returncode, told in done.stderr) == (2, True), done
        assert contents(store) == there
        assert rows(data, "SELECT count(*) FROM repository_image") == [(1,)]
        shutil.rmtree(store)
        shutil.copytree(whole, store)
    assert ingested(data, 2) == 3


def is_there(server: Server, title: str) -> bool:
    """Not while its database is being filled, which is a 503."""
    answer = server.http.get("/api/images/")
    assert answer.status_code in {200, 503}, answer.text
    return answer.status_code == 200 and [image["title"] for image in answer.json()["results"]] == [title]


def test_a_store_that_does_not_answer_is_an_alarm_until_it_does(breakable_swift: SwiftCluster, tmp_path: Path) -> None:
    swift, data = breakable_swift, tmp_path / "data"
    variables = swift.environment() | {"MEZZOTINT_STORE": f"swift://{swift.new_container()}"}
    (tmp_path / "kept.png").write_bytes(pictures.png(seed=1))
    assert run(data, "ingest", str(tmp_path / "kept.png"), **variables).returncode == 0
    swift.kill()
    with ThreadPoolExecutor() as threads, ExitStack() as stack:
        started = [threads.submit(start_server, where, **variables) for where in (data, tmp_path / "fresh")]
        known, fresh = servers = [one.result() for one in started]
        for server in servers:
            stack.callback(server.stop)
            assert "could not be reached" in str(status(server)["alarm"])
            assert status(server)["durable"] is None
            answer = server.writer.post("/api/sessions/", json={})
            assert (answer.status_code, "until it answers" in answer.json()["detail"]) == (503, True)
        assert titles(known) == ["kept"]
        assert titles(fresh) == []
        swift.restart()
        until(lambda: is_there(fresh, "kept"))
        until(lambda: [status(server)["alarm"] for server in servers] == ["", ""])
        ident = known.upload(pictures.png(seed=2), title="Again")
        assert known.http.get(f"/images/{ident}-20x15.png").status_code == 200
        assert status(known)["live"] == status(known)["durable"]
