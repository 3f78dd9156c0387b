"""The commands that an operator has for what is kept, and what the API says of its being kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mezzotint.names.keys import COPYING_KEY, MARKER_KEY
from mezzotint.objects import DirectoryStore
from tests import pictures
from tests.conftest import Server, run

COMMANDS = {
    "commits": ["--count", "--json"],
    "snapshot": ["--wait", "--json"],
    "restore": ["--at", "DATABASE_URL"],
    "reconcile": ["--apply", "--over-cap", "--json", "MEZZOTINT_GRACE"],
    "verify": ["--quick", "--rate", "--restart", "--json"],
    "copy-store": ["swift://", "s3://", "MEZZOTINT_STORE"],
    "serve": ["--read-only"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(tmp_path: Path, command: str) -> None:
    shown = run(tmp_path / "data", command, "--help", COLUMNS="200", TERM="dumb")
    assert shown.returncode == 0
    assert [word for word in COMMANDS[command] if word not in shown.stdout] == []
    assert not (tmp_path / "data" / "mezzotint.sqlite3").exists()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with three pictures, put in by three commits, and a checkpoint after the second."""
    data = tmp_path_factory.mktemp("cli") / "data"
    source = data.parent / "pictures"
    source.mkdir()
    for seed in (1, 2, 3):
        (source / f"plate-{seed}.png").write_bytes(pictures.png(seed=seed))
        assert run(data, "ingest", str(source), "--collection", "Plates").returncode == 0
        if seed == 2:
            made = run(data, "snapshot", "--wait", "--json")
            assert (made.returncode, json.loads(made.stdout)["state"]) == (0, "done"), made
    return data


def commits(data: Path, *options: str, **variables: str) -> list[dict[str, object]]:
    done = run(data, "commits", "--json", *options, **variables)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_commits_are_listed_newest_first(kept: Path) -> None:
    found = commits(kept)
    assert [one["seq"] for one in found] == list(range(len(found), 0, -1))
    assert [one["added"] for one in found if one["by"] == "ingest"] == [1, 1, 1]
    table = run(kept, "commits", "-n", "1").stdout
    assert "ingest" in table
    assert str(len(found)) in table


def test_a_snapshot_says_where_it_is(kept: Path) -> None:
    waiting = json.loads(run(kept, "snapshot", "--json").stdout)
    assert (waiting["state"], waiting["seq"]) == ("waiting", None)
    said = run(kept, "snapshot", "--wait").stdout
    keys = [info.key for info in DirectoryStore(kept / "store").list("journal/checkpoint-")]
    assert any(key in said for key in keys)


def test_an_earlier_commit_is_looked_at_and_nothing_else(kept: Path, serve: Callable[..., Server]) -> None:
    data, store = kept.parent / "then", f"file://{kept}/store"
    history = commits(kept)
    at = [str(one["seq"]) for one in history if one["by"] == "ingest"][1]
    done = run(data, "restore", "--at", at, MEZZOTINT_STORE=store)
    assert (done.returncode, f"restored up to commit {at}" in done.stdout) == (0, True), done
    again = run(data, "restore", MEZZOTINT_STORE=store)
    assert (again.returncode, "not empty" in again.stderr) == (2, True)
    server = serve(data, MEZZOTINT_STORE=store)
    titles = sorted(one["title"] for one in server.http.get("/api/images/").json()["results"])
    assert titles == ["plate-1", "plate-2"]
    first = server.http.get("/api/images/").json()["results"][0]["ident"]
    assert server.http.get(f"/images/{first}-20x15.png").status_code == 200
    status = server.http.get("/api/status/").json()
    assert (status["live"], status["durable"], status["read_only"]) == (int(at), history[0]["seq"], True)
    assert f"commit {at}" in server.log.read_text()
    refused = server.writer.post("/api/images/", files={"file": ("a.png", pictures.png(seed=9))})
    assert (refused.status_code, f"commit {at}" in refused.json()["detail"]) == (503, True)


def test_a_store_is_copied_whole_and_lived_in(kept: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    addresses = f"file://{kept}/store", f"file://{target}"
    for times in (1, 2):
        done = run(kept, "copy-store", *addresses)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("0 copied") is (times == 2), done.stdout
    source, copied = DirectoryStore(kept / "store"), DirectoryStore(target)
    keys = [info.key for info in source.list() if not info.key.endswith("/clock")]
    assert [info.key for info in copied.list() if not info.key.endswith("/clock")] == keys
    assert [copied.read(key) for key in keys] == [source.read(key) for key in keys]
    assert COPYING_KEY not in keys
    assert MARKER_KEY in keys
    here = commits(kept)
    assert commits(tmp_path / "fresh", MEZZOTINT_STORE=addresses[1]) == here


def test_verify_tells_programs_and_people(kept: Path, tmp_path: Path) -> None:
    target = tmp_path / "damaged"
    assert run(kept, "copy-store", f"file://{kept}/store", f"file://{target}").returncode == 0
    variables = {"MEZZOTINT_STORE": f"file://{target}"}
    whole = run(kept, "verify", "--json", "--quick", **variables)
    assert (whole.returncode, json.loads(whole.stdout)["objects"]) == (0, 3)
    first, *_ = (path for path in (target / "images").rglob("*") if path.is_file())
    data = bytearray(first.read_bytes())
    data[-20] ^= 1
    first.write_bytes(data)
    found = run(kept, "verify", "--json", **variables)
    assert (found.returncode, json.loads(found.stdout)["damaged"]) == (1, [first.name])
    told = run(kept, "verify", **variables)
    assert (told.returncode, f"missing  {first.name}" in told.stdout) == (1, True)


def test_every_answer_to_a_write_says_whether_it_is_durable(server: Server) -> None:
    picture = pictures.png(seed=970)
    ident = hashlib.sha256(picture).hexdigest()
    ask = server.writer
    answers = [ask.post("/api/sessions/", json={})]
    session = f"/api/sessions/{answers[0].json()['id']}"
    answers += [
        ask.post(f"{session}/images/", files={"file": ("a.png", picture)}),
        ask.patch(f"{session}/images/{ident}/", json={"title": "Not yet"}),
        ask.put(f"{session}/collections/durable-shelf/", json={"title": "Not yet"}),
    ]
    assert answers[1].json()["durable"] is False
    assert [(one.status_code < 300, one.headers["x-durable"]) for one in answers] == [(True, "false")] * len(answers)
    done = [
        ask.post(f"{session}/commit/"),
        ask.patch(f"/api/images/{ident}/", json={"version": 1, "title": "Now"}),
        ask.post("/api/collections/", json={"title": "Durable collection"}),
        ask.delete("/api/collections/durable-collection/"),
        ask.delete(f"/api/images/{ident}/"),
    ]
    assert [(one.status_code < 300, one.headers["x-durable"]) for one in done] == [(True, "true")] * len(done)
    assert done[0].json()["durable"] is True
    direct = ask.post("/api/images/", files={"file": ("a.png", pictures.png(seed=971))})
    assert (direct.headers["x-durable"], direct.json()["commit"]["durable"]) == ("true", True)
    assert "x-durable" not in server.http.get("/api/images/").headers
    assert "x-durable" not in ask.patch(f"/api/images/{ident}/", json={"version": 1, "title": "Gone"}).headers
    state = server.http.get("/api/status/").json()
    assert state["live"] == state["durable"]
