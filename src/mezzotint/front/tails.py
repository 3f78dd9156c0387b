"""What follows the target in a request's head, read at once: most clients say the same with every request.

Only what is plainly whole and plainly a GET or HEAD without a body is taken here. Everything else, also what is merely
unusual, is None, and is read by llhttp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BEGIN, _END = b" HTTP/1.1\r\n", b"\r\n\r\n"
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
_OF_BODIES = {b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"http2-settings"}
LONGEST = 2048


@dataclass(frozen=True)
class Tail:
    """Headers by name, in lower case; each came once."""

    headers: dict[bytes, bytes]

    def get(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def read_tail(tail: bytes) -> Tail | None:
    """Of `tail`, from the space before `HTTP/1.1` to the empty line and nothing after it."""
    if (
        len(tail) > LONGEST
        or not tail.startswith(_BEGIN)
        or not tail.endswith(_END)
        or tail.find(_END) != len(tail) - len(_END)
    ):
        return None
    headers: dict[bytes, bytes] = {}
    for line in tail[len(_BEGIN) : -len(_END)].split(b"\r\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        name = match[1].lower()
        if name in _OF_BODIES or name in headers:
            return None
        headers[name] = match[2].strip(b" \t")
    if b"host" not in headers or headers.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    return Tail(headers)
