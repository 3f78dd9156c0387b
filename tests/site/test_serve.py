"""`mezzotint serve` and the commands beside it, as somebody who types them sees them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest

from mezzotint import tokens
from mezzotint.settings import Settings
from tests import http, pictures
from tests.backends.processes import accepts, lasting_port
from tests.conftest import PROGRAM, Server, environment, figure, run
from tests.origin import Origin
from tests.servers import answers
from tests.waiting import IN_TIME, PATIENCE, until


def group(server: Server) -> list[int]:
    """Every living process of the server's process group."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == server.process.pid and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def password_of(log: str) -> str | None:
    match = re.search(r"password: (\S+)", log)
    return match[1] if match else None


def token_of(log: str) -> str | None:
    match = re.search(r"token\s+(eyJ\S+)", log)
    return match[1] if match else None


def test_the_first_start_tells_a_password_and_a_token_once(serve: Callable[..., Server]) -> None:
    first = serve()
    log = first.log.read_text()
    assert first.url in log and str(first.data / "first-login") in log
    kept = (first.data / "first-login").read_text()
    token = token_of(kept)
    assert password_of(kept) is not None
    assert token is not None
    (first.data / "first-login").unlink()
    upload = {"file": ("a.png", pictures.png(seed=600))}
    headers = {"authorization": f"Bearer {token}"}
    assert first.http.post("/api/images/", files=upload, headers=headers).status_code == 201
    first.stop()
    second = serve()
    later = second.log.read_text()[len(log) :]
    assert "first-login" not in later
    assert not (first.data / "first-login").exists()
    assert second.http.post("/api/images/", files=upload, headers=headers).status_code == 200


def test_the_data_directory_keeps_its_secrets(serve: Callable[..., Server]) -> None:
    server = serve()
    assert (server.data / "secret-key").stat().st_mode & 0o077 == 0
    assert server.settings.secret_key not in server.log.read_text()


