"""A request as Granian hands it over, and as Django reads it: its body, its end, and the client's going away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from granian import rsgi
from granian.rsgi import HTTPProtocol, ProtocolClosed  # type: ignore[attr-defined]

from mezzotint.site.server import _Exchange


class Scope:
    """A request's head."""

    http_version, method, scheme, path, query_string = "1.1", "POST", "http", "/api/images/", "a=1"
    client, server = "127.0.0.1:40000", "[::1]:8000"

    def __init__(self, authority: str | None = None, **headers: str) -> None:
        self.authority = authority
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Sending:
    """A client that sends these pieces, meets an error or none, and goes away when `gone` is set."""

    def __init__(self, *pieces: bytes, error: Exception | None = None) -> None:
        self._pieces, self._error, self.gone = pieces, error, asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._error is not None:
            raise self._error

    async def client_disconnect(self) -> None:
        await self.gone.wait()


def exchange_of(scope: Scope, sending: Sending) -> _Exchange:
    """Of these instead of Granian's own, which nobody but Granian can make."""
    return _Exchange(cast(rsgi.Scope, scope), cast(HTTPProtocol, sending))


DISCONNECT = {"type": "http.disconnect"}


def piece(body: bytes, *, more: bool = True) -> dict[str, object]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_comes_in_pieces_and_then_the_clients_going_away() -> None:
    async def exchanged() -> None:
        sending = Sending(b"one", b"two")
        exchange = exchange_of(Scope(content_length="6"), sending)
        exchange.scope()
        assert [await exchange.receive() for _ in range(3)] == [piece(b"one"), piece(b"two"), piece(b"", more=False)]
        leaving = asyncio.ensure_future(exchange.receive())
        await asyncio.sleep(0)
        assert not leaving.done(), "it is there as long as it is"
        sending.gone.set()
        assert await leaving == DISCONNECT

    asyncio.run(exchanged())


@pytest.mark.parametrize("error", [ProtocolClosed(), ConnectionResetError(), RuntimeError("closed"), None])
def test_a_body_that_breaks_off_is_a_client_that_went_away(error: Exception | None) -> None:
    async def exchanged() -> None:
        sending = Sending(b"one", error=error)
        exchange = exchange_of(Scope(content_length="6"), sending)
        exchange.scope()
        assert [await exchange.receive() for _ in range(2)] == [piece(b"one"), DISCONNECT]
        sending.gone.set()
        assert await exchange.receive() == DISCONNECT

    asyncio.run(exchanged())


@pytest.mark.parametrize(
    ("authority", "headers", "hosts"),
    [
        ("images.example", {}, [b"images.example"]),
        ("images.example", {"host": "elsewhere.example"}, [b"elsewhere.example"]),
        (None, {}, []),
    ],
)
def test_the_host_is_named_once(authority: str | None, headers: dict[str, str], hosts: list[bytes]) -> None:
    async def exchanged() -> dict[str, Any]:
        return dict(exchange_of(Scope(authority, **headers), Sending()).scope())

    scope = asyncio.run(exchanged())
    assert [value for name, value in scope["headers"] if name == b"host"] == hosts
    assert (scope["client"], scope["server"]) == (("127.0.0.1", 40000), ("::1", 8000))
