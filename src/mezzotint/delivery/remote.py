"""The doors of the image cloud: pictures by their URL, and the taking in of what peers send."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

from mezzotint import tokens
from mezzotint.delivery import query
from mezzotint.delivery.answer import COMMON, Answer, Headers
from mezzotint.delivery.door import Door
from mezzotint.delivery.freshness import DAY, UNSTORED, Freshness
from mezzotint.delivery.pictures import Alias, Pictures
from mezzotint.delivery.query import PictureRequest
from mezzotint.delivery.reach import Reach
from mezzotint.delivery.renditions import Renditions
from mezzotint.delivery.request import Request
from mezzotint.errors import InvalidInput, NotFound, ReadOnly, Unauthorized
from mezzotint.names import Ident, is_ident, print_name
from mezzotint.names.formats import WORDS
from mezzotint.network import loops
from mezzotint.sources.flights import Begin
from mezzotint.sources.peer_client import IDENT_HEADER, RECORD_HEADER
from mezzotint.sources.records import RemoteRecord
from mezzotint.sources.remote import How, Lookup, RemoteImages
from mezzotint.wiring import Engine
from mezzotint.wiring.sources import Sources

GET, THUMBNAIL, CLONE = "/get_image", "/get_thumbnail", "/clone_image"
_IN_MEMORY = 1.0
"""seconds until what became of the URL elsewhere is seen"""
_TRIES = 2


class RemoteDoor(Door):
    """`/get_image` and `/get_thumbnail`."""

    def __init__(
        self, engine: Engine, reach: Reach, pictures: Pictures, renditions: Renditions, sources: Sources
    ) -> None:
        super().__init__(public=engine.settings.public_read)
        self._engine, self._reach, self._pictures = engine, reach, pictures
        self._renditions, self._sources = renditions, sources

    def takes(self, path: str) -> bool:
        return path in {GET, THUMBNAIL}

    async def answer(self, request: Request) -> Answer:
        self._renditions.check_signed(request)
        loops.behind.set(loops.links(request.header(b"cdn-loop"), self._engine.settings.secret_key))
        default = WORDS[self._engine.settings.resize_format]
        asked = (query.thumbnail if request.path == THUMBNAIL else query.image)(request.query, default)
        remote = self._sources.remote
        known = request.token is not None or request.signed is not None
        begin = partial(request.pay, self._engine.rates.fetches)
        lost = False
        for _ in range(_TRIES):
            found = await self._found(remote, asked, known, lost, begin)
            try:
                return await self._picture(found, asked, request)
            except NotFound:
                lost = True  # its bytes are gone, as those of what is only cached may be
        raise NotFound("the picture was deleted as it was asked for")

    async def _found(
        self, remote: RemoteImages, asked: PictureRequest, known: bool, lost: bool, begin: Begin
    ) -> Lookup:
        may_fetch = known or self._engine.settings.fetch_for_all
        if asked.only_here or not may_fetch:
            found = None if lost else await remote.find(asked.target, renew=may_fetch)
            if found is not None and await remote.is_here(found.record.ident):
                return found
            if asked.only_here:
                raise NotFound("this picture is not here")
            raise Unauthorized("this picture is not here yet, and having it fetched needs a token, or a signed address")
        if asked.silent and not lost:
            found = await remote.find(asked.target)
            lost = found is not None and not await remote.is_here(found.record.ident)
        return await remote.get(asked.target, ask_peers=asked.ask_peers, lost=lost, begin=begin, known=known)

    async def _picture(self, found: Lookup, asked: PictureRequest, request: Request) -> Answer:
        ident = found.record.ident
        said = [(b"x-cache-status", found.how.encode()), _ident(ident)]
        if asked.only_here:  # as peers ask
            said.append((RECORD_HEADER.lower().encode(), replace(found.record, via="peer").to_json()))
        if asked.silent:
            return await self._facts(ident, said)
        held = found.how in {How.HIT, How.STALE}
        alias = Alias(self._freshness(found), said, _key(request) if held else None, time.monotonic() + _IN_MEMORY)
        await self._renditions.check(request, ident, asked.rendition)
        if asked.rendition is None:
            return await self._pictures.base(ident, request, alias)
        kept = self._pictures.remembered(alias.key, request)
        return kept or await self._pictures.derivative(ident, asked.rendition, request, alias=alias)

    async def _facts(self, ident: Ident, said: Headers) -> Answer:
        facts = await self._reach.facts(ident)
        said = [
            *said,
            (b"x-image-format", facts.format.encode()),
            (b"x-image-width", b"%d" % facts.width),
            (b"x-image-height", b"%d" % facts.height),
            (b"x-image-bytes", b"%d" % facts.bytes),
            (b"link", f'</images/{print_name(ident, None)}>; rel="canonical"'.encode()),
        ]
        return Answer(204, [*said, *COMMON], freshness=UNSTORED)

    def _freshness(self, found: Lookup) -> Freshness:
        left = max(0, int(found.record.expires - time.time()))
        return Freshness(self.public, left, stale_while_revalidate=DAY, stale_if_error=7 * DAY)


class CloneDoor(Door):
    """`/clone_image`: a picture from a peer, the bytes as body."""

    methods = ("POST",)

    def __init__(self, engine: Engine, sources: Sources) -> None:
        super().__init__(public=False)
        self._engine, self._sources = engine, sources

    def takes(self, path: str) -> bool:
        return path == CLONE

    async def answer(self, request: Request) -> Answer:
        if request.token is None:
            raise Unauthorized("sending pictures needs a token of scope write")
        request.token.require(tokens.Scope.WRITE)
        if self._engine.settings.read_only:
            raise ReadOnly("this is a read node; nothing is written here")
        target = query.image(request.query, WORDS["jpeg"]).target
        record = RemoteRecord.from_json(request.header(RECORD_HEADER.lower().encode()) or "")
        if record is None or record.url != target.url:
            raise InvalidInput(RECORD_HEADER, "is missing, or is of another URL", "the record as the peer has it")
        new = await self._sources.remote.receive(target, record, request.body())
        return Answer(201 if new else 200, [*COMMON, _ident(record.ident)], freshness=UNSTORED)


def _key(request: Request) -> str | None:
    """Where memory may have the answer: nowhere, where a token has to be looked at first."""
    return None if b"token=" in request.query else f"{request.path}?{request.query.decode('ascii')}"


def _ident(ident: str) -> tuple[bytes, bytes]:
    assert is_ident(ident)
    return IDENT_HEADER.lower().encode(), ident.encode()
