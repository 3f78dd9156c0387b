"""The door of the image cloud: pictures by their URL, and the taking in of what peers send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

from mezzotint import tokens
from mezzotint.delivery import query
from mezzotint.delivery.answers import COMMON, Headers, Receive, Scope, Send, answer, headers
from mezzotint.delivery.images import Alias, Images
from mezzotint.delivery.network import Network
from mezzotint.delivery.query import Asked
from mezzotint.delivery.sending import Request
from mezzotint.errors import InvalidInput, NotFound, ReadOnly, Unauthorized
from mezzotint.names import Ident, is_ident, print_name
from mezzotint.sources.peers import IDENT_HEADER, RECORD_HEADER
from mezzotint.sources.records import RemoteRecord
from mezzotint.sources.remote import Found, How, RemoteImages
from mezzotint.wiring import Engine

GET, THUMBNAIL, CLONE = "/get_image", "/get_thumbnail", "/clone_image"
PATHS = frozenset({GET, THUMBNAIL, CLONE})
_IN_MEMORY = 1.0
"""seconds until what became of the URL elsewhere is seen"""
_REVALIDATE, _ON_ERROR = 86_400, 604_800
_TRIES = 2


class RemoteDoor:
    def __init__(self, engine: Engine, images: Images, network: Network) -> None:
        self._engine, self._images, self._network = engine, images, network

    async def give(self, path: str, scope: Scope, request: Request, token: tokens.Token | None, send: Send) -> None:
        """`/get_image` and `/get_thumbnail`. Raises MezzotintError before anything is sent."""
        default = query.FORMATS[self._engine.settings.resize_format]
        text: bytes = scope["query_string"]
        asked = (query.thumbnail if path == THUMBNAIL else query.image)(text, default)
        remote = self._network.opened().remote
        may_fetch = token is not None or self._engine.settings.fetch_for_all
        lost = False
        for _ in range(_TRIES):
            found = await self._found(remote, asked, may_fetch, lost)
            try:
                await self._answer(found, asked, _key(path, text), request, send)
                return
            except NotFound:
                lost = True  # its bytes are gone, as those of what is only cached may be
        raise NotFound("the picture was deleted as it was asked for")

    async def take_in(self, scope: Scope, body: Body, token: tokens.Token | None, send: Send) -> None:
        """`/clone_image`: a picture from a peer, the bytes as body. Raises MezzotintError."""
        if token is None:
            raise Unauthorized("sending pictures needs a token of scope write")
        token.require(tokens.Scope.WRITE)
        if self._engine.settings.read_only:
            raise ReadOnly("this is a read node; nothing is written here")
        target = query.image(scope["query_string"], query.FORMATS["jpeg"]).target
        given = {name: value.decode("latin-1") for name, value in scope["headers"]}
        record = RemoteRecord.from_json(given.get(RECORD_HEADER.lower().encode(), ""))
        if record is None or record.url != target.url:
            raise InvalidInput(RECORD_HEADER, "is missing, or is of another URL", "the record as the peer has it")
        new = await self._network.opened().remote.receive(target, record, body.chunks())
        what = [*headers(content_length="0", cache_control="no-store"), _ident(record.ident)]
        await answer(send, 201 if new else 200, what)

    async def _found(self, remote: RemoteImages, asked: Asked, may_fetch: bool, lost: bool) -> Found:
        if asked.only_here or not may_fetch:
            found = None if lost else await remote.find(asked.target, renew=may_fetch)
            if found is not None and await remote.is_here(found.record.ident):
                return found
            if asked.only_here:
                raise NotFound("this picture is not here")
            raise Unauthorized("this picture is not here yet, and having it fetched needs a token")
        if asked.silent and not lost:
            found = await remote.find(asked.target)
            lost = found is not None and not await remote.is_here(found.record.ident)
        return await remote.get(asked.target, ask_peers=asked.ask_peers, lost=lost)

    async def _answer(self, found: Found, asked: Asked, key: str | None, request: Request, send: Send) -> None:
        ident = found.record.ident
        said = [
            (b"x-cache-status", found.how.encode()),
            _ident(ident),
        ]
        if asked.only_here:  # as peers ask
            said.append((RECORD_HEADER.lower().encode(), replace(found.record, via="peer").to_json()))
        if asked.silent:
            await self._facts(ident, said, send)
            return
        held = found.how in {How.HIT, How.STALE}
        alias = Alias(self._cache_control(found), said, key if held else None, time.monotonic() + _IN_MEMORY)
        if asked.rendition is None:
            await self._images.give_base(ident, request, send, alias)
        else:
            await self._images.give_derivative(ident, asked.rendition, request, send, alias)

    async def _facts(self, ident: Ident, said: Headers, send: Send) -> None:
        facts = await asyncio.to_thread(self._engine.bases.facts, ident)
        said = [
            *said,
            (b"x-image-format", facts.format.encode()),
            (b"x-image-width", b"%d" % facts.width),
            (b"x-image-height", b"%d" % facts.height),
            (b"x-image-bytes", b"%d" % facts.bytes),
            (b"link", f'</images/{print_name(ident, None)}>; rel="canonical"'.encode()),
            (b"cache-control", b"no-store"),
        ]
        await answer(send, 204, [*said, *COMMON])

    def _cache_control(self, found: Found) -> bytes:
        who = "public" if self._engine.settings.public_read else "private"
        left = max(0, int(found.record.expires - time.time()))
        return f"{who}, max-age={left}, stale-while-revalidate={_REVALIDATE}, stale-if-error={_ON_ERROR}".encode()


def _key(path: str, text: bytes) -> str | None:
    """Where memory may have the answer: nowhere, where a token has to be looked at first."""
    return None if b"token=" in text else f"{path}?{text.decode('ascii')}"


def _ident(ident: str) -> tuple[bytes, bytes]:
    assert is_ident(ident)
    return IDENT_HEADER.lower().encode(), ident.encode()


class Body:
    """A request's body as it comes, once."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises InvalidInput where it breaks off."""
        while not self.ended:
            event = await self._receive()
            self.ended = not event.get("more_body")
            if event["type"] == "http.disconnect":
                raise InvalidInput("body", "broke off before its end", "all of the picture's bytes")
            if event.get("body"):
                yield event["body"]
