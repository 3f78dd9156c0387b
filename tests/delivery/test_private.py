"""MEZZOTINT_PUBLIC_READ=false, and tokens where reading is public."""

from __future__ import annotations

from collections.abc import Callable

import jwt
import pytest

from mezzotint import tokens
from mezzotint.tokens import Scope
from tests import pictures
from tests.conftest import Server


@pytest.fixture(scope="module")
def private(serve_here: Callable[..., Server]) -> Server:
    return serve_here(MEZZOTINT_PUBLIC_READ="false")


@pytest.fixture(scope="module")
def ident(private: Server) -> str:
    return private.upload(pictures.jpeg(300, 200, seed=130), title="Behind the door")


def expired(server: Server) -> str:
    good = server.token(Scope.READ)
    key = tokens._key(server.settings.secret_key)
    claims = jwt.decode(good, key, algorithms=["HS256"])
    return jwt.encode(claims | {"exp": claims["iat"] - 1}, key, algorithm="HS256")


def unsigned(server: Server) -> str:
    claims = {"sub": "somebody", "scope": "admin", "iat": 1, "exp": 99999999999}
    return jwt.encode(claims, "", algorithm="none")


NAMES = ["", "-100x67.jpg", "-w50.auto", "-fit40x40.png"]


@pytest.mark.parametrize("suffix", NAMES)
def test_without_a_token_nothing_is_given(private: Server, ident: str, suffix: str) -> None:
    with private.client(Scope.READ) as reader:
        reader.get(f"/images/{ident}{suffix}").raise_for_status()  # cached and in memory from now on
    for method in ("GET", "HEAD"):
        answer = private.http.request(method, f"/images/{ident}{suffix}")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["cache-control"] == "no-store"
    conditional = private.http.get(f"/images/{ident}{suffix}", headers={"if-none-match": "*"})
    assert conditional.status_code == 401


def test_without_a_token_nobody_learns_what_is_there(private: Server, ident: str) -> None:
    there, absent = private.http.get(f"/images/{ident}"), private.http.get(f"/images/{'0' * 64}")
    assert (there.status_code, absent.status_code) == (401, 401)
    assert there.json() == absent.json()


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("suffix", NAMES)
def test_every_scope_reads_by_header_and_by_query(private: Server, ident: str, scope: Scope, suffix: str) -> None:
    token = private.token(scope)
    by_header = private.http.get(f"/images/{ident}{suffix}", headers={"authorization": f"Bearer {token}"})
    by_query = private.http.get(f"/images/{ident}{suffix}", params={"token": token})
    for answer in (by_header, by_query):
        assert answer.status_code == 200
        directives = {d.strip() for d in answer.headers["cache-control"].split(",")}
        assert "private" in directives
        assert "public" not in directives
    assert by_header.content == by_query.content


def test_not_modified_is_private_too(private: Server, ident: str) -> None:
    with private.client(Scope.READ) as reader:
        answer = reader.get(f"/images/{ident}", headers={"if-none-match": "*"})
    assert answer.status_code == 304
    assert "private" in answer.headers["cache-control"]


@pytest.mark.parametrize("name", ["0" * 64, "nonsense", f"{'0' * 64}-10x10.jpg"])
def test_errors_behind_the_door_are_not_for_shared_caches(private: Server, name: str) -> None:
    with private.client(Scope.READ) as reader:
        answer = reader.get(f"/images/{name}")
    assert answer.status_code in {400, 404}
    assert "public" not in answer.headers["cache-control"]


def test_an_expired_token_is_told_as_expired(private: Server, ident: str) -> None:
    token = expired(private)
    for answer in (
        private.http.get(f"/images/{ident}", headers={"authorization": f"Bearer {token}"}),
        private.http.get(f"/images/{ident}", params={"token": token}),
        private.http.get("/api/images/", headers={"authorization": f"Bearer {token}"}),
    ):
        assert answer.status_code == 401
        assert "expired" in answer.json()["detail"]


@pytest.mark.parametrize("made", ["x", "a.b.c", "é", "%00", "."])
def test_a_wrong_token_is_refused(private: Server, ident: str, made: str) -> None:
    assert private.http.get(f"/images/{ident}", params={"token": made}).status_code == 401
    encoded = f"Bearer {made}".encode()
    assert private.http.get(f"/images/{ident}", headers={b"authorization": encoded}).status_code == 401
    assert private.http.get("/api/images/", headers={b"authorization": encoded}).status_code == 401


def test_a_token_of_another_installation_is_refused(private: Server, ident: str) -> None:
    foreign = tokens.issue("another installation's secret key, long enough", Scope.ADMIN, days=1)
    for token in (foreign, unsigned(private)):
        headers = {"authorization": f"Bearer {token}"}
        assert private.http.get(f"/images/{ident}", headers=headers).status_code == 401
        assert private.http.get("/api/images/", headers=headers).status_code == 401


def test_the_api_is_closed_as_well(private: Server, ident: str) -> None:
    for path in ("images/", f"images/{ident}/", "collections/", "commits/", "status/"):
        assert private.http.get(f"/api/{path}").status_code == 401
        with private.client(Scope.READ) as reader:
            assert reader.get(f"/api/{path}").status_code == 200


def test_a_read_token_does_not_write(private: Server, ident: str) -> None:
    with private.client(Scope.READ) as reader:
        assert reader.delete(f"/api/images/{ident}/").status_code == 403
        assert reader.get(f"/images/{ident}").status_code == 200


def test_a_page_elsewhere_may_still_ask_first(private: Server, ident: str) -> None:
    headers = {"origin": "https://elsewhere.example", "access-control-request-method": "GET"}
    answer = private.http.options(f"/images/{ident}", headers=headers)
    assert answer.status_code in {200, 204}
    assert "authorization" in answer.headers["access-control-allow-headers"]


def test_the_server_is_healthy_without_a_token(private: Server) -> None:
    assert private.http.get("/health").status_code == 200


def test_where_reading_is_public_a_bad_token_is_still_told(server: Server) -> None:
    ident = server.upload(pictures.jpeg(64, 48, seed=131))
    server.http.get(f"/images/{ident}-32x24.jpg").raise_for_status()
    for token in (expired(server), "nonsense"):
        assert server.http.get(f"/images/{ident}-32x24.jpg", params={"token": token}).status_code == 401
    with server.client(Scope.READ) as reader:
        assert reader.get(f"/images/{ident}-32x24.jpg").status_code == 200
