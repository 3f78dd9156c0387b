"""`mezzotint serve --read-only`: another host that follows the journal, serves everything and accepts no write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import pictures
from tests.conftest import Server
from tests.repository.test_admin import hidden, logged_in
from tests.repository.test_standing import contents, status, titles
from tests.servers import rows, run, start_server
from tests.waiting import IN_TIME, until


@dataclass(frozen=True)
class Pair:
    writer: Server
    reader: Server
    variables: dict[str, str]

    def follows(self) -> None:
        """The read node has what the writer has now."""
        seq = status(self.writer)["live"]
        until(lambda: status(self.reader)["live"] == seq)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    root = tmp_path_factory.mktemp("nodes")
    variables = {"MEZZOTINT_STORE": f"file://{root}/store", "MEZZOTINT_SECRET_KEY": "one secret for both nodes"}
    writer = start_server(root / "writer", **variables)
    writer.upload(pictures.jpeg(seed=1), title="Before the read node")
    reader = start_server(root / "reader", "--read-only", **variables)
    yield Pair(writer, reader, variables)
    reader.stop()
    writer.stop()


def test_it_follows_within_seconds_and_says_its_lag(pair: Pair) -> None:
    assert "Before the read node" in titles(pair.reader)
    ident = pair.writer.upload(pictures.jpeg(seed=2), title="Followed", collection="A shelf")
    pair.follows()
    assert pair.reader.http.get(f"/api/images/{ident}/").json() == pair.writer.http.get(f"/api/images/{ident}/").json()
    assert pair.reader.http.get("/api/collections/a-shelf/").json()["title"] == "A shelf"
    assert "Followed" in pair.reader.http.get("/").text
    for name in (f"/images/{ident}", f"/images/{ident}-64x48.jpg"):
        assert pair.reader.http.get(name).content == pair.writer.http.get(name).content
    here, there = status(pair.reader), status(pair.writer)
    assert (here["read_only"], there["read_only"]) == (True, False)
    assert (here["alarm"], there["lag"]) == ("", None)
    assert 0 <= float(str(here["lag"])) < IN_TIME
    assert here["durable"] == there["durable"] == here["live"]


def test_a_node_that_stands_still_says_how_far_it_lags(pair: Pair) -> None:
    store = Path(pair.variables["MEZZOTINT_STORE"].removeprefix("file://"))
    away = store.with_name("away")
    store.rename(away)
    store.write_text("a disk that fails")
    try:
        until(lambda: float(str(status(pair.reader)["lag"])) > 2.5)
        assert status(pair.reader)["durable"] is None
        assert "Before the read node" in titles(pair.reader)
    finally:
        store.unlink()
        away.rename(store)
    until(lambda: float(str(status(pair.reader)["lag"])) < 2.5)


def test_it_accepts_no_write_over_http(pair: Pair) -> None:
    ident = pair.writer.upload(pictures.jpeg(seed=3), title="As it is")
    pair.follows()
    before, store = titles(pair.reader), contents(Path(pair.variables["MEZZOTINT_STORE"].removeprefix("file://")))
    ask = pair.reader.writer
    answers = [
        ask.post("/api/sessions/", json={}),
        ask.post("/api/images/", files={"file": ("a.png", pictures.png(seed=4))}),
        ask.patch(f"/api/images/{ident}/", json={"version": 1, "title": "Never"}),
        ask.delete(f"/api/images/{ident}/"),
        ask.post("/api/collections/", json={"title": "Never"}),
        ask.patch("/api/collections/a-shelf/", json={"version": 1, "title": "Never"}),
        ask.delete("/api/collections/a-shelf/"),
        ask.post(f"/api/removals/{ident}/restore/"),
        ask.post("/api/snapshots/"),
    ]
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert {answer.json()["title"] for answer in answers} == {"Read-only"}
    assert all("read node" in answer.json()["detail"] for answer in answers)
    assert titles(pair.reader) == before
    after = contents(Path(pair.variables["MEZZOTINT_STORE"].removeprefix("file://")))
    assert after == store, set(after) ^ set(store)


def test_it_accepts_no_write_on_the_command_line(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "new.png").write_bytes(pictures.png(seed=5))
    seq = status(pair.writer)["live"]
    variables = pair.variables | {"MEZZOTINT_READ_ONLY": "true"}
    for command in (["ingest", str(tmp_path)], ["snapshot", "--wait"], ["reconcile", "--apply"]):
        done = run(pair.reader.data, *command, **variables)
        assert (done.returncode, "read node" in done.stderr) == (2, True), done
    assert status(pair.writer)["live"] == seq


def test_who_may_log_in_may_log_in_here_and_changes_nothing(pair: Pair) -> None:
    password = "a long enough one 8"
    made = run(
        pair.writer.data, "manage", "createsuperuser", "--noinput", "--username", "dora", "--email", "d@example.org",
        DJANGO_SUPERUSER_PASSWORD=password, **pair.variables,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    until(lambda: bool(rows(pair.reader.data, "SELECT 1 FROM auth_user WHERE username = 'dora'")))
    with closing(logged_in(pair.reader, "dora", password)) as client:
        page = client.get("/admin/auth/user/add/")
        assert page.status_code == 200
        fields = hidden(page.text) | {"username": "never", "password1": password, "password2": password}
        answer = client.post("/admin/auth/user/add/", data=fields)
        assert (answer.status_code, "read node" in answer.text) == (503, True)
    assert rows(pair.reader.data, "SELECT username FROM auth_user WHERE username = 'never'") == []
    assert status(pair.reader)["waiting"] is False


def test_what_is_removed_is_gone_here_with_its_derivatives(pair: Pair) -> None:
    ident = pair.writer.upload(pictures.jpeg(seed=6), title="To be removed")
    pair.follows()
    names = [f"/images/{ident}", f"/images/{ident}-30x20.png", f"/images/{ident}-fit40x40.jpg"]
    assert [pair.reader.http.get(name).status_code for name in names] == [200] * 3
    pair.writer.writer.delete(f"/api/images/{ident}/").raise_for_status()
    assert pair.writer.http.get(names[1]).status_code == 404
    until(lambda: [pair.reader.http.get(name).status_code for name in names] == [404] * 3)
    assert pair.reader.http.get(f"/api/images/{ident}/").status_code == 404
    assert not list((pair.reader.data / "cache").rglob(f"{ident}*"))
