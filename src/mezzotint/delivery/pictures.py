"""Pictures as answers: memory, then the cache, then the store manager; bases from the store."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from mezzotint.cache import CachedFile
from mezzotint.cache.places import path_of
from mezzotint.delivery.answer import COMMON, VARY, Answer, Body, Counts, FileBody, Headers
from mezzotint.delivery.conditional import ByteRange
from mezzotint.delivery.freshness import Freshness, lasting
from mezzotint.delivery.metrics import Tally
from mezzotint.delivery.negotiation import Accepted
from mezzotint.delivery.reach import BaseBody, Reach
from mezzotint.delivery.request import Request
from mezzotint.delivery.respond import CACHE, STORE, content_range, of_304, placed, with_length
from mezzotint.derivatives.manager import Derivative
from mezzotint.derivatives.memory import MemoryCache
from mezzotint.derivatives.pool import NOBODY
from mezzotint.errors import GivenUp
from mezzotint.front.exchange import STATUS_LINES
from mezzotint.front.spelling import field_lines
from mezzotint.host.lanes import unheeded
from mezzotint.names import FORMATS, Facts, Ident, Region, Rendition, base_key, print_name
from mezzotint.wiring import Engine

PREFIX, AUTO = "/images/", ".auto"
_WHOLE = 1 << 20
"""Files up to this many bytes are read at once, larger ones in pieces."""
_SMALL = 512 << 10
"""Bases of up to this many bytes are kept in memory."""
_SVG_POLICY = (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; sandbox")


@dataclass(frozen=True, slots=True)
class Alias:
    """An address that leads to a picture for a while: what its answers say, and under what key memory has them, if
    at all, until when by the monotonic clock."""

    freshness: Freshness
    headers: Headers
    key: str | None
    until: float
    linked: bool = False
    """they say by themselves which address is canonical"""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer in memory, with its heads as they go out, up to what each request has of its own. `name` is the
    cache's, `until`, by the monotonic clock, it may be given."""

    name: str
    answer: Answer
    data: bytes
    partial: bytes
    whole: bytes
    unmodified: bytes
    placed: bytes
    until: float

    @classmethod
    def of(cls, name: str, answer: Answer, until: float) -> Kept:
        assert isinstance(answer.body, bytes)
        whole = _lines(200, with_length(answer.said, answer.size))
        by_nginx = _lines(200, with_length(placed(answer.said, answer.place), 0)) if answer.place is not None else b""
        return cls(
            name, answer, answer.body, _lines(206, answer.said), whole, _lines(304, of_304(answer)), by_nginx, until
        )

    def part(self, part: ByteRange) -> bytes:
        """The head of a part."""
        return self.partial + field_lines(with_length([content_range(part, len(self.data))], part.length))

    @property
    def weight(self) -> int:
        return len(self.data) + 4000


