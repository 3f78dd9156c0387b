"""What befalls delivery rarely: a picture that goes as it is asked for, a body that breaks off, a full cache."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client

from mezzotint import tokens
from mezzotint.delivery.app import Delivery
from mezzotint.delivery.nginx import site
from mezzotint.delivery.respond import CACHE, nginx_word
from mezzotint.errors import NotFound, StorageFull
from mezzotint.names import Ident
from mezzotint.objects import ObjectReader
from mezzotint.repository import filters
from mezzotint.settings import Settings
from mezzotint.sources.peer_client import RECORD_HEADER
from mezzotint.wiring import Engine
from tests import pictures
from tests.delivery.asking import Ask, asked, asking
from tests.origin import Origin
from tests.sources.fetching import fetching, get, left_in_incoming, stored
from tests.waiting import until

BODY = pictures.jpeg(90, 70, seed=5001)
IDENT = hashlib.sha256(BODY).hexdigest()
SENT = "http://127.0.0.1:9/sent.jpg"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with fetching(tmp_path / "data") as opened:
        yield opened


def shown(engine: Engine, scope: tokens.Scope) -> dict[str, str]:
    return {"authorization": f"Bearer {tokens.issue(engine.settings.secret_key, scope, 1)}"}


@pytest.mark.parametrize("more", [{}, {"keep_aspect_ratio": "false"}, {"resize_width": ""}], ids=str)
def test_force_to_size_without_a_size_has_nothing_to_fill(engine: Engine, origin: Origin, more: dict[str, str]) -> None:
    url = origin.picture("/a.jpg", BODY)
    get(engine, url)
    answer = asked(engine, "/get_image", params={"url": url, "force_to_size": "true"} | more)
    assert (answer.status_code, answer.content) == (200, BODY)
    unforced = asked(engine, "/get_image", params={"url": url, "force_to_size": "false"})
    assert (unforced.status_code, unforced.content) == (200, BODY)


def test_a_picture_is_had_again_where_its_bytes_go_as_they_are_sent(
    engine: Engine, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = origin.picture("/a.jpg", BODY)
    opened, gone = engine.bases.open, [1]

    def open_once_gone(ident: Ident, *part: Any) -> ObjectReader:
        if gone and gone.pop():
            engine.store.delete(stored(engine, "images/")[0])
            engine.bases.forget(ident)
        return opened(ident, *part)

    get(engine, url)
    monkeypatch.setattr(engine.bases, "open", open_once_gone)
    answer = asked(engine, "/get_image", params={"url": url}, headers=shown(engine, tokens.Scope.READ))
    assert (answer.status_code, answer.content, origin.asked["/a.jpg"]) == (200, BODY, 2)


def test_a_picture_that_is_deleted_as_often_as_it_comes_is_not_found(
    engine: Engine, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = origin.picture("/a.jpg", BODY)
    get(engine, url)

    def gone(ident: Ident, *part: Any) -> ObjectReader:
        raise NotFound(f"there is no image {ident}")

    monkeypatch.setattr(engine.bases, "open", gone)
    answer = asked(engine, "/get_image", params={"url": url}, headers=shown(engine, tokens.Scope.READ))
    assert (answer.status_code, answer.json()["detail"]) == (404, "the picture was deleted as it was asked for")


def record() -> str:
    now = time.time()
    facts = {"url": SENT, "ident": IDENT, "fetched": now, "checked": now, "expires": now + 3600, "format": 1}
    return json.dumps(facts | {"etag": "", "last_modified": "", "via": "origin"})


def test_a_read_node_takes_no_picture_in(tmp_path: Path) -> None:
    with fetching(tmp_path / "data", MEZZOTINT_READ_ONLY="true") as engine:
        headers = shown(engine, tokens.Scope.WRITE) | {RECORD_HEADER: record()}
        answer = asked(engine, "/clone_image", "POST", params={"url": SENT}, content=BODY, headers=headers)
        assert (answer.status_code, "this is a read node" in answer.json()["detail"]) == (503, True)
        assert stored(engine) == []


def sent(engine: Engine, events: list[dict[str, Any]]) -> tuple[dict[str, Any], bytes, int]:
    """A picture from a peer in these pieces: the answer's beginning and body, and how many pieces were read."""
    headers = shown(engine, tokens.Scope.WRITE) | {RECORD_HEADER.lower(): record()}
    scope = {
        "type": "http", "method": "POST", "path": "/clone_image", "query_string": f"url={SENT}".encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    given, answered = iter(events), list[dict[str, Any]]()
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return next(given)

    async def send(event: Any) -> None:
        answered.append(dict(event))

    async def main() -> None:
        delivery = Delivery(engine)
        await delivery(scope, receive, send)
        await delivery._sources.close()

    asyncio.run(main())
    return answered[0], answered[1]["body"], read


def piece(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_that_breaks_off_leaves_nothing(engine: Engine) -> None:
    begun, body, _ = sent(engine, [piece(BODY[:1000]), {"type": "http.disconnect"}])
    assert begun["status"] == 400
    assert json.loads(body)["errors"][0]["field"] == "body"
    assert (stored(engine), left_in_incoming(engine)) == ([], [])
    begun, _, _ = sent(engine, [piece(BODY[:1000]), piece(BODY[1000:], more=False)])
    assert begun["status"] == 201


def test_of_a_body_that_is_refused_nothing_is_read(tmp_path: Path) -> None:
    """The server throws it away, so that its sender gets to see the answer."""
    with fetching(tmp_path / "data", MEZZOTINT_READ_ONLY="true") as engine:
        begun, _, read = sent(engine, [piece(b"x" * 100)] * 50)
        assert (begun["status"], read) == (503, 0)


def test_a_base_that_lies_elsewhere_goes_by_nginx_from_its_copy_here(tmp_path: Path) -> None:
    with fetching(tmp_path / "data", MEZZOTINT_STORE="memory:") as engine:
        ident = engine.bases.add([BODY]).ident
        words = {"x-sendfile-type": nginx_word(engine.settings.secret_key)}
        for _ in range(2):
            engine.cache.purge_file(ident)
            told = asked(engine, f"/images/{ident}", headers=words)
            place = engine.cache.path_of(ident)
            assert (told.content, told.headers["x-accel-redirect"]) == (b"", CACHE + place)
            assert (engine.cache.directory / place).read_bytes() == BODY


def test_a_base_that_lies_elsewhere_is_sent_on_where_there_is_no_room_for_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise StorageFull("no space left for a picture")

    with fetching(tmp_path / "data", MEZZOTINT_STORE="memory:") as engine:
        ident = engine.bases.add([BODY]).ident
        engine.cache.purge_file(ident)
        monkeypatch.setattr(engine.bases, "_copying", full)
        given = asked(engine, f"/images/{ident}", headers={"x-sendfile-type": nginx_word(engine.settings.secret_key)})
        assert (given.status_code, given.content, "x-accel-redirect" in given.headers) == (200, BODY, False)


def test_with_delivery_end_its_connections(engine: Engine, origin: Origin) -> None:
    url = origin.picture("/a.jpg", BODY)

    async def work(ask: Ask) -> None:
        answer = await ask("/get_image", params={"url": url}, headers=shown(engine, tokens.Scope.READ))
        assert answer.status_code == 200
        assert origin.connections["127.0.0.1"] == 1, "it is kept for the next picture"

    asking(engine, work)
    until(lambda: origin.connections["127.0.0.1"] == 0)


def test_one_process_alone_tells_its_own_figures(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    ident = engine.bases.add([BODY]).ident

    def count(text: str) -> float:
        lines = [line for line in text.splitlines() if line.startswith('mezzotint_image_requests_total{answer="base"}')]
        return float(lines[0].split()[1]) if lines else 0.0

    async def work(ask: Ask) -> None:
        before = count((await ask("/metrics")).text)
        await ask(f"/images/{ident}")
        answer = await ask("/metrics")
        assert count(answer.text) == before + 1
        assert "mezzotint_cache_files " in answer.text

    asking(engine, work)


def test_where_reading_is_private_nginx_gives_nothing_by_itself() -> None:
    public, private = (
        site(Settings.read({"MEZZOTINT_DATA": "/srv", "MEZZOTINT_PUBLIC_READ": said}), "8080")
        for said in ("true", "false")
    )
    assert "try_files" in public
    assert "try_files" not in private
    assert all("internal;" in place.partition("}")[0] for place in private.split("location /.mezzotint/")[1:])


@pytest.mark.django_db
def test_a_defect_is_no_page_for_people(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*arguments: object) -> None:
        raise IntegrityError("a row twice")

    monkeypatch.setattr(filters, "images", defect)
    with pytest.raises(IntegrityError):
        Client().get("/")
    answer = Client(raise_request_exception=False).get("/")
    assert (answer.status_code, b"a row twice" in answer.content) == (500, False)
