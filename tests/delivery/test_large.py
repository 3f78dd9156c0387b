"""Derivatives that are larger than what is read at once: the same answers, in pieces."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest

from mezzotint.delivery import pictures as answering
from mezzotint.delivery.app import Delivery
from mezzotint.delivery.respond import nginx_word
from mezzotint.host.files import CHUNK
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import engine_on
from tests.delivery.asking import asked, asking


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine_on(tmp_path_factory.mktemp("large") / "data") as opened:
        yield opened


@pytest.fixture(scope="module")
def ident(engine: Engine) -> str:
    return engine.bases.add([pictures.jpeg(1000, 800, seed=700)]).ident


@pytest.fixture(scope="module")
def path(engine: Engine, ident: str) -> str:
    """A derivative that lies in the cache."""
    path = f"/images/{ident}-900x720.png"
    made = asked(engine, path)
    assert (made.status_code, len(made.content) > answering._WHOLE) == (200, True)
    assert engine.cache.has(path.removeprefix("/images/"))
    return path


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_it_comes_again_as_it_was_made(engine: Engine, ident: str) -> None:
    path = f"/images/{ident}-800x640.png"
    made, found = asked(engine, path), asked(engine, path)
    assert found.content == made.content
    assert pictures.opened(found.content).size == (800, 640)
    assert dict(found.headers) == dict(made.headers)
    assert found.headers["content-length"] == str(len(found.content))


def test_a_part_of_it_is_that_part(engine: Engine, path: str) -> None:
    whole = asked(engine, path)
    size = len(whole.content)
    for first, last in ((0, 0), (100, (1 << 20) + 50), (size - 7, size - 1)):
        part = asked(engine, path, headers={"range": f"bytes={first}-{last}"})
        assert (part.status_code, part.headers["content-range"]) == (206, f"bytes {first}-{last}/{size}")
        assert part.content == whole.content[first : last + 1]
    beyond = asked(engine, path, headers={"range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")


def test_whoever_has_it_is_not_sent_it_again_and_head_has_no_body(engine: Engine, path: str) -> None:
    whole = asked(engine, path)
    held = asked(engine, path, headers={"if-none-match": whole.headers["etag"]})
    assert (held.status_code, held.content) == (304, b"")
    head = asked(engine, path, "HEAD")
    assert (head.status_code, head.content, dict(head.headers)) == (200, b"", dict(whole.headers))


def test_another_name_for_it_leads_to_it(engine: Engine, ident: str, path: str) -> None:
    other = asked(engine, f"/images/{ident}-fit900x900.png")
    assert other.content == asked(engine, path).content
    assert other.headers["link"] == f'<{path}>; rel="canonical"'


def test_nginx_is_told_where_it_lies(engine: Engine, path: str) -> None:
    told = asked(engine, path, headers={"x-sendfile-type": nginx_word(engine.settings.secret_key)})
    assert (told.status_code, told.content) == (200, b"")
    place = told.headers["x-accel-redirect"].removeprefix("/.mezzotint/cache/")
    assert (engine.cache.directory / place).read_bytes() == asked(engine, path).content


def test_no_file_is_left_open(engine: Engine, path: str) -> None:
    async def work(ask: object) -> None:
        for options in ({}, {"headers": {"range": "bytes=0-9"}}, {"method": "HEAD"}):
            before = open_files()
            await ask(path, **options)  # type: ignore[operator]
            assert open_files() == before

    asking(engine, work)


def test_it_is_sent_in_pieces(engine: Engine, path: str) -> None:
    sizes = list[int]()

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(event: MutableMapping[str, Any]) -> None:
        sizes.append(len(event.get("body", b"")))

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    asyncio.run(Delivery(engine)(scope, receive, send))
    assert sum(sizes) == len(asked(engine, path).content)
    assert max(sizes) <= CHUNK
