"""Names of headers as people and their scripts have always seen them: Content-Type, ETag. HTTP does not mind."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

_APART = {b"etag": b"ETag", b"www-authenticate": b"WWW-Authenticate", b"dnt": b"DNT", b"te": b"TE"}


@lru_cache(1000)
def spelled(name: bytes) -> bytes:
    """Of a name in lower case."""
    return _APART.get(name) or name.title()


def field_lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """As they are on the wire."""
    return b"".join([b"%b: %b\r\n" % (spelled(name), value) for name, value in fields])
