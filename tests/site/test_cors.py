"""MEZZOTINT_CORS_ORIGINS: pages of other origins use the API with a token, and never with somebody's login."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mezzotint.errors import InvalidInput
from mezzotint.settings import Settings
from tests.conftest import Server

APP = "https://app.example"
ASKED = {"origin": APP, "access-control-request-method": "PATCH", "access-control-request-headers": "authorization"}


@pytest.fixture(scope="module")
def opened(serve_here: Callable[..., Server]) -> Server:
    return serve_here(MEZZOTINT_CORS_ORIGINS=f"{APP}, http://localhost:3000")


def test_an_origin_that_is_named_may_ask(opened: Server) -> None:
    may = opened.http.options("/api/images/", headers=ASKED)
    assert may.status_code == 200 and may.headers["access-control-allow-origin"] == APP
    assert "PATCH" in may.headers["access-control-allow-methods"]
    assert "authorization" in may.headers["access-control-allow-headers"]
    answer = opened.writer.post("/api/sessions/", json={}, headers={"origin": APP})
    assert answer.status_code == 201 and answer.headers["access-control-allow-origin"] == APP
    assert "x-durable" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers and "origin" in answer.headers["vary"].lower()
    missing = opened.http.get(f"/api/images/{'0' * 64}/", headers={"origin": APP})
    assert missing.status_code == 404 and missing.headers["access-control-allow-origin"] == APP


def test_uploads_that_go_on_are_for_them_too(opened: Server) -> None:
    session = opened.writer.post("/api/sessions/", json={}).json()["id"]
    asked = {"origin": APP, "access-control-request-method": "POST",
             "access-control-request-headers": "tus-resumable,upload-length,upload-metadata,authorization"}  # fmt: skip
    may = opened.http.options(f"/api/sessions/{session}/uploads/", headers=asked)
    assert may.status_code == 200
    assert {"tus-resumable", "upload-length"} <= set(may.headers["access-control-allow-headers"].split(", "))
    plain = opened.http.options(f"/api/sessions/{session}/uploads/", headers={"origin": APP})
    assert plain.headers["tus-version"] == "1.0.0"


@pytest.mark.parametrize(
    "origin", ["https://other.example", "null", "https://app.example.evil.example", "http://app.example"]
)
def test_others_may_not(opened: Server, origin: str) -> None:
    assert (
        "access-control-allow-origin"
        not in opened.http.options("/api/images/", headers=ASKED | {"origin": origin}).headers
    )
    assert "access-control-allow-origin" not in opened.http.get("/api/images/", headers={"origin": origin}).headers


def test_pages_are_for_nobody_elses_scripts(opened: Server) -> None:
    for path in ("/", "/desk/", "/admin/login/", "/login/", "/api/docs/"):
        assert "access-control-allow-origin" not in opened.http.get(path, headers={"origin": APP}).headers


def test_nobody_may_where_nothing_is_said(server: Server) -> None:
    assert "access-control-allow-origin" not in server.http.get("/api/images/", headers={"origin": APP}).headers


def test_all_may_where_that_is_said(serve_here: Callable[..., Server]) -> None:
    server = serve_here(MEZZOTINT_CORS_ORIGINS="*")
    assert server.http.get("/api/images/", headers={"origin": APP}).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "text", ["app.example", "https://app.example/path", "https://*.example", "ftp://x", "https://u@x", "https://"]
)
def test_what_is_no_origin_is_told(text: str) -> None:
    with pytest.raises(InvalidInput, match="MEZZOTINT_CORS_ORIGINS"):
        Settings.read({"MEZZOTINT_DATA": "/srv", "MEZZOTINT_CORS_ORIGINS": text})
