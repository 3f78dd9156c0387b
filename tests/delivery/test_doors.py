"""Doors: what each takes, and that one more is a file and an entry, as docs/extending.md says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mezzotint.delivery.app import Delivery
from mezzotint.errors import DamagedBase, MezzotintError, NotFound, StoreUnavailable
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import engine_on

DOCUMENTED = Path(__file__).parents[2] / "docs/extending.md"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with engine_on(tmp_path / "data") as opened:
        yield opened


def documented() -> Any:
    """The door that the documentation adds, by the file that it gives."""
    (code,) = re.findall(r"```python\n(.*?class SizeDoor.*?)```", DOCUMENTED.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
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


class Vanishing:
    """A base's reader that has nothing any more when it is read."""

    size, descriptor = 100, None

    def __init__(self, error: MezzotintError) -> None:
        self._error, self.closed = error, False

    def chunks(self) -> Iterator[bytes]:
        raise self._error
        yield b""

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("error", "status"), [(StoreUnavailable("it hangs"), 503), (DamagedBase("it rots"), 503)])
def test_what_cannot_be_read_as_it_is_sent_is_an_error_and_no_half_answer(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, error: MezzotintError, status: int
) -> None:
    ident = engine.bases.add([pictures.jpeg(300, 200)]).ident
    reader = Vanishing(error)
    monkeypatch.setattr(engine.bases, "open", lambda *which: reader)
    for headers in ({}, {"range": "bytes=0-9"}):
        answer = asked(Delivery(engine), f"/images/{ident}", **headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert reader.closed


def test_a_base_that_goes_between_finding_it_and_reading_a_part_of_it_is_not_found(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ident = engine.bases.add([pictures.jpeg(300, 200)]).ident
    opened, asked_for = engine.bases.open, []

    def goes(ident: Any, *part: int) -> Any:
        asked_for.append(part)
        if part:
            raise NotFound("it has gone")
        found = opened(ident)
        found.descriptor = None  # as of a store elsewhere: a file that is open stays readable
        return found

    monkeypatch.setattr(engine.bases, "open", goes)
    delivery = Delivery(engine)
    assert asked(delivery, f"/images/{ident}", range="bytes=0-9").status_code == 404
    assert asked_for == [(), (0, 10), (), (0, 10)], "it was looked for once more"
    assert delivery._tally.answers["error"] == 1


@pytest.mark.parametrize(("method", "headers"), [("HEAD", {}), ("GET", {"if-none-match": "*"})])
def test_an_answer_without_a_body_is_sent_at_once_and_reads_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, method: str, headers: dict[str, str]
) -> None:
    ident = engine.bases.add([pictures.jpeg(300, 200)]).ident
    monkeypatch.setattr(engine.bases, "open", lambda *which: Vanishing(StoreUnavailable("it is not to be read")))
    events: list[Any] = []
    scope = {
        "type": "http", "method": method, "path": f"/images/{ident}", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip

    async def send(event: Any) -> None:
        events.append(event)

    async def receive() -> Any:
        raise AssertionError

    asyncio.run(Delivery(engine)(scope, receive, send))
    assert [event.get("more_body", False) for event in events] == [False, False]
    assert events[1]["body"] == b""
