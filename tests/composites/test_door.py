"""Who is let in, and what is said to those who are not: with a DLCS, and without one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError, connection
from rest_framework.test import APIClient

from mezzotint import tokens
from mezzotint.composites import dlcs as dlcs_module
from mezzotint.composites.models import Collection, Member
from mezzotint.wiring import Engine
from tests.composites.dlcs import KEY
from tests.composites.world import World, settle
from tests.documents import anything, request
from tests.origin import Asked, Origin
from tests.waiting import HANGS

QUEUE = "/customers/99/queue"
FRESH = "Basic ZnJlc2g="


def caller(authorization: str = "") -> APIClient:
    client = APIClient(raise_request_exception=False)
    if authorization:
        client.credentials(HTTP_AUTHORIZATION=authorization)
    return client


@contextmanager
def database_down() -> Iterator[None]:
    def fail(execute: Callable[..., Any], *arguments: Any) -> Any:
        raise OperationalError("the database is down")

    with connection.execute_wrapper(fail):
        yield


@pytest.fixture
def stranger_to_the_dlcs(world: World, monkeypatch: pytest.MonkeyPatch) -> Origin:
    """The DLCS is a server that answers as a test says."""
    monkeypatch.setattr(dlcs_module, "_CHECKED", 0.3)
    settle(dlcs_root=world.origin.url(""))
    return world.origin


@pytest.mark.parametrize("authorization", ["", "Basic " + "x" * 10_001, "Basic \x01"], ids=["none", "long", "odd"])
def test_the_dlcs_is_not_asked_about_what_is_no_authorization(world: World, authorization: str) -> None:
    answer = caller(authorization).post(QUEUE, request(), format="json")
    assert answer.status_code == 403
    assert answer.json() == {"detail": "You do not have permission to perform this action."}


def test_what_is_not_there_is_404_before_anybody_is_asked(world: World) -> None:
    collection = world.accept(anything())
    for path in (
        f"/collections/{uuid.uuid4()}",
        f"/collections/{collection.pk}/members/{uuid.uuid4()}",
        f"/collections/{uuid.uuid4()}/members/{collection.members.get().pk}",
    ):
        answer = caller().get(path)
        assert (answer.status_code, answer.content) == (404, b"")
    assert caller().delete(f"/collections/{collection.pk}/members/{uuid.uuid4()}").status_code == 404


@pytest.mark.parametrize(
    ("status", "expected", "detail"),
    [
        (401, 403, "You do not have permission to perform this action."),
        (403, 403, "You do not have permission to perform this action."),
        (204, 403, "You do not have permission to perform this action."),
        (302, 502, "the DLCS answered 302"),
        (404, 502, "the DLCS answered 404"),
        (500, 502, "the DLCS answered 500"),
    ],
)
def test_what_the_dlcs_says_of_a_caller(stranger_to_the_dlcs: Origin, status: int, expected: int, detail: str) -> None:
    stranger_to_the_dlcs.picture("/customers/99", b"", status)
    for _ in range(2):
        answer = caller(FRESH).post(QUEUE, request(), format="json")
        assert (answer.status_code, answer.json()) == (expected, {"detail": detail})
    assert stranger_to_the_dlcs.asked["/customers/99"] == 2, "only a yes is remembered"
    assert not Collection.objects.exists()


def test_a_dlcs_that_hangs_is_503_with_a_pause(stranger_to_the_dlcs: Origin) -> None:
    stranger_to_the_dlcs.picture("/customers/99", b"{}", delay=HANGS)
    answer = caller(FRESH).post(QUEUE, request(), format="json")
    assert (answer.status_code, answer["retry-after"]) == (503, "30")
    assert answer.json() == {"detail": "the DLCS does not answer"}


def test_a_dlcs_that_hangs_up_is_502(stranger_to_the_dlcs: Origin) -> None:
    async def hang_up(asked: Asked) -> None:
        asked.reset()

    stranger_to_the_dlcs.answers["/customers/99"] = hang_up
    answer = caller(FRESH).post(QUEUE, request(), format="json")
    assert (answer.status_code, answer.json()["detail"]) == (502, "the DLCS cannot be reached: ConnectionError")


class Away:
    """A cache that does not answer."""

    def get(self, key: str) -> bool:
        raise ConnectionError("no cache")

    def set(self, *arguments: object) -> None:
        raise ConnectionError("no cache")


def test_a_cache_that_does_not_answer_keeps_nobody_out(
    world: World, stranger_to_the_dlcs: Origin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stranger_to_the_dlcs.picture("/customers/99", b"{}")
    monkeypatch.setattr(dlcs_module, "cache", Away())
    for _ in range(2):
        assert caller(FRESH).post(QUEUE, request(), format="json").status_code == 202
    assert stranger_to_the_dlcs.asked["/customers/99"] == 2
    assert "the cache does not answer: no cache" in caplog.messages


def test_a_database_that_is_away_is_503(world: World) -> None:
    assert caller(KEY).post(QUEUE, request(), format="json").status_code == 202
    with database_down():
        answer = caller(KEY).post(QUEUE, request(anything()), format="json")
    assert (answer.status_code, answer["content-type"]) == (503, "application/problem+json")
    assert answer.json()["detail"] == "the database does not answer"


def test_no_more_than_a_hundred_errors_are_told(world: World) -> None:
    body = request(*(anything(space="x", compositeId=f"a{number}") for number in range(300)))
    answer = caller(KEY).post(QUEUE, body, format="json")
    assert (answer.status_code, len(answer.json()["errors"])) == (400, 100)
    assert [error["member"] for error in answer.json()["errors"]] == list(range(100))
    assert not Member.objects.exists()


@pytest.mark.parametrize("sign", ["a", "\N{MATHEMATICAL SCRIPT CAPITAL A}"], ids=["letters", "of four bytes"])
def test_a_place_that_no_key_holds_is_refused(world: World, sign: str) -> None:
    """S3 counts bytes, and a page's name comes behind it."""
    settle(dlcs_prefix="x" * 300)
    answer = caller(KEY).post(QUEUE, request(anything(compositeId=sign * 300)), format="json")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"], error["member"]) == (400, "compositeId", 0)
    assert error["detail"] == "makes a key of more than 950 bytes"
    assert caller(KEY).post(QUEUE, request(anything(compositeId=sign * 140)), format="json").status_code == 202


