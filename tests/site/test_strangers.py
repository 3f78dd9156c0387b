"""What somebody may send who shows neither a token nor a login that there is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

import pytest

from tests import http, pictures
from tests.conftest import Server
from tests.waiting import PATIENCE

MUCH = 2 << 20


@pytest.fixture(scope="module")
def noise() -> bytes:
    """A picture of more than a stranger may send."""
    data = pictures.png(40, 30, seed=5)
    return data + os.urandom(MUCH)


def pieces(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 65536):
        yield data[at : at + 65536]


@pytest.mark.parametrize("cookie", ["", "sessionid=x", "sessionid=" + "a" * 32, "sessionid=; sessionid", "a=b; ;;="])
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "without it"])
def test_a_cookie_that_names_no_login_is_none(server: Server, cookie: str, chunked: bool) -> None:
    headers = {"cookie": cookie, "content-type": "image/png"} if cookie else {"content-type": "image/png"}
    body = bytes(MUCH)
    answer = http.post(
        f"{server.url}/api/images/", content=pieces(body) if chunked else body, headers=headers, timeout=PATIENCE
    )
    assert answer.status_code == 401
    assert "a login" in answer.json()["detail"]
    assert list((server.data / "incoming").iterdir()) == []


def test_a_login_may_send_much(serve: Callable[..., Server], noise: bytes) -> None:
    server = serve()
    [password] = re.findall(r"password: (\S+)", (server.data / "first-login").read_text())
    with http.Client(base_url=server.url, timeout=PATIENCE) as person:
        assert http.log_in(person, "admin", password).status_code == 302
        headers = {"x-csrftoken": person.cookies["csrftoken"], "referer": server.url}
        person.cookies.set("x@y", '{"of": "another application"}')
        sent = person.post("/api/images/", files={"file": ("a.png", noise)}, headers=headers)
        assert sent.status_code in {201, 415, 422}, sent.text
        person.cookies.set("sessionid", "x" * 32)
        sent = person.post("/api/images/", files={"file": ("a.png", noise)}, headers=headers)
        assert sent.status_code == 401, sent.text
    server.stop()
