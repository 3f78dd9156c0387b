"""What browsers and caches are told, and the names that the server answers to."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import pytest

from mezzotint.tokens import Scope
from tests import pictures
from tests.conftest import Server

PAGES = ["/", "/?search=x", "/collection/none/", "/admin/login/", "/api/docs/", "/api/images/", "/nothing"]


@pytest.fixture(scope="module")
def named(serve_here: Callable[..., Server]) -> Server:
    return serve_here(MEZZOTINT_HOSTS="pictures.example, *.example.org", MEZZOTINT_PUBLIC_URL="https://own.example")


@pytest.mark.parametrize("path", PAGES)
def test_pages_allow_nothing_that_is_not_theirs(server: Server, path: str) -> None:
    headers = server.http.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert ("'unsafe-inline'" in policy["style-src"]) is (path == "/api/docs/")
    assert "camera=()" in headers["permissions-policy"]


@pytest.mark.parametrize("path", PAGES)
def test_pages_need_no_script_or_style_that_stands_in_them(server: Server, path: str) -> None:
    response = server.http.get(path)
    if response.headers["content-type"].startswith("application/json"):
        assert response.headers["x-content-type-options"] == "nosniff"  # words of a picture may be markup there
        return
    text = response.text
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")", text)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", re.sub(r"<!--.*?-->", "", text))
    if path != "/api/docs/":
        assert "<style" not in text
        assert not re.search(r"<[^>]+\sstyle=", text)


def test_what_may_be_for_one_alone_is_stored_by_nobody(server: Server) -> None:
    with server.client(Scope.READ) as reader:
        assert reader.get("/api/images/").headers["cache-control"] == "no-store"
    assert "no-store" in server.http.get("/admin/login/").headers["cache-control"]
    assert server.http.get("/", headers={"cookie": "sessionid=x"}).headers["cache-control"] == "no-store"
    assert "no-store" not in server.http.get("/").headers.get("cache-control", "")


def test_over_https_browsers_are_to_stay_there(named: Server, server: Server) -> None:
    secure = named.http.get("/", headers={"x-forwarded-proto": "https"})
    assert "max-age=31536000" in secure.headers["strict-transport-security"]
    assert "strict-transport-security" not in server.http.get("/").headers


@pytest.mark.parametrize(
    "host",
    [
        "pictures.example",
        "PICTURES.example.:8000",
        "a.example.org",
        "own.example",
        "localhost:1",
        "127.0.0.1",
        "[::1]:80",
    ],
)
def test_its_names_and_addresses_are_answered_to(named: Server, host: str) -> None:
    assert named.http.get("/health", headers={"host": host}).status_code == 200
    assert named.http.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "example.org",
        "pictures.example.evil.example",
        "127.0.0.1.evil.example",
        "[::1]evil",
        "[::1]:8765x",
        "[::1].evil.example",
        "127.0.0.1:8765x",
        "evil@127.0.0.1",
        "localhost/evil",
        "localhost?evil",
        "",
        "[",
        "a b",
    ],
)
def test_under_another_name_nothing_is_given_also_not_from_memory(named: Server, host: str) -> None:
    ident = named.upload(pictures.jpeg(120, 80, seed=7))
    for path in (
        f"/images/{ident}",
        f"/images/{ident}-w50.jpg",
        "/",
        "/api/images/",
        "/health",
        "/static/browse/page.css",
    ):
        for _ in range(2):
            assert named.http.get(path).status_code == 200
        assert _status(named, path, host) == 400


def _status(server: Server, path: str, host: str) -> int:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return int(connection.recv(65536).split(b" ")[1])


def test_words_are_found_as_they_are_written(server: Server) -> None:
    ident = server.upload(pictures.jpeg(120, 80, seed=8), title="Die STRASSE und die Straße am Ufer \ufb01n")
    for text in ("Straße", "straße", "STRASSE straße", "Straße Straße", "\ufb01n"):
        found = server.http.get("/api/images/", params={"search": text}).json()["results"]
        assert ident in [image["ident"] for image in found], text


def test_a_search_has_an_end(server: Server) -> None:
    many = " ".join(f"word{number}" for number in range(17))
    refused = server.http.get("/api/images/", params={"search": many})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "search"
    assert "16" in refused.json()["errors"][0]["limit"]
    assert server.http.get("/", params={"search": many}).status_code == 400
    for text in (" ".join(["the same"] * 200), " ".join(["The SAME the"] * 80)):
        assert server.http.get("/api/images/", params={"search": text[:990]}).status_code == 200
