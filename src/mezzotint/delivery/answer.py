"""An answer as a value: what a door returns, and `respond` sends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from mezzotint.cache import CachedFile
from mezzotint.delivery.conditional import ByteRange
from mezzotint.delivery.freshness import UNSTORED, Freshness
from mezzotint.errors import MezzotintError
from mezzotint.host.files import CHUNK
from mezzotint.problems import CONTENT_TYPE, problem_body, problem_headers, status_of

Headers = list[tuple[bytes, bytes]]
Counts = Literal["hit", "miss", "base"]
RANGES, VARY = (b"accept-ranges", b"bytes"), (b"vary", b"Accept")

COMMON: Headers = [
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"content-length, content-range, etag, link, x-cache-status, x-image-ident, x-request-id",
    ),
    (b"x-content-type-options", b"nosniff"),
]


class Body(Protocol):
    """Bytes that are read while they are sent, in a thread; or by the server itself, from `descriptor`."""

    descriptor: int | None
    """of a file that has just these bytes, until it is closed"""

    @property
    def size(self) -> int:
        """bytes of the whole"""

    def chunks(self, part: ByteRange | None) -> Iterator[bytes]:
        """The whole, or a part of it. Once."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` without Content-Length. With an `etag`, which goes out as ETag, conditions and ranges are looked at.
    `place` is where this installation's nginx finds the same bytes. `counts` is what it counts as in the metrics.
    `freshness` goes out as Cache-Control."""

    status: int
    headers: Headers
    body: bytes | Body = b""
    etag: str | None = None
    place: str | None = None
    counts: Counts | None = None
    freshness: Freshness | None = None

    @property
    def size(self) -> int:
        return len(self.body) if isinstance(self.body, bytes) else self.body.size

    @property
    def said(self) -> Headers:
        """All headers but Content-Length."""
        said = self.headers if self.freshness is None else [*self.headers, self.freshness.header]
        return said if self.etag is None else [*said, (b"etag", self.etag.encode()), RANGES]


class FileBody:
    """A cached file."""

    def __init__(self, file: CachedFile) -> None:
        self._file = file
        self.descriptor: int | None = file.descriptor

    @property
    def size(self) -> int:
        return self._file.size

    def chunks(self, part: ByteRange | None) -> Iterator[bytes]:
        return of_file(self._file.descriptor, part or ByteRange(0, self.size))

    def close(self) -> None:
        self._file.close()


def of_file(descriptor: int, part: ByteRange) -> Iterator[bytes]:
    at, end = part.start, part.start + part.length
    while at < end and (chunk := os.pread(descriptor, min(CHUNK, end - at), at)):
        at += len(chunk)
        yield chunk


def headers(**values: str) -> Headers:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in values.items()] + COMMON


def unstored(content_type: str, body: bytes) -> Answer:
    """What is made for this answer alone, and kept by nobody."""
    return Answer(200, headers(content_type=content_type), body, freshness=UNSTORED)


def problem(error: MezzotintError, *, public: bool) -> Answer:
    """RFC 9457."""
    values = {"content-type": CONTENT_TYPE, **problem_headers(error, public=public)}
    return Answer(status_of(error), headers(**values), problem_body(error))


def varying(answer: Answer) -> Answer:
    """Of a URL whose answers differ by Accept."""
    return replace(answer, headers=[*answer.headers, VARY])
