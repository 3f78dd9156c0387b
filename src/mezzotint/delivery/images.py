"""Names into answers: memory, then the cache, then the store manager; bases from the store."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mezzotint.cache import CachedFile
from mezzotint.cache.places import path_of
from mezzotint.delivery.answers import COMMON, Headers, Send
from mezzotint.delivery.conditional import ByteRange
from mezzotint.delivery.metrics import Tally
from mezzotint.delivery.negotiation import negotiate
from mezzotint.delivery.sending import CACHE, RANGES, STORE, Picture, Request, Sender, nginx_word
from mezzotint.derivatives.memory import MemoryCache
from mezzotint.errors import InvalidRendition
from mezzotint.names import Format, Ident, Rendition, base_key, media_type, parse, print_name
from mezzotint.transforms.sniff import MEDIA_TYPES
from mezzotint.wiring import Engine

PREFIX = "/images/"
_YEAR = "max-age=31536000, immutable"
_WHOLE = 1 << 20
"""Files up to this many bytes are read at once, larger ones in pieces."""

_SVG_POLICY = (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; sandbox")


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
        self._store, self._root = engine.store, engine.settings.store_directory
        self.tally = Tally()
        self._sender = Sender(self.tally, nginx_word(engine.settings.secret_key))

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
        if await self.give_from_memory(PREFIX + name, request, send):
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
        if not await self.give_from_memory(alias.key, request, send):
            await self._give_derivative(ident, rendition, print_name(ident, rendition), False, request, send, alias)

    async def give_from_memory(self, key: str | None, request: Request, send: Send) -> bool:
        """Answer with what memory has under this key, if anything."""
        hot = self.in_memory(key) if key and not request.lost else None
        if hot is None:
            return False
        self._cache.touch(hot.name)
        await self._sender.picture(hot, request, send, "hit")
        return True

    async def give_file(
        self, name: str, file: CachedFile, said: Headers, kept: tuple[str, float] | None, request: Request, send: Send
    ) -> None:
        """Answer with a cached file, and close it. `said` is what its answers say beside its tag; it may be `kept` in
        memory under a key until a moment of the monotonic clock, or has come just now."""
        generation = self._cache.generation.now()
        found = [*said, _etag(file.digest), RANGES, *COMMON]
        if file.size > _WHOLE:
            await self._sender.file(file, found, request, send)
            return
        until = kept[1] if kept is not None else 0.0
        picture = Picture.of(name, CACHE + file.place, found, f'"{file.digest}"', file.read(), until)
        if kept is not None:
            self._memory.put(kept[0], picture, generation)
        await self._sender.picture(picture, request, send, "hit" if kept is not None else "miss")

    async def give_data(self, data: bytes, said: Headers, request: Request, send: Send) -> None:
        """Answer with what is in no file."""
        digest = hashlib.sha256(data).hexdigest()
        found = [*said, _etag(digest), *COMMON]
        await self._sender.pieces(
            found, f'"{digest}"', len(data), None, lambda part: _part(data, part), request, send, "hit"
        )

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
        file = None if varies else await self._opened(asked)
        name = asked
        if file is None:
            rendition = await asyncio.to_thread(self._canonical, ident, rendition, varies)
            name = print_name(ident, rendition)
            file = await self._opened(name)
        how = "hit"
        if file is None:
            how = "miss"
            derivative = await asyncio.wrap_future(self._manager.request(ident, rendition))
            digest, data = derivative.digest, derivative.data
        elif file.size > _WHOLE:
            found = self._headers(rendition, asked, name, varies, file.digest, alias)
            await self._sender.file(file, found, request, send)
            return
        else:
            digest, data = file.digest, file.read()
        found = self._headers(rendition, asked, name, varies, digest, alias)
        until = alias.until if alias is not None else math.inf
        picture = Picture.of(name, CACHE + path_of(name), found, f'"{digest}"', data, until)
        key = alias.key if alias is not None else PREFIX + asked
        if key is not None and not varies:
            self._memory.put(key, picture, generation)
        if how == "miss":
            request.sendfile = None  # it is at hand, and may not have been kept
        await self._sender.picture(picture, request, send, how)

    async def _opened(self, name: str) -> CachedFile | None:
        """In a thread where it has to be looked at: others are not to wait."""
        return self._cache.open_seen(name) or await asyncio.to_thread(self._cache.open, name)

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
            _etag(digest),
            (b"cache-control", alias.cache_control if alias is not None else self._cache_control),
            RANGES,
            *COMMON,
            *(alias.headers if alias is not None else ()),
        ]
        if asked != name or alias is not None:
            found.append((b"link", f'</images/{name}>; rel="canonical"'.encode()))
        if varies:
            found.append((b"vary", b"Accept"))
        return found

    async def give_base(self, ident: Ident, request: Request, send: Send, alias: Alias | None = None) -> None:
        """Answer with the base itself. Raises MezzotintError before anything is sent."""
        reader = await asyncio.to_thread(self._bases.open, ident)
        try:
            facts = await asyncio.to_thread(self._bases.facts, ident)
            found = [
                (b"content-type", MEDIA_TYPES[facts.format].encode()),
                _etag(ident),
                (b"cache-control", alias.cache_control if alias is not None else self._cache_control),
                RANGES,
                *COMMON,
            ]
            if alias is not None:
                found += [*alias.headers, (b"link", f'<{PREFIX}{ident}>; rel="canonical"'.encode())]
            if facts.format == "svg":
                found.append(_SVG_POLICY)
            place = self._place_of_base(ident) if request.sendfile and not request.lost else None

            def opened(part: ByteRange | None) -> Iterator[bytes]:
                nonlocal reader
                if part is not None:
                    reader.close()
                    reader = self._bases.open(ident, part.start, part.length)
                yield from reader.chunks()

            await self._sender.pieces(found, f'"{ident}"', reader.size, place, opened, request, send, "base")
        finally:
            reader.close()

    def _place_of_base(self, ident: Ident) -> str | None:
        """Where nginx has it: in the directory that is the store, or in the cache."""
        path = self._store.local_path(base_key(ident))
        if path is not None and self._root is not None and path.exists():
            return STORE + str(path.relative_to(self._root))
        return CACHE + path_of(ident) if self._cache.has(ident) else None


def _etag(digest: str) -> tuple[bytes, bytes]:
    return b"etag", f'"{digest}"'.encode()


def _part(data: bytes, part: ByteRange | None) -> Iterator[bytes]:
    yield data if part is None else data[part.start : part.start + part.length]
