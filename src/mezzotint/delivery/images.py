"""Names into answers: memory, then the cache, then the store manager; bases from the store."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mezzotint.cache import CachedFile
from mezzotint.delivery.answers import COMMON, Headers, Scope, Send, answer, stream
from mezzotint.delivery.conditional import ByteRange, Unsatisfiable, byte_range, not_modified
from mezzotint.delivery.metrics import Tally
from mezzotint.delivery.negotiation import negotiate
from mezzotint.derivatives.memory import MemoryCache
from mezzotint.errors import InvalidRendition
from mezzotint.files import CHUNK
from mezzotint.names import Format, Ident, Rendition, media_type, parse, print_name
from mezzotint.transforms.sniff import MEDIA_TYPES
from mezzotint.wiring import Engine

PREFIX = "/images/"
_YEAR = "max-age=31536000, immutable"
_WHOLE = 1 << 20
"""Files up to this many bytes are read at once, larger ones in pieces."""

_SVG_POLICY = (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; sandbox")


@dataclass(slots=True)
class Request:
    """What delivery reads of a request."""

    head: bool = False
    if_none_match: str | None = None
    range: str | None = None
    if_range: str | None = None
    accept: str | None = None
    authorization: str | None = None

    @classmethod
    def of(cls, scope: Scope) -> Request:
        request = cls(scope["method"] == "HEAD")
        for name, value in scope["headers"]:
            if name == b"if-none-match":
                request.if_none_match = value.decode("latin-1")
            elif name == b"range":
                request.range = value.decode("latin-1")
            elif name == b"if-range":
                request.if_range = value.decode("latin-1")
            elif name == b"accept":
                request.accept = value.decode("latin-1")
            elif name == b"authorization":
                request.authorization = value.decode("latin-1")
        return request


@dataclass(frozen=True, slots=True)
class Picture:
    """A representation, ready to be sent: its canonical name, headers, those of the whole of it as texts, bytes.
    `until`, by the monotonic clock, it may be given from memory."""

    name: str
    headers: Headers
    whole_text: list[tuple[str, str]]
    etag: str
    data: bytes
    until: float = math.inf

    @property
    def weight(self) -> int:
        return len(self.data) + 1000


@dataclass(frozen=True, slots=True)
class Alias:
    """An address that leads to a picture for a while: what its answers say, and under what key memory has them, if
    at all, until when by the monotonic clock."""

    cache_control: bytes
    headers: Headers
    key: str | None
    until: float


class Images:
    def __init__(self, engine: Engine) -> None:
        self._manager, self._bases, self._cache = engine.manager, engine.bases, engine.cache
        self._memory: MemoryCache[Picture] = MemoryCache(engine.cache.generation, engine.settings.memory_cache)
        self._cache_control = f"{'public' if engine.settings.public_read else 'private'}, {_YEAR}".encode()
        self.tally = Tally()

    def in_memory(self, address: str) -> Picture | None:
        """What this process's memory holds for `/images/<name>`, or for another path with its query."""
        picture = self._memory.get(address)
        return picture if picture is None or picture.until > time.monotonic() else None

    def count_hit(self, picture: Picture) -> None:
        self._cache.touch(picture.name)
        self.tally.answers["hit"] += 1
        self.tally.bytes += len(picture.data)

    async def give(self, name: str, request: Request, send: Send) -> None:
        """Answer with what `name` names. Raises MezzotintError before anything is sent."""
        hot = self._memory.get(PREFIX + name)
        if hot is not None:
            self._cache.touch(hot.name)
            await self._send(hot, request, send, "hit")
            return
        ident, rendition = parse(name)
        if rendition is None:
            await self.give_base(ident, request, send)
            return
        varies = rendition.format is Format.AUTO
        if varies:
            rendition = replace(rendition, format=negotiate(request.accept))
        await self._give_derivative(ident, rendition, name, varies, request, send, None)

    async def give_derivative(
        self, ident: Ident, rendition: Rendition, request: Request, send: Send, alias: Alias
    ) -> None:
        """Answer an alias of a derivative. Raises MezzotintError before anything is sent."""
        hot = self.in_memory(alias.key) if alias.key else None
        if hot is not None:
            self._cache.touch(hot.name)
            await self._send(hot, request, send, "hit")
            return
        await self._give_derivative(ident, rendition, print_name(ident, rendition), False, request, send, alias)

    async def _give_derivative(
        self,
        ident: Ident,
        rendition: Rendition,
        asked: str,
        varies: bool,
        request: Request,
        send: Send,
        alias: Alias | None,
    ) -> None:
        generation = self._cache.generation.now()
        file = None if varies else self._cache.open(asked)
        name = asked
        if file is None:
            rendition = await asyncio.to_thread(self._canonical, ident, rendition, varies)
            name = print_name(ident, rendition)
            file = self._cache.open(name)
        how = "hit"
        if file is None:
            how = "miss"
            derivative = await asyncio.wrap_future(self._manager.request(ident, rendition))
            digest, data = derivative.digest, derivative.data
        elif file.size > _WHOLE:
            found = self._headers(rendition, asked, name, varies, file.digest, alias)
            await self._stream_file(file, found, request, send)
            return
        else:
            digest, data = file.digest, file.read()
        found = self._headers(rendition, asked, name, varies, digest, alias)
        whole = _text(_with_length(found, len(data)))
        until = alias.until if alias is not None else math.inf
        picture = Picture(name, found, whole, f'"{digest}"', data, until)
        key = alias.key if alias is not None else PREFIX + asked
        if key is not None and not varies:
            self._memory.put(key, picture, generation)
        await self._send(picture, request, send, how)

    def _canonical(self, ident: Ident, rendition: Rendition, varies: bool) -> Rendition:
        """Where the client leaves the format open and the chosen one cannot hold the picture, JPEG does."""
        try:
            return self._manager.canonical(ident, rendition)
        except InvalidRendition:
            if not varies:
                raise
            return self._manager.canonical(ident, replace(rendition, format=Format.JPG))

    def _headers(
        self, rendition: Rendition, asked: str, name: str, varies: bool, digest: str, alias: Alias | None
    ) -> Headers:
        found = [
            (b"content-type", media_type(rendition).encode()),
            (b"etag", f'"{digest}"'.encode()),
            (b"cache-control", alias.cache_control if alias is not None else self._cache_control),
            (b"accept-ranges", b"bytes"),
            *COMMON,
            *(alias.headers if alias is not None else ()),
        ]
        if asked != name or alias is not None:
            found.append((b"link", f'</images/{name}>; rel="canonical"'.encode()))
        if varies:
            found.append((b"vary", b"Accept"))
        return found

    async def _send(self, picture: Picture, request: Request, send: Send, how: str) -> None:
        data = picture.data
        status, header_list, part = _conditions(picture.headers, picture.etag, len(data), request)
        if part is not None:
            data = data[part.start : part.start + part.length]
        if request.head or status in (304, 416):
            data = b""
        self.tally.answers["not_modified" if status == 304 else how] += 1
        self.tally.bytes += len(data)
        await answer(send, status, header_list, data)

    async def _stream_file(self, file: CachedFile, found: Headers, request: Request, send: Send) -> None:
        try:
            status, header_list, part = _conditions(found, f'"{file.digest}"', file.size, request)
            self.tally.answers["not_modified" if status == 304 else "hit"] += 1
            if request.head or status in (304, 416):
                await answer(send, status, header_list)
                return
            self.tally.bytes += part.length if part else file.size
            await stream(send, status, header_list, _pieces(file, part or ByteRange(0, file.size)))
        finally:
            os.close(file.descriptor)

    async def give_base(self, ident: Ident, request: Request, send: Send, alias: Alias | None = None) -> None:
        """Answer with the base itself. Raises MezzotintError before anything is sent."""
        reader = await asyncio.to_thread(self._bases.open, ident)
        try:
            facts = await asyncio.to_thread(self._bases.facts, ident)
            found = [
                (b"content-type", MEDIA_TYPES[facts.format].encode()),
                (b"etag", f'"{ident}"'.encode()),
                (b"cache-control", alias.cache_control if alias is not None else self._cache_control),
                (b"accept-ranges", b"bytes"),
                *COMMON,
            ]
            if alias is not None:
                found += [*alias.headers, (b"link", f'<{PREFIX}{ident}>; rel="canonical"'.encode())]
            if facts.format == "svg":
                found.append(_SVG_POLICY)
            status, header_list, part = _conditions(found, f'"{ident}"', reader.size, request)
            self.tally.answers["not_modified" if status == 304 else "base"] += 1
            if request.head or status in (304, 416):
                await answer(send, status, header_list)
                return
            if part is not None:
                reader.close()
                reader = await asyncio.to_thread(self._bases.open, ident, part.start, part.length)
            self.tally.bytes += part.length if part else reader.size
            await stream(send, status, header_list, reader.chunks())
        finally:
            reader.close()


