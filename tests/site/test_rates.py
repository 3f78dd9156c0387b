"""One client's renders, searches and logins have an end; hits and others' do not."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from mezzotint.tokens import Scope
from tests import http, pictures
from tests.conftest import Server, run
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def counted(serve_here: Callable[..., Server]) -> Server:
    """Renewed once in an hour: no test waits for that."""
    return serve_here(
        MEZZOTINT_WORKERS="2",
        MEZZOTINT_RENDER_RATE="5/h",
        MEZZOTINT_SEARCH_RATE="4/h",
        MEZZOTINT_LOGIN_RATE="13/h",
        MEZZOTINT_FETCH_RATE="2/h",
        MEZZOTINT_FETCH_FOR_ALL="true",
        MEZZOTINT_COVER_ART_UPSTREAM="http://127.0.0.1:9",
    )


def client(server: Server, address: str) -> httpx.Client:
    return http.Client(base_url=server.url, timeout=PATIENCE, headers={"x-forwarded-for": address})


def test_renders_have_an_end_and_hits_have_none(counted: Server) -> None:
    ident = counted.upload(pictures.jpeg(300, 200, seed=140))
    with (
        client(counted, "192.0.2.1") as one,
        client(counted, "192.0.2.2") as other,
        counted.client(Scope.READ) as known,
    ):
        names = [f"/images/{ident}-{width}x40.jpg" for width in range(40, 50)]
        assert [one.get(name).status_code for name in names] == [200] * 5 + [429] * 5
        refused = one.get(names[-1])
        assert int(refused.headers["retry-after"]) > 600
        assert "MEZZOTINT_RENDER_RATE" in refused.json()["detail"]
        assert [one.get(name).status_code for name in names[:5] * 20] == [200] * 100
        assert other.get(names[-1]).status_code == 200
        assert [known.get(f"/images/{ident}-{width}x41.jpg").status_code for width in range(40, 52)] == [200] * 12


def test_fetches_have_an_end(counted: Server) -> None:
    with client(counted, "192.0.2.3") as one:
        cover = "/release/aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa{}/front-250"
        assert [one.get(cover.format(number)).status_code == 429 for number in range(4)] == [False, False, True, True]
        assert one.get("/get_image", params={"url": "http://127.0.0.1:9/a.jpg"}).status_code == 400  # before it counts
        assert one.get("/get_image", params={"url": "http://never.invalid/a.jpg"}).status_code == 429


def test_searches_have_an_end(counted: Server) -> None:
    with client(counted, "192.0.2.4") as one:
        found = [one.get(path, params={"search": "x"}).status_code for path in ("/api/images/", "/") * 3]
        assert found == [200] * 4 + [429] * 2
        assert one.get("/api/images/").status_code == one.get("/").status_code == 200
        assert int(one.get("/", params={"search": "y"}).headers["retry-after"]) > 0
    with counted.client(Scope.READ) as known:
        assert {known.get("/api/images/", params={"search": "x"}).status_code for _ in range(9)} == {200}


def login(one: httpx.Client, name: str, password: str) -> int:
    return http.log_in(one, name, password).status_code


def test_logins_lock_for_a_while_and_have_an_end(counted: Server) -> None:
    script = "from django.contrib.auth.models import User; User.objects.create_superuser('kim', password='a-good-one')"
    assert run(counted.data, "manage", "shell", "-c", script).returncode == 0
    with client(counted, "192.0.2.5") as one:
        assert [login(one, "kim", "wrong") for _ in range(10)] == [200] * 9 + [429]
        assert login(one, "kim", "a-good-one") == 429  # the right one too
    with client(counted, "192.0.2.6") as other:
        assert login(other, "kim", "a-good-one") == 302  # nobody locks out anybody else
    with client(counted, "192.0.2.7") as third:
        assert [login(third, f"user {number}", "wrong") for number in range(15)] == [200] * 13 + [429] * 2