class Pictures:
    def __init__(self, engine: Engine, reach: Reach, tally: Tally) -> None:
        self._reach, self._manager, self._cache = reach, engine.manager, engine.cache
        self._memory: MemoryCache[Kept] = MemoryCache(engine.cache.generation, engine.settings.memory_cache)
        self._lasting = lasting(engine.settings.public_bytes)
        self._store, self._root = engine.store, engine.settings.store_directory
        self._tally, self._limits, self._rates = tally, engine.settings.limits, engine.rates

    def in_memory(self, address: str) -> Kept | None:
        """What this process's memory holds for a path, or for a path with its query."""
        kept = self._memory.get(address)
        return kept if kept is None or kept.until > time.monotonic() else None

    def count(self, kept: Kept, answer: Counts | Literal["not_modified"], sent: int) -> None:
        self._cache.touch(kept.name)
        self._tally.answers[kept.answer.counts if answer == "hit" and kept.answer.counts else answer] += 1
        self._tally.bytes += sent

    def remembered(self, key: str | None, request: Request) -> Answer | None:
        """The answer that memory has under this key, if any."""
        kept = self.in_memory(key) if key and not request.lost else None
        if kept is None:
            return None
        self._cache.touch(kept.name)
        return kept.answer

    async def facts(self, ident: Ident) -> Facts:
        """Raises MezzotintError."""
        return await self._reach.facts(ident)

    async def derivative(
        self,
        ident: Ident,
        rendition: Rendition,
        request: Request,
        *,
        asked: str | None = None,
        negotiated: str | None = None,
        alias: Alias | None = None,
    ) -> Answer:
        """`asked` is the name that was asked for; None where the format was `negotiated`, which is what memory has it
        under then, or where it was asked for by an alias.

        Raises MezzotintError.
        """
        generation = self._cache.generation.now()
        tile = self._tile(ident, rendition)
        known = tile.name if tile is not None else print_name(ident, rendition) if alias is not None else asked
        file = await self._reach.file(known) if known is not None and tile is None else None
        name = known or ""
        if file is None and tile is None:
            facts = await self._reach.facts(ident)
            rendition = self._manager.canonical(rendition, facts)
            name = print_name(ident, rendition)
            file = await self._reach.file(name) if name != known else None
        fresh = self._lasting if alias is None else alias.freshness
        said: Headers = [
            (b"content-type", FORMATS[rendition.format].media_type.encode()),
            *(alias.headers if alias is not None else ()),
            *([] if asked == name or (alias is not None and alias.linked) else [_canonical(name)]),
            *([VARY] if negotiated is not None else []),
        ]
        place: str | None = CACHE + path_of(name)
        if file is not None:
            digest = file.digest
            if file.size > _WHOLE:
                return _answer(said, digest, FileBody(file), place, "hit", fresh)
            data = file.read()
        else:
            made = tile or await self._made(ident, rendition, facts, request)
            digest, data, place = made.digest, made.data, place if made.is_file else None
        answer = _answer(said, digest, data, place, "hit", fresh)
        if alias is not None:
            self._keep(alias.key, name, answer, alias.until, generation)
        elif asked is not None or negotiated is not None:
            self._keep(negotiated or f"{PREFIX}{asked}", name, answer, math.inf, generation)
        if file is not None or tile is not None:
            return answer
        if len(data) > _WHOLE and (file := await self._reach.file(name)) is not None:
            return _answer(
                said, digest, FileBody(file), None, "miss", fresh
            )  # a slow reader holds no picture in memory
        return replace(answer, place=None, counts="miss")  # it is at hand, and may not have been kept

    def _tile(self, ident: Ident, rendition: Rendition) -> Derivative | None:
        """One of a pyramid that is open, at once. Raises InvalidRendition."""
        if not isinstance(rendition.region, Region) or (facts := self._reach.remembered(ident)) is None:
            return None
        return self._manager.tile(ident, self._manager.canonical(rendition, facts), facts)

    async def _made(self, ident: Ident, rendition: Rendition, facts: Facts, request: Request) -> Derivative:
        """Where the client goes away meanwhile, and nobody else waits for it, it is given up."""
        request.pay(self._rates.renders)
        await self._reach.have(ident, rendition, facts)
        client = None if self._limits.trusts(request.client) else request.client
        flight = self._manager.request(ident, rendition, client)
        made, gone = asyncio.wrap_future(flight.future), asyncio.ensure_future(request.gone())
        try:
            await asyncio.wait((made, gone), return_when=asyncio.FIRST_COMPLETED)
            if not made.done():
                raise GivenUp(NOBODY)
            return made.result()
        finally:
            gone.cancel()
            if not made.done():
                self._manager.leave(flight)
                unheeded(made)

    async def base(self, ident: Ident, request: Request, alias: Alias | None = None) -> Answer:
        """The base itself. Raises MezzotintError."""
        generation = self._cache.generation.now()
        body = await self._reach.base(ident)
        try:
            facts = await self._reach.facts(ident)
            said: Headers = [(b"content-type", FORMATS[facts.format].media_type.encode())]
            if alias is not None:
                said += alias.headers
                said.append(_canonical(ident))
            if facts.format == "svg":
                said.append(_SVG_POLICY)
            by_nginx = request.header(b"x-sendfile-type") is not None and not request.lost
            fresh = self._lasting if alias is None else alias.freshness
            keep = body.size <= _SMALL and alias is None and not request.lost
            place = await asyncio.to_thread(self._place_of_base, ident) if by_nginx or keep else None
            answer = _answer(said, ident, body, place, "base", fresh)
            if keep:
                await self._keep_base(ident, body, answer, generation)
            return answer
        except BaseException:
            body.close()
            raise

    async def _keep_base(self, ident: Ident, body: BaseBody, answer: Answer, generation: bytes) -> None:
        data = await asyncio.to_thread(body.read)
        if data is not None and hashlib.sha256(data).hexdigest() == ident:
            self._keep(PREFIX + ident, ident, replace(answer, body=data), math.inf, generation)

    def file(self, file: CachedFile, said: Headers, kept: tuple[str, float] | None, fresh: Freshness) -> Answer:
        """A cached file. `said` is what its answers say beside its tag; it may be `kept` in memory under a key until a
        moment of the monotonic clock, or has come just now."""
        generation = self._cache.generation.now()
        place = CACHE + path_of(file.name)
        if file.size > _WHOLE:
            return _answer(said, file.digest, FileBody(file), place, "hit", fresh)
        data = file.read()
        answer = _answer(said, file.digest, data, place, "hit", fresh)
        if kept is None:
            return replace(answer, counts="miss")
        self._keep(kept[0], file.name, answer, kept[1], generation)
        return answer

    def data(self, data: bytes, said: Headers, fresh: Freshness) -> Answer:
        """What is in no file."""
        return _answer(said, hashlib.sha256(data).hexdigest(), data, None, "hit", fresh)

    def _keep(self, key: str | None, name: str, answer: Answer, until: float, generation: bytes) -> None:
        if key is not None:
            self._memory.put(key, Kept.of(name, answer, until), generation)

    def _place_of_base(self, ident: Ident) -> str | None:
        """Where nginx has it: in the directory that is the store, or in the cache."""
        path = self._store.local_path(base_key(ident))
        if path is not None and self._root is not None and path.exists():
            return STORE + str(path.relative_to(self._root))
        return CACHE + path_of(ident) if self._cache.has(ident) else None


def _answer(
    said: Headers, digest: str, body: bytes | Body, place: str | None, counts: Counts, fresh: Freshness
) -> Answer:
    return Answer(200, [*said, *COMMON], body, f'"{digest}"', place, counts, fresh)


def _canonical(name: str) -> tuple[bytes, bytes]:
    return b"link", f'<{PREFIX}{name}>; rel="canonical"'.encode()


def address_of_auto(address: str, named: Accepted) -> str:
    """Under what memory has the answer to those who name these formats."""
    return f"{','.join(named)} {address}"  # no path begins so


def _lines(status: int, found: Iterable[tuple[bytes, bytes]]) -> bytes:
    return STATUS_LINES[status] + field_lines(found)