def test_a_text_that_python_cannot_fill_is_refused(world: World) -> None:
    for text in ("{:,x}", "{:_n}"):
        answer = caller(KEY).post(QUEUE, request(anything(id=text)), format="json")
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["field"]) == (400, "id")
        assert error["detail"].startswith("is no format: Cannot specify ")


def shown(engine: Engine, scope: tokens.Scope) -> str:
    return f"Bearer {tokens.issue(engine.settings.secret_key, scope, 1)}"


def person(permission: str) -> APIClient:
    client = APIClient(raise_request_exception=False)
    user = User.objects.create_user("eve", password="password", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename=permission))
    client.force_login(user)
    return client


def test_without_a_dlcs_our_own_tokens_and_people_are_let_in(repository: Engine) -> None:
    for client in (caller(shown(repository, tokens.Scope.WRITE)), person("add_member")):
        assert client.post(QUEUE, request(), format="json").status_code == 202


def test_without_a_dlcs_others_are_told_what_they_lack(repository: Engine) -> None:
    unknown = caller().post(QUEUE, request(), format="json")
    assert (unknown.status_code, unknown["www-authenticate"]) == (401, 'Bearer realm="mezzotint"')
    assert caller("Bearer x.y.z").post(QUEUE, request(), format="json").status_code == 401
    reader = caller(shown(repository, tokens.Scope.READ)).post(QUEUE, request(), format="json")
    somebody = person("view_member").post(QUEUE, request(), format="json")
    for answer in (reader, somebody):
        assert (answer.status_code, answer["content-type"]) == (403, "application/problem+json")
    assert somebody.json()["detail"] == "this needs the permission composites.add_member"
    assert not Collection.objects.exists()


def test_without_a_dlcs_errors_are_problems_too(repository: Engine) -> None:
    writer = caller(shown(repository, tokens.Scope.WRITE))
    for body, member in (({}, None), (request(anything(compositeId="???", origin="http://8.8.8.8/a.pdf")), 0)):
        answer = writer.post(QUEUE, body, format="json")
        assert (answer.status_code, answer["content-type"]) == (400, "application/problem+json")
        assert {error.get("member") for error in answer.json()["errors"]} == {member}
    broken = writer.post(QUEUE, "{", content_type="application/json")
    assert (broken.status_code, broken["content-type"]) == (400, "application/problem+json")
    settled = writer.get(f"/collections/{uuid.uuid4()}")
    assert (settled.status_code, settled.content) == (404, b"")
