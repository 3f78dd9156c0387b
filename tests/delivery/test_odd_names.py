"""Names that are wrong, odd or of nothing: a clear problem, never kept for long."""

from __future__ import annotations

import hashlib
import http.client
import json

import pytest

from tests import pictures
from tests.conftest import Server
from tests.waiting import PATIENCE

ABSENT = "0" * 64


@pytest.fixture(scope="module")
def ident(server: Server) -> str:
    return server.upload(pictures.jpeg(800, 600, seed=100))


def raw(server: Server, target: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """A request whose target goes out as it stands, not tidied by a client."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_an_unknown_ident_is_not_found(server: Server) -> None:
    for name in (ABSENT, f"{ABSENT}-400x300.jpg", f"{ABSENT}-fit10x10.webp"):
        answer = server.http.get(f"/images/{name}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 404
        assert ABSENT in answer.json()["detail"]


@pytest.mark.parametrize(
    ("suffix", "field"),
    [
        ("-0x100.jpg", "size"),
        ("-400x300.exe", "format"),
        ("-400x300-q0.jpg", "encoding"),
        ("-rotate360.jpg", "rotation"),
        ("-x0y0w0h5.jpg", "region"),
        ("-0400x300.jpg", "name"),
        ("-300x400-400x300.jpg", "name"),
        (".jpg.", "name"),
        ("-x9000y0w10h10.jpg", "region"),
        ("-99999x99999.jpg", "size"),
        ("-canvas10x10.jpg", "canvas"),
    ],
)
def test_a_wrong_name_is_told_with_its_field_and_limit(server: Server, ident: str, suffix: str, field: str) -> None:
    answer = server.http.get(f"/images/{ident}{suffix}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "errors"} <= set(problem)
    assert problem["errors"][0]["field"] == field
    assert problem["errors"][0]["limit"]


@pytest.mark.parametrize(
    "target",
    [
        "/images/",
        "/images//",
        "/images/..",
        "/images/../../etc/passwd",
        "/images/%2e%2e/%2e%2e/etc/passwd",
        "/images/..%2f..%2fetc%2fpasswd",
        "/images/..\\..\\etc\\passwd",
        "/images/%5c..%5cetc",
        "/images/%00",
        "/images/{ident}%00",
        "/images/{ident}%00.jpg",
        "/images/{ident}/",
        "/images/{ident}/..",
        "/images/{ident}%0d%0aX-Injected:%20yes",
        "/images/{ident}-400x300.jpg%20",
        "/images/{ident}-400x300.jpg%0a",
        "/images/{ident}-٤00x300.jpg".replace("٤", "%D9%A4"),
        "/images/{ident}%E2%88%95..",
        "/images/%ff%fe",
        "/images/" + "a" * 5000,
        "/images/{upper}",
        "/images/{upper}-400x300.jpg",
        "/images/.control",
        "/images/{ident}.part",
    ],
)
def test_odd_paths_are_refused_and_never_kept(server: Server, ident: str, target: str) -> None:
    status, headers, body = raw(server, target.format(ident=ident, upper=ident.upper()))
    assert status in {400, 404}
    assert b"root:" not in body
    assert "x-injected" not in headers
    assert "immutable" not in headers.get("cache-control", "")


def test_an_encoded_name_is_the_name(server: Server, ident: str) -> None:
    plain = server.http.get(f"/images/{ident}-400x300.jpg")
    status, _, body = raw(server, f"/images/{ident}%2D400x300.jpg")
    assert (status, body) == (200, plain.content)


def test_errors_are_never_immutable_and_never_sniffed(server: Server, ident: str) -> None:
    names = {"nonsense": 400, f"{ident}-0x0.jpg": 400, ABSENT: 404, f"{ABSENT}-1x1.jpg": 404}
    for name, status in names.items():
        for method in ("GET", "HEAD"):
            answer = server.http.request(method, f"/images/{name}")
            assert answer.status_code == status
            assert "immutable" not in answer.headers["cache-control"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["access-control-allow-origin"] == "*"
    shown = server.http.get(f"/images/{ident}-400x300.jpg", headers={"authorization": "Bearer nonsense"})
    assert (shown.status_code, shown.headers["cache-control"]) == (401, "no-store")


def test_what_comes_in_after_a_not_found_is_found(server: Server) -> None:
    data = pictures.jpeg(64, 48, seed=102)
    ident = hashlib.sha256(data).hexdigest()
    assert server.http.get(f"/images/{ident}-32x24.jpg").status_code == 404
    assert server.upload(data) == ident
    assert server.http.get(f"/images/{ident}-32x24.jpg").status_code == 200


def test_a_wrong_name_does_not_break_the_problem_document(server: Server) -> None:
    status, _, body = raw(server, '/images/%22%3Cscript%3E"')
    assert status == 400
    assert json.loads(body)["status"] == 400
