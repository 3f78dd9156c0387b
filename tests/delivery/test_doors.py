"""Doors: what each takes, and that one more is a file and an entry, as docs/extending.md says."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mezzotint.delivery.answer import Answer, small
from mezzotint.delivery.app import Delivery
from mezzotint.delivery.door import Door
from mezzotint.delivery.request import Request
from mezzotint.names import parse_ident
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import engine_on

DOCUMENTED = Path(__file__).parents[2] / "docs/extending.md"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with engine_on(tmp_path / "data") as opened:
        yield opened


def documented() -> Any:
    """The door that the documentation adds."""
    (code,) = re.findall(r"```python\n(class SizeDoor.*?)```", DOCUMENTED.read_text(), re.DOTALL)
    names: dict[str, Any] = {
        one.__name__: one for one in (asyncio, json, Answer, small, Door, Request, Engine, parse_ident)
    }
    exec("from __future__ import annotations\n" + code, names)
    return names["SizeDoor"]


def asked(delivery: Delivery, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(delivery)
        async with httpx.AsyncClient(transport=transport, base_url="http://here", verify=False) as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(main())


def test_one_more_door_is_a_class_and_an_entry(engine: Engine) -> None:
    ident = engine.bases.add([pictures.jpeg(300, 200)]).ident
    delivery = Delivery(engine)
    assert not delivery.takes(f"/sizes/{ident}")
    delivery._doors = (*delivery._doors, documented()(engine))
    assert delivery.takes(f"/sizes/{ident}")
    found = asked(delivery, f"/sizes/{ident}")
    assert (found.status_code, found.json()) == (200, {"width": 300, "height": 200})
    head = asked(delivery, f"/sizes/{ident}", "HEAD")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(found.content)))
    assert asked(delivery, f"/sizes/{'0' * 64}").status_code == 404
    wrong = asked(delivery, "/sizes/junk")
    assert (wrong.status_code, wrong.headers["content-type"]) == (400, "application/problem+json")
    assert asked(delivery, f"/sizes/{ident}", authorization="Bearer none").status_code == 401
    assert asked(delivery, f"/sizes/{ident}", "PUT").headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        *(
            (path, "GET, HEAD, OPTIONS")
            for path in ("/images/x", "/get_image", "/get_thumbnail", "/release/x", "/health")
        ),
        ("/clone_image", "POST"),
    ],
)
def test_what_a_door_does_not_take_is_refused_with_what_it_takes(engine: Engine, path: str, allow: str) -> None:
    answer = asked(Delivery(engine), path, "PATCH")
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
