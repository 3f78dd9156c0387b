"""A line for each request, whoever has answered it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mezzotint.front.access import AccessLog
from mezzotint.tokens import Scope
from tests import pictures
from tests.conftest import Server
from tests.waiting import until

_LINE = re.compile(
    r'(?P<client>\S+) - - \[(?P<time>[^]]+)\] "(?P<line>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+) "(?P<referer>[^"]*)" '
    r'"(?P<agent>[^"]*)" (?P<seconds>\d+\.\d{6}) (?P<request>\S+)'
)


def lines(server: Server) -> list[str]:
    return [
        line for line in server.log.read_text().splitlines() if '" ' in line and ("HTTP/1" in line or ' "-" ' in line)
    ]


def logged(server: Server, mark: str) -> re.Match[str]:
    """The line in which `mark` stands, once it is there."""
    found: list[re.Match[str]] = []

    def look() -> bool:
        found[:] = [match for line in lines(server) if mark in line and (match := _LINE.fullmatch(line))]
        return bool(found)

    until(look)
    assert len(found) == 1, found
    return found[0]


def test_each_request_has_a_line(serve: Callable[..., Server]) -> None:
    server = serve(MEZZOTINT_ACCESS_LOG="plain")
    ident = server.upload(pictures.jpeg(300, 200, seed=150))
    asked = [
        ("made", f"/images/{ident}-w50.jpg", {}, 200),
        ("memory", f"/images/{ident}-w50.jpg", {}, 200),
        ("unmodified", f"/images/{ident}-w50.jpg", {"if-none-match": "*"}, 304),
        ("part", f"/images/{ident}-w50.jpg", {"range": "bytes=0-9"}, 206),
        ("base", f"/images/{ident}", {}, 200),
        ("absent", f"/images/{'0' * 64}", {}, 404),
        ("page", "/", {}, 200),
        ("static", "/static/browse/page.css", {}, 200),
    ]
    for agent, path, headers, status in asked:
        answer = server.http.get(
            path, headers={"user-agent": f"agent {agent}", "referer": "http://a/?token=abc", **headers}
        )
        found = logged(server, f'"agent {agent}"')
        assert found["line"] == f"GET {path} HTTP/1.1"
        assert (int(found["status"]), answer.status_code) == (status, status)
        if "content-encoding" not in answer.headers:
            assert int(found["bytes"]) == len(answer.content)
        assert found["request"] == answer.headers["x-request-id"]
        assert found["client"] == "127.0.0.1"
        assert found["referer"] == "http://a/?token=-"
    forwarded = {"user-agent": "agent forwarded", "x-forwarded-for": "192.0.2.9"}
    for _ in range(2):
        server.http.get(f"/images/{ident}-w50.jpg", headers=forwarded)
    until(lambda: sum("192.0.2.9 - -" in line for line in lines(server)) == 2)


def test_no_secret_and_no_line_of_a_clients_own_stands_in_it(serve: Callable[..., Server]) -> None:
    server = serve(MEZZOTINT_ACCESS_LOG="plain")
    token = server.token(Scope.READ)
    server.http.get(f"/images/{'0' * 64}?a=b&token={token}", headers={"user-agent": "secret"})
    assert logged(server, '"secret"')["line"].endswith("?a=b&token=- HTTP/1.1")
    server.http.get("/", headers=[(b"user-agent", b'x" 200 \\ \xff')])
    assert logged(server, "x22 200")["agent"] == r"x\x22 200 \x5c \xff"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"NONSENSE\r\n\r\n")
        assert b"400" in connection.recv(4096)
    assert logged(server, '"-" 400')["client"] == "127.0.0.1"
    assert token not in server.log.read_text()


ODD = b"\xff" * 5000


def test_a_line_is_written_at_once_and_opens_nothing(tmp_path: Path) -> None:
    file = tmp_path / "log"
    targets = [
        "/images/x?token=OPEN",
        "/images/x?a=b&%74oken=OPEN",
        "/get_image?url=https%3A%2F%2Fb%2Fx%3FX-Amz-Signature%3DOPEN%26a%3Db",
        "/get_image?url=https://b/x?X-Amz-Signature=OPEN",
        "/get_image?url=https%3A%2F%2Fuser%3AOPEN%40b%2Fx",
        "/get_image?url=https://user:OPEN@b/x",
        "/x?key=own&signature=OPEN",
    ]

    async def work(form: str) -> None:
        with file.open("wb") as stream:
            log = AccessLog(form, asyncio.get_running_loop(), stream.fileno())
            headers = {b"referer": ODD, b"user-agent": ODD}
            for target in targets:
                log.answered("1.2.3.4", ("GET", target, "HTTP/1.1"), {b"referer": target.encode()}, 200, 1, 0.1, "id")
            log.answered("1.2.3.4", ("GET", "/" + ODD.decode("latin-1"), "HTTP/1.1"), headers, 200, 1, 0.1, "id")
            log.close()

    for form in ("plain", "json"):
        asyncio.run(work(form))
        text = file.read_bytes()
        assert text.count(b"\n") == len(targets) + 1
        assert b"OPEN" not in text, text
        assert max(map(len, text.splitlines(keepends=True))) <= select.PIPE_BUF


def test_as_json(serve: Callable[..., Server]) -> None:
    server = serve(MEZZOTINT_ACCESS_LOG="json")
    answer = server.http.get("/health", headers={"user-agent": "json"})

    def found() -> list[dict[str, Any]]:
        text = [line for line in server.log.read_text().splitlines() if line.startswith('{"time"')]
        return [
            line
            for line in map(json.loads, text)
            if line.get("target") == "/health" and "json" in line.get("agent", "")
        ]

    until(lambda: bool(found()))
    (line,) = found()
    assert (line["method"], line["status"], line["bytes"]) == ("GET", 200, len(answer.content))
    assert line["request"] == answer.headers["x-request-id"]


def test_lines_that_are_waiting_go_out_at_the_end(serve: Callable[..., Server]) -> None:
    server = serve(MEZZOTINT_ACCESS_LOG="plain")
    server.http.get("/health", headers={"user-agent": "the last"})
    server.stop()
    assert logged(server, '"the last"')["status"] == "200"


def test_nobody_waits_for_who_reads_the_log(tmp_path: Path) -> None:
    """A pipe that is full, and that nobody reads at first: the loop goes on, and all is there in the end."""
    reading, writing = os.pipe()

    async def work() -> None:
        log = AccessLog("plain", asyncio.get_running_loop(), writing)
        for _ in range(8000):
            log.answered("192.0.2.1", ("GET", "/" + "x" * 300, "HTTP/1.1"), {}, 200, 1, 0.1, "id")
        until = log._writing.locked
        while not until():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)  # and the loop runs while the writer is stuck
        assert log._lines
        with (tmp_path / "log").open("wb") as stream, subprocess.Popen(["cat"], stdin=reading, stdout=stream) as reader:
            os.close(reading)
            while log._lines:
                await asyncio.sleep(0.01)
            log.close()
            os.close(writing)
            reader.wait()

    asyncio.run(work())
    text = (tmp_path / "log").read_text().splitlines()
    assert len(text) == 8000
    assert all(_LINE.fullmatch(line) for line in text)
