"""What a node takes in from a peer, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mezzotint import tokens
from tests import pictures
from tests.conftest import Server, start_server
from tests.imagecloud.nodes import OPEN, has_base, image, in_trash, record_file
from tests.servers import rows
from tests.waiting import PATIENCE, until

BODY = pictures.jpeg(90, 70, seed=5001)
IDENT = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = start_server(tmp_path_factory.mktemp("clones") / "data", **OPEN)
    yield started
    started.stop()


def record(address: str, **other: Any) -> str:
    now = time.time()
    facts = {"url": address, "ident": IDENT, "fetched": now, "checked": now, "expires": now + 3600, "format": 1}
    return json.dumps(facts | {"etag": '"x"', "last_modified": "", "via": "origin"} | other)


def send(client: httpx.Client, url: str, body: bytes, header: str | None) -> httpx.Response:
    headers = {"x-image-ident": IDENT} | ({"x-remote-record": header} if header is not None else {})
    return client.post("/clone_image", params={"url": url}, content=body, headers=headers, timeout=PATIENCE)


def is_untouched(data: Path, url: str, *idents: str) -> bool:
    left = [ident for ident in idents if has_base(data, ident) or in_trash(data, ident)]
    return not left and not record_file(data, url).exists()


def test_bytes_that_are_not_what_their_name_says_are_refused_and_leave_nothing(server: Server) -> None:
    url, other = "http://127.0.0.1:9/changed.jpg", pictures.jpeg(90, 70, seed=5002)
    for body in (other, BODY[:-100], BODY + b"x", b""):
        answer = send(server.writer, url, body, record(url))
        assert answer.status_code == 400, (len(body), answer.status_code, answer.text)
    assert is_untouched(server.data, url, IDENT, *(hashlib.sha256(b).hexdigest() for b in (other, BODY[:-100])))
    assert image(server.http, url, only_send_if_local="true").status_code == 404
    assert [
        path for path in server.data.rglob("*") if path.is_file() and path.read_bytes() in (other, BODY[:-100])
    ] == []


def test_what_is_no_picture_is_refused_though_its_hash_is_right(server: Server) -> None:
    url, body = "http://127.0.0.1:9/text.jpg", b"<html>" * 100
    ident = hashlib.sha256(body).hexdigest()
    answer = send(server.writer, url, body, record(url, ident=ident))
    assert 400 <= answer.status_code < 500
    assert is_untouched(server.data, url, ident)


@pytest.mark.parametrize(
    "other",
    [
        {"ident": "no ident"},
        {"ident": IDENT.upper()},
        {"ident": "../../../../etc/passwd"},
        {"ident": 5},
        {"format": 99},
        {"fetched": "yesterday"},
        {"etag": 7},
        {"more": "than is known"},
        {"url": "http://127.0.0.1:9/another.jpg"},
    ],
)
def test_a_record_that_is_none_is_refused(server: Server, other: dict[str, Any]) -> None:
    url = "http://127.0.0.1:9/record.jpg"
    assert send(server.writer, url, BODY, record(url, **other)).status_code == 400
    assert is_untouched(server.data, url)


@pytest.mark.parametrize("header", [None, "", "{", "[]", "null", "7", '"x"', "[" * 5000])
def test_a_header_that_is_no_record_is_refused(server: Server, header: str | None) -> None:
    assert send(server.writer, "http://127.0.0.1:9/header.jpg", BODY, header).status_code == 400


@pytest.mark.parametrize("moment", ["Infinity", "NaN", "1e300", "-1e300"])
def test_a_moment_that_is_none_is_refused_or_does_no_harm(serve: Callable[..., Server], moment: str) -> None:
    """Everybody who asks afterwards is answered, and the database goes on hearing of pictures."""
    node = serve(**OPEN)
    wrong: list[tuple[str, int, int]] = []
    for name in ("fetched", "checked", "expires"):
        url = f"http://127.0.0.1:9/{name}.jpg"
        header = record(url, **{name: 12345.25}).replace("12345.25", moment)
        sent = send(node.writer, url, BODY, header).status_code
        asked = image(node.http, url).status_code
        if sent >= 500 or asked not in {200, 401}:
            wrong.append((name, sent, asked))
    assert wrong == [], "what was sent, what its sender was told, what those who ask are"
    sound = "http://127.0.0.1:9/sound.jpg"
    send(node.writer, sound, BODY, record(sound)).raise_for_status()
    assert sound in _known_in_time(node, sound)


def _known_in_time(server: Server, url: str) -> list[str]:
    def known() -> list[str]:
        return [found for (found,) in rows(server.data, "SELECT url FROM imagecloud_remoteimage")]

    until(lambda: url in known())
    return known()


def test_pictures_are_taken_from_those_with_a_token_of_scope_write(server: Server) -> None:
    url = "http://127.0.0.1:9/token.jpg"
    assert send(server.http, url, BODY, record(url)).status_code == 401
    with server.client(tokens.Scope.READ) as reader:
        assert send(reader, url, BODY, record(url)).status_code == 403
    assert not record_file(server.data, url).exists()
    assert image(server.http, url, only_send_if_local="true").status_code == 404
    taken = send(server.writer, url, BODY, record(url))
    assert (taken.status_code, taken.headers["x-image-ident"]) == (201, IDENT)
    assert image(server.http, url).content == BODY
    assert send(server.writer, url, BODY, record(url)).status_code == 200, "sent twice it is not new"


def test_it_is_not_asked_for(server: Server) -> None:
    assert server.writer.get("/clone_image", params={"url": "http://127.0.0.1:9/a.jpg"}).status_code == 405
