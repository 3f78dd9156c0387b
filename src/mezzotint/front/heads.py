"""A request's head as ASGI has it, and the answers that the server gives by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote

from mezzotint.front.clock import date_line
from mezzotint.front.limits import Limits, plain_address

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|([0-9.]{7,15}):[0-9]{1,5}")
_LONGEST_ADDRESS = 64
_REASONS = {
    400: "the request is no HTTP/1.1 that can be read",
    408: "the request came too slowly",
    431: "the request's head is too large",
    503: "there are too many connections, or requests on one of them",
}


class BodyReader(NamedTuple):
    """What a parser tells that is to read a body alone."""

    on_body: Callable[[bytes], None]
    on_message_complete: Callable[[], None]


class Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Head:
    """One that is being read."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size, self._fed = limit, 0, 0
        self.url, self.expects_continue = b"", False
        self.headers: list[tuple[bytes, bytes]] = []

    def add(self, name: bytes, value: bytes) -> None:
        """Raises Refused."""
        self._size += len(name) + len(value) + 4
        if self._size + len(self.url) > self._limit:
            raise Refused(431)
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expects_continue = True
        self.headers.append((name, value))

    def has_grown(self, size: int) -> None:
        """By so many bytes, of a header perhaps that is not whole yet and nowhere counted. Raises Refused."""
        self._fed += size
        if self._fed > self._limit:
            raise Refused(431)


def head_of(version: str, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Raises Refused where RFC 9112 (section 3.2) has a request be refused."""
    hosts = [value for name, value in headers if name == b"host"]
    if (match := _ABSOLUTE.match(target)) is not None:  # RFC 9112 section 3.2.2: it says which host, no header does
        headers = [pair for pair in headers if pair[0] != b"host"] + [(b"host", match[1])]
        target = target[match.end() :]
        target = target if target.startswith(b"/") else b"/" + target
    if len(hosts) > 1 or (not hosts and match is None and version != "1.0") or version not in {"1.0", "1.1"}:
        raise Refused(400)
    if not (target.startswith(b"/") or target == b"*"):
        raise Refused(400)
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return {
        "http_version": version,
        "method": method.decode("ascii"),
        "scheme": "http",
        "path": unquote(path.decode("latin-1")) if b"%" in path else path.decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "headers": headers,
    }


def client_of(peer: tuple[str, int], headers: list[tuple[bytes, bytes]], limits: Limits) -> tuple[str, int]:
    """Who has asked a proxy in front that is trusted: of X-Forwarded-For the last that is none of them."""
    said = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
    for address in (_without_port(part.strip()) for part in reversed(said.split(","))):
        if address and not limits.trusts(address):
            return (address[:_LONGEST_ADDRESS], 0)
    return peer


def _without_port(text: str) -> str:
    """As some proxies write it: `192.0.2.1:1234`, `[2001:db8::1]:1234`."""
    match = _WITH_PORT.fullmatch(text)
    return plain_address((match[1] or match[2]) if match else text)


def refusal(status: int) -> bytes:
    """The whole answer, after which the connection is closed."""
    title = HTTPStatus(status).phrase
    body = f'{{"type": "about:blank", "title": "{title}", "status": {status}, "detail": "{_REASONS[status]}"}}'
    lines = [
        f"HTTP/1.1 {status} {title}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        *(["Retry-After: 1"] if status == 503 else []),
    ]
    return "\r\n".join(lines).encode() + b"\r\n" + date_line() + b"\r\n" + body.encode()