def _conditions(found: Headers, etag: str, size: int, request: Request) -> tuple[int, Headers, ByteRange | None]:
    """Status, headers and range after If-None-Match, Range and If-Range have been looked at."""
    if request.if_none_match is not None and not_modified(request.if_none_match, etag):
        return 304, [header for header in found if header[0] != b"content-type"], None
    if request.range is None or request.head:
        return 200, _with_length(found, size), None
    try:
        part = byte_range(request.range, request.if_range, etag, size)
    except Unsatisfiable:
        vary = [header for header in found if header[0] == b"vary"]
        return 416, [*COMMON, *vary, (b"content-range", b"bytes */%d" % size), (b"content-length", b"0")], None
    if part is None:
        return 200, _with_length(found, size), None
    content_range = b"bytes %d-%d/%d" % (part.start, part.start + part.length - 1, size)
    return 206, [*found, (b"content-range", content_range), (b"content-length", b"%d" % part.length)], part


def _with_length(found: Headers, size: int) -> Headers:
    return [*found, (b"content-length", b"%d" % size)]


def _text(found: Headers) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in found]


def _pieces(file: CachedFile, part: ByteRange) -> Iterator[bytes]:
    at, end = part.start, part.start + part.length
    while at < end and (chunk := os.pread(file.descriptor, min(CHUNK, end - at), at)):
        at += len(chunk)
        yield chunk