def stopped(server: Server, to_all: bool, number: signal.Signals = signal.SIGINT) -> None:
    """It ends by that signal: all of it, with status 0, before anybody loses patience."""
    (os.killpg if to_all else os.kill)(server.process.pid, number)
    try:
        assert server.process.wait(IN_TIME) == 0
    finally:
        left = group(server)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        server.process.wait(PATIENCE)
        server.http.close()
        server.writer.close()
    assert left == []
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("to_all", [True, False], ids=["the whole group", "the first process"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_whole_tree(
    serve: Callable[..., Server], workers: str, to_all: bool, number: signal.Signals
) -> None:
    server = serve(MEZZOTINT_WORKERS=workers)
    server.upload(pictures.png(seed=601))
    assert len(group(server)) > int(workers)
    stopped(server, to_all, number)
    with pytest.raises(httpx.ConnectError):
        http.get(f"{server.url}/health")


def test_ctrl_c_does_not_wait_for_connections_that_are_kept(serve: Callable[..., Server]) -> None:
    server = serve()
    with http.Client() as client, socket.create_connection(("127.0.0.1", server.port)):
        client.get(f"{server.url}/health").raise_for_status()
        stopped(server, to_all=True)


def test_ctrl_c_does_not_wait_for_an_upload_that_does_not_come(serve: Callable[..., Server]) -> None:
    server = serve()
    with socket.create_connection(("127.0.0.1", server.port)) as idle:
        idle.sendall(b"POST /api/images/ HTTP/1.1\r\nhost: here\r\ncontent-length: 1000\r\n\r\n")
        http.get(f"{server.url}/health").raise_for_status()
        stopped(server, to_all=True)


def test_ctrl_c_stops_in_the_middle_of_a_render(serve: Callable[..., Server]) -> None:
    server = serve()
    ident = server.upload(pictures.jpeg(3200, 2400, seed=604))
    with ExitStack() as waiting:
        for height in range(2390, 2400):  # one may be made before the figures are next looked at
            one = waiting.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            one.sendall(f"GET /images/{ident}-3200x{height}.avif HTTP/1.1\r\nhost: here\r\n\r\n".encode())
        until(lambda: figure(server, "mezzotint_render_queue") >= 1)
        stopped(server, to_all=True)


def test_workers_that_are_killed_as_they_come_up_are_started_anew(serve: Callable[..., Server]) -> None:
    server = serve(MEZZOTINT_WORKERS="2")
    for _ in range(3):
        workers = server.workers()
        os.kill(max(workers), signal.SIGKILL)
        until(partial(are_replaced, server, workers))
        until(lambda: answers(server.url))
    stopped(server, to_all=True)


def are_replaced(server: Server, before: set[int]) -> bool:
    return len(now := server.workers()) == 2 and now != before


def test_what_was_put_in_is_there_after_a_restart(serve: Callable[..., Server]) -> None:
    before = serve()
    data = pictures.jpeg(300, 200, seed=602)
    ident = before.upload(data, title="Kept")
    made = before.http.get(f"/images/{ident}-100x67.jpg").content
    before.stop()
    after = serve()
    assert after.http.get(f"/images/{ident}").content == data
    assert after.http.get(f"/images/{ident}-100x67.jpg").content == made
    assert after.http.get(f"/api/images/{ident}/").json()["title"] == "Kept"


def test_a_port_that_is_taken_is_a_clear_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(tmp_path / "data", "serve", MEZZOTINT_BIND=f"127.0.0.1:{port}")
    assert done.returncode == 2
    assert "MEZZOTINT_BIND" in done.stderr
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MEZZOTINT_BIND", "nonsense"),
        ("MEZZOTINT_WORKERS", "0"),
        ("MEZZOTINT_CACHE_MAX_SIZE", "much"),
        ("MEZZOTINT_STORE", "ftp://somewhere"),
        ("DATABASE_URL", "mysql://somewhere"),
        ("MEZZOTINT_PUBLIC_READ", "maybe"),
        ("MEZZOTINT_RENDER_QUEUE", "0"),
    ],
)
def test_a_wrong_setting_is_a_clear_error(tmp_path: Path, variable: str, value: str) -> None:
    variables = {"MEZZOTINT_BIND": f"127.0.0.1:{lasting_port()}"} | {variable: value}
    process = subprocess.Popen(
        [PROGRAM, "serve"],
        env=environment(tmp_path / "data", **variables),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        told, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.terminate()
        told, _ = process.communicate()
        pytest.fail(f"it started with {variable}={value}: {told}")
    assert process.returncode == 2
    assert variable in told
    assert "Traceback" not in told


def test_nothing_is_written_outside_the_data_directory(serve: Callable[..., Server], tmp_path: Path) -> None:
    home, temporary, here = tmp_path / "home", tmp_path / "tmp", tmp_path / "here"
    for directory in (home, temporary, here):
        directory.mkdir()
    server = serve(here / "data", HOME=str(home), TMPDIR=str(temporary), XDG_CACHE_HOME=str(home))
    ident = server.upload(pictures.jpeg(2400, 1800, seed=603, quality=97), title="A larger one")
    server.http.get(f"/images/{ident}-100x75.jpg").raise_for_status()
    server.http.get("/").raise_for_status()
    server.http.get("/api/schema/").raise_for_status()
    during = [*home.rglob("*"), *temporary.rglob("*")]
    server.stop()
    assert during == []
    assert [*home.rglob("*"), *temporary.rglob("*")] == []
    assert {path.name for path in here.iterdir()} == {"data", "data-serve.log"}


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that has something in it."""
    folder = tmp_path_factory.mktemp("used")
    for seed in range(3):
        (folder / f"{seed}.jpg").write_bytes(pictures.jpeg(200, 150, seed=610 + seed))
    done = run(folder / "data", "ingest", str(folder))
    assert done.returncode == 0, done.stderr
    return folder / "data"


@pytest.mark.parametrize("scope", list(tokens.Scope))
def test_a_token_is_all_that_is_printed(used: Path, scope: str) -> None:
    done = run(used, "token", "issue", "--scope", scope, "--days", "3", "--name", "bench")
    assert done.returncode == 0
    text = done.stdout.removesuffix("\n")
    assert len(text.split()) == 1
    secret = Settings.read({"MEZZOTINT_DATA": str(used)}).secret_key
    token = tokens.verify(secret, text)
    assert (token.scope, token.name) == (scope, "bench")


@pytest.mark.parametrize(
    "arguments", [["--days", "0"], ["--days", "99999"], ["--scope", "everything"], ["--days", "x"]]
)
def test_a_token_that_cannot_be_is_refused(used: Path, arguments: list[str]) -> None:
    done = run(used, "token", "issue", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_the_cache_is_shown_cleaned_and_found_again(serve: Callable[..., Server]) -> None:
    server = serve()
    ident = server.upload(pictures.jpeg(600, 400, seed=620))
    names = [f"{ident}-{width}x{width}.png" for width in (50, 60, 70)]
    sizes = [len(server.http.get(f"/images/{name}").content) for name in names]
    status = run(server.data, "cache", "status", "--json")
    shown = json.loads(status.stdout)
    assert (shown["files"], shown["bytes"]) == (3, sum(sizes))
    assert shown["max_bytes"] == 10 << 30
    assert run(server.data, "cache", "status").returncode == 0
    assert run(server.data, "cache", "clean", "--to", "0", "--dry-run").returncode == 0
    assert json.loads(run(server.data, "cache", "status", "--json").stdout)["files"] == 3

    (server.settings.cache / "native" / ident[0] / ident[:2] / ident[:3] / names[0]).unlink()
    assert run(server.data, "cache", "rescan").returncode == 0
    after = json.loads(run(server.data, "cache", "status", "--json").stdout)
    assert (after["files"], after["bytes"]) == (2, sum(sizes[1:]))

    assert run(server.data, "cache", "clean", "--to", "0").returncode == 0
    empty = json.loads(run(server.data, "cache", "status", "--json").stdout)
    assert (empty["files"], empty["bytes"]) == (0, 0)
    assert not [path for path in (server.settings.cache / "native").rglob("*") if path.is_file()]
    assert all(server.http.get(f"/images/{name}").status_code == 200 for name in names)


def test_a_cache_that_may_hold_nothing_is_shown(used: Path) -> None:
    assert run(used, "cache", "status", MEZZOTINT_CACHE_MAX_SIZE="0").returncode == 0


def test_a_size_that_cannot_be_is_refused(used: Path) -> None:
    done = run(used, "cache", "clean", "--to", "a lot")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_help_names_every_command(tmp_path: Path) -> None:
    done = run(tmp_path / "data", "--help")
    assert done.returncode == 0
    assert all(command in done.stdout for command in ("serve", "ingest", "token", "cache", "manage"))
    assert not (tmp_path / "data").exists()


def test_djangos_own_commands_are_there(used: Path) -> None:
    assert run(used, "manage", "check").returncode == 0
    assert run(used, "manage", "makemigrations", "--check", "--dry-run").returncode == 0
    assert run(used, "manage", "help").returncode == 0


def test_what_is_under_way_is_finished_when_it_is_stopped(serve: Callable[..., Server], origin: Origin) -> None:
    server = serve(MEZZOTINT_FETCH_ALLOW="127.0.0.0/8", MEZZOTINT_FETCH_PORTS="*")
    url = origin.picture("/slow.jpg", pictures.jpeg(60, 40))
    held = origin.holding("/slow.jpg")
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(server.writer.get, "/get_image", params={"url": url})
        until(lambda: origin.asked["/slow.jpg"])
        server.process.terminate()
        until(lambda: not accepts(server.port))
        held.set()
        assert asked.result(PATIENCE).status_code == 200
    assert server.process.wait(PATIENCE) == 0
