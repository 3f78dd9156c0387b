"""Requests that no browser makes: large ones of nobody known, and ones that name their host in the request line."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from mezzotint.tokens import Scope
from tests import http, pictures
from tests.conftest import Server
from tests.waiting import PATIENCE

LARGE = (1 << 20) + 1


def said(server: Server, head: str, body: bytes = b"") -> str:
    """The answer to a request as it stands."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n" + body)
        with connection.makefile("rb") as stream:
            return stream.read().decode()


def pieces() -> Iterator[bytes]:
    for _ in range(LARGE // 1024 + 1):
        yield bytes(1024)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("scope", [None, Scope.READ])
def test_who_may_not_write_sends_no_large_body(server: Server, scope: Scope | None, chunked: bool) -> None:
    client = server.client(scope) if scope else http.Client(base_url=server.url, timeout=PATIENCE)
    with closing(client):
        answer = client.post("/api/images/", content=pieces() if chunked else bytes(LARGE))
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert "sending this much needs a token of scope write" in answer.json()["detail"]
    assert answer.headers["www-authenticate"] == 'Bearer realm="mezzotint"'


def test_who_may_write_sends_one(server: Server) -> None:
    large = pictures.jpeg(1600, 1200, seed=77, quality=100)
    assert len(large) > LARGE
    assert server.upload(large)


def test_the_host_of_the_request_line_is_the_host(server: Server) -> None:
    """RFC 9112 section 3.2.2. A form is taken from pages of the same host alone, and here no header names it."""
    page = said(server, "GET http://images.example/admin/login/ HTTP/1.1\nConnection: close\n")
    assert page.startswith("HTTP/1.1 200"), page[:200]
    cookie, token = re.search(r"csrftoken=(\w+)", page), re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)
    assert cookie and token
    body = f"csrfmiddlewaretoken={token[1]}&username=nobody&password=none".encode()
    for origin, status in (("http://images.example", 200), ("http://elsewhere.example", 403)):
        answer = said(
            server,
            f"POST http://images.example/admin/login/ HTTP/1.1\nConnection: close\nOrigin: {origin}\n"
            f"Cookie: csrftoken={cookie[1]}\nContent-Type: application/x-www-form-urlencoded\n"
            f"Content-Length: {len(body)}\n",
            body,
        )
        assert answer.startswith(f"HTTP/1.1 {status}"), answer[:300]
