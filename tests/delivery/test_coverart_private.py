"""MEZZOTINT_PUBLIC_READ=false: cover art behind the door, for whoever shows a token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mezzotint.tokens import Scope
from tests.delivery.covers import FRONT, Covers, covers_of

PATHS = ["/release/{release}", "/release/{release}/front", "/release/{release}/11-250", "/release-group/{group}/front"]
NONE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Covers]:
    with covers_of(tmp_path_factory.mktemp("private") / "data", MEZZOTINT_PUBLIC_READ="false") as started:
        yield started


def filled(covers: Covers, path: str) -> str:
    release = covers.release()
    return path.format(release=release, group=covers.archive.release_group(release))


@pytest.mark.parametrize("path", [*PATHS, "/cache-status", f"/release/{NONE}", "/release/nonsense"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_without_a_token_nothing_is_given_and_nobody_asked(private: Covers, path: str, method: str) -> None:
    url = filled(private, path)
    private.archive.forget()
    for headers in ({}, {"if-none-match": "*"}, {"range": "bytes=0-9"}, {"authorization": "Bearer nonsense"}):
        answer = private.http.request(method, url, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.json().keys() == {"error"} if method == "GET" else not answer.content
    assert not private.archive.asked


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scope", list(Scope))
def test_every_scope_reads_by_header_and_by_query(private: Covers, path: str, scope: Scope) -> None:
    url, token = filled(private, path), private.server.token(scope)
    for _ in range(3):
        answers = [
            private.http.get(url, headers={"authorization": f"Bearer {token}"}),
            private.http.get(url, params={"token": token}),
        ]
        for answer in answers:
            assert answer.status_code == 200
            assert answer.headers["cache-control"].startswith("private, ")
        assert answers[0].content == answers[1].content
    assert private.http.get(url).status_code == 401, "it is in memory now, and not for everybody"


def test_errors_are_not_for_shared_caches(private: Covers) -> None:
    with private.server.client(Scope.READ) as reader:
        for path, status in (
            (f"/release/{NONE}/front", 404),
            ("/release/nonsense", 404),
            (f"/release/{NONE}/front-09", 400),
        ):
            answer = reader.get(path)
            assert answer.status_code == status
            assert "public" not in answer.headers["cache-control"]


def test_a_page_elsewhere_may_still_ask_first(private: Covers) -> None:
    answer = private.http.options(f"/release/{NONE}/front", headers={"origin": "https://player.example"})
    assert answer.status_code == 200
    assert "authorization" in answer.headers["access-control-allow-headers"]


def test_the_server_is_healthy_without_a_token(private: Covers) -> None:
    assert private.http.get("/health").json()["status"] == "healthy"


def test_where_reading_is_public_a_bad_token_is_still_told(covers: Covers) -> None:
    path = f"/release/{covers.release()}/11"
    assert covers.warmed(path).content == FRONT
    assert covers.http.get(path, params={"token": "nonsense"}).status_code == 401
    assert covers.http.get(path, headers={"authorization": "Bearer nonsense"}).status_code == 401
    with covers.server.client(Scope.READ) as reader:
        assert reader.get(path).content == FRONT
