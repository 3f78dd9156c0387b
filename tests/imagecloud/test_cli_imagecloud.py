"""`mezzotint prefetch` and `mezzotint clones`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import pictures
from tests.conftest import PROGRAM, environment, run
from tests.imagecloud.nodes import OPEN, befriend
from tests.origin import Origin
from tests.servers import rows
from tests.waiting import PATIENCE

COMMANDS = {
    "prefetch": ["--retry", "--json", "--no-wait", "standard input"],
    "clones": ["--retry", "--json"],
    "work": ["Ctrl-C"],
}


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin(hosts=("127.0.0.1", "127.0.1.1")) as started:
        yield started


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def put_out(origin: Origin, count: int) -> list[str]:
    return [origin.picture(f"/{seed}.jpg", pictures.jpeg(40, 30, seed=seed)) for seed in range(count)]


def listed(tmp_path: Path, *lines: str) -> str:
    (tmp_path / "urls.txt").write_text("\n".join(lines) + "\n")
    return str(tmp_path / "urls.txt")


def piped(data: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments],
        env=environment(data, **OPEN),
        cwd=data.parent,
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(data: Path, command: str) -> None:
    shown = run(data, command, "--help", COLUMNS="200", TERM="dumb")
    assert shown.returncode == 0
    assert [word for word in COMMANDS[command] if word not in shown.stdout] == []


def test_a_file_of_urls_is_loaded(data: Path, tmp_path: Path, origin: Origin) -> None:
    urls = put_out(origin, 5)
    done = run(data, "prefetch", listed(tmp_path, "# a list", "", *urls, f"  {urls[0]}  "), "--json", **OPEN)
    assert done.returncode == 0, done.stderr
    found = told(done)
    assert {name: found[name] for name in ("given", "queued", "duplicates", "invalid")} == {
        "given": 6,
        "queued": 5,
        "duplicates": 1,
        "invalid": 0,
    }
    assert found["counts"] == {"waiting": 0, "running": 0, "done": 5, "dead": 0}
    assert len(found["batches"]) == 1
    assert len(list((data / "store" / "remote").rglob("*.json"))) == 5
    assert set(origin.asked.values()) == {1}
    assert len(rows(data, "SELECT id FROM imagecloud_remoteimage")) == 5, "the database knows when it ends"


def test_standard_input_is_read_and_what_cannot_be_loaded_is_told_and_retried(data: Path, origin: Origin) -> None:
    (good,) = put_out(origin, 1)
    lacking = origin.url("/lacking.jpg", "127.0.1.1")
    done = piped(data, f"{good}\n{lacking}\nftp://example.com/x\n", "prefetch", "-")
    assert done.returncode == 1
    assert "1 loaded" in done.stdout
    assert lacking in "".join(done.stderr.split()) and "ftp://example.com/x" in "".join(done.stderr.split())
    again = told(run(data, "prefetch", "--retry", "--no-wait", "--json", **OPEN))
    assert (again["given"], again["counts"]) == (0, {})
    assert rows(data, "SELECT state, url FROM imagecloud_prefetchitem WHERE state <> 'done'") == [("waiting", lacking)]


def test_without_waiting_it_is_only_queued(data: Path, tmp_path: Path, origin: Origin) -> None:
    urls = put_out(origin, 3)
    done = run(data, "prefetch", listed(tmp_path, *urls), "--no-wait", "--json", **OPEN)
    assert (done.returncode, told(done)["queued"], told(done)["counts"]) == (0, 3, {})
    assert not origin.asked
    assert rows(data, "SELECT DISTINCT state FROM imagecloud_prefetchitem") == [("waiting",)]


def test_what_cannot_be_read_is_said(data: Path, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for wrong in ([str(tmp_path / "not-there")], [str(tmp_path)], [str(tmp_path / "binary")], []):
        done = run(data, "prefetch", *wrong)
        assert (done.returncode != 0, "Traceback" in done.stderr) == (True, False), (wrong, done.stderr)
        assert done.stderr.strip()


def test_a_read_node_loads_nothing(data: Path, tmp_path: Path, origin: Origin) -> None:
    urls = put_out(origin, 1)
    run(data, "clones")
    done = run(data, "prefetch", listed(tmp_path, *urls), MEZZOTINT_READ_ONLY="true", **OPEN)
    assert (done.returncode != 0, "Traceback" in done.stderr, origin.asked.total()) == (True, False, 0)


def test_what_the_peers_are_still_to_be_sent(data: Path, tmp_path: Path, origin: Origin) -> None:
    data.mkdir()
    down = {"url": "http://127.0.0.1:9", "token": "", "clone": True}
    befriend(data, {"name": "b"} | down, {"name": "c"} | down, {"name": "d"} | down | {"clone": False})
    empty = dict.fromkeys(("waiting", "running", "done", "dead"), 0)
    assert told(run(data, "clones", "--json")) == {"b": empty, "c": empty}
    assert run(data, "prefetch", listed(tmp_path, *put_out(origin, 2)), **OPEN).returncode == 0
    shown = run(data, "clones", "--json", **OPEN)
    assert shown.returncode == 0, shown.stderr
    assert told(shown) == {"b": empty | {"waiting": 2}, "c": empty | {"waiting": 2}}
    table = run(data, "clones", COLUMNS="100", TERM="dumb")
    assert (table.returncode, "peer" in table.stdout, "dead" in table.stdout) == (0, True, True)
    assert run(data, "clones", "--retry", "--json").returncode == 0
