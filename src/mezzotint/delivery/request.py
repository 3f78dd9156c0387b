"""What delivery reads of a request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from mezzotint import tokens
from mezzotint.errors import InvalidInput
from mezzotint.host.rates import Meter
from mezzotint.signatures import Signed

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Request:
    """`token` and `signed` are what the request has shown, and was found good."""

    __slots__ = (
        "_raw_path",
        "_receive",
        "client",
        "ended",
        "headers",
        "method",
        "path",
        "query",
        "scheme",
        "signed",
        "token",
        "zero_copy",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.scheme: str = scope.get("scheme", "http")
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.client: str = (scope.get("client") or ("",))[0]
        """its address"""
        self._raw_path: bytes = scope.get("raw_path", self.path.encode())
        self.token: tokens.Token | None = None
        self.signed: Signed | None = None
        self.zero_copy = "http.response.zerocopysend" in scope.get("extensions", ())
        """the server sends files by itself"""
        self.ended = self.method in {"GET", "HEAD", "OPTIONS"}
        """nothing more of the body is to be read"""
        self._receive = receive

    @property
    def target(self) -> str:
        """Path and query as they were sent."""
        return (self._raw_path + (b"?" + self.query if self.query else b"")).decode("latin-1")

    def pay(self, meter: Meter) -> None:
        """For what is done because of it: whoever shows a token has done so already. Raises TooMuchForOne."""
        if self.token is None:
            meter.take(self.client)

    @property
    def lost(self) -> bool:
        """nginx did not find the file that it was pointed to"""
        return b"x-sendfile-lost" in self.headers

    def header(self, name: bytes) -> str | None:
        """`name` in lower case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def body(self) -> AsyncIterator[bytes]:
        """As it comes, once. Raises InvalidInput where it breaks off."""
        while not self.ended:
            event = await self._receive()
            self.ended = not event.get("more_body")
            if event["type"] == "http.disconnect":
                raise InvalidInput("body", "broke off before its end", "all of the picture's bytes")
            if event.get("body"):
                yield event["body"]

    async def gone(self) -> None:
        """Back when the client is. For requests without a body."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
