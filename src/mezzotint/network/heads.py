"""Heads of answers as origins send them, made into what a strict parser takes: browsers show what comes with them.

Nothing is believed on the way: what was named twice and differs stays so, and is refused by the parser.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp.client_proto import ResponseHandler

MOST = 1 << 18
"""bytes of a head; a longer one is the parser's to refuse"""
MOST_FIELD, MOST_FIELDS = 1 << 16, 1000
_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/[0-9.]+ +(?P<code>[0-9]{3})\b")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_WITHOUT_BODY = {204, 304}


def mended(head: bytes) -> tuple[bytes, int | None]:
    """A head with its empty line, as RFC 9112 has it, and how many bytes of body it announces, where it does.

    Lines that are no field go, folded ones are one (section 5.2), a length that is repeated is said once (RFC 9110
    section 8.6), and none where the body says by itself where it ends (RFC 9112 section 6.1).
    """
    first, *lines = re.split(rb"\r?\n", head.rstrip(b"\r\n"))
    fields: list[tuple[bytes, bytes]] = []
    for line in lines:
        if line[:1] in {b" ", b"\t"} and fields:
            name, value = fields.pop()
            fields.append((name, value + b" " + line.strip()))
            continue
        name, colon, value = line.partition(b":")
        if colon and _NAME.fullmatch(name := name.strip()):
            fields.append((name, _CONTROL.sub(b" ", value).strip()))
    coded = any(name.lower() == b"transfer-encoding" and value.lower() != b"identity" for name, value in fields)
    lengths = {
        part.strip() for name, value in fields if name.lower() == b"content-length" for part in value.split(b",")
    }
    kept = [field for field in fields if _stays(*field, one=len(lengths) == 1)]
    length = None
    if len(lengths) == 1 and not coded:
        (only,) = lengths
        kept.append((b"Content-Length", only))
        length = int(only) if only.isdigit() and len(only) < 20 else None
    return b"\r\n".join([first, *(name + b": " + value for name, value in kept)]) + b"\r\n\r\n", length


def _stays(name: bytes, value: bytes, *, one: bool) -> bool:
    match name.lower():
        case b"content-length":
            return not one
        case b"transfer-encoding":
            return value.lower() != b"identity"
    return True


class Tolerant(ResponseHandler):
    """aiohttp's side of a connection, whose parser sees heads that are mended, and no byte behind a body's end."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head: bytes | None = None
        self._left: int | None = None

    def set_response_params(self, **parameters: Any) -> None:
        """A request is about to be sent: what comes next is a head."""
        self._head, self._left = b"", None
        super().set_response_params(**parameters)

    def data_received(self, data: bytes) -> None:
        if self._head is None or not data:  # nothing: the parser is to go on with what it has
            self._pass_on(b"", data)
            return
        seen, self._head = len(self._head), self._head + data
        while end := _END.search(self._head, max(0, seen - 3)):  # a head that drips is looked through once
            head, rest = self._head[: end.end()], self._head[end.end() :]
            status = _STATUS.match(head)
            code = int(status["code"]) if status else 0
            head, length = mended(head)
            if 100 <= code < 200:  # an interim one: another follows
                super().data_received(head)
                seen, self._head = 0, rest
                continue
            self._head, self._left = None, 0 if code in _WITHOUT_BODY else length
            self._pass_on(head, rest)
            return
        if len(self._head) > MOST:
            head, self._head = self._head, None
            super().data_received(head)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._head:
            head, self._head = self._head, None
            super().data_received(head)  # no answer, as the parser says
        super().connection_lost(exc)

    def _pass_on(self, head: bytes, body: bytes) -> None:
        if self._left is not None and body:
            if len(body) > self._left:
                body = body[: self._left]
                self.force_close()
            self._left -= len(body)
            if not (head or body):
                return
        super().data_received(head + body if head else body)
