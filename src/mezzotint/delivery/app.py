"""The ASGI application that gives out pictures: a list of doors, and the hot path beside them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from urllib.parse import parse_qs

from mezzotint import tokens
from mezzotint.delivery.answer import Answer
from mezzotint.delivery.coverart import CoverDoor
from mezzotint.delivery.door import Door
from mezzotint.delivery.hosts import Hosts
from mezzotint.delivery.iiif import IiifDoor
from mezzotint.delivery.images import ImageDoor
from mezzotint.delivery.metrics import Tally
from mezzotint.delivery.operations import OperationsDoor
from mezzotint.delivery.pictures import Pictures
from mezzotint.delivery.quick import Access, Quick
from mezzotint.delivery.reach import Reach
from mezzotint.delivery.remote import CloneDoor, RemoteDoor
from mezzotint.delivery.renditions import Renditions
from mezzotint.delivery.request import Receive, Request, Scope
from mezzotint.delivery.respond import Responder, Send, Unsent, nginx_word
from mezzotint.errors import MezzotintError, NotFound, Unauthorized
from mezzotint.wiring import Engine
from mezzotint.wiring.sources import open_sources

_TALLY_SECONDS = 1.0
_COOKIE = re.compile(rf"(?:^|;\s?){tokens.COOKIE}=([A-Za-z0-9_.-]{{1,2000}})(?:;|$)")


class Delivery:
    """Never touches the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tally = Tally()
        self._reach = reach = Reach(engine)
        self._pictures = Pictures(engine, reach, self._tally)
        self._sources = open_sources(engine)
        self.hosts = Hosts(engine.settings)
        self._renditions = Renditions(
            engine.settings, engine.manager, reach, engine.host.shown if engine.settings.private_bytes else None
        )
        self._public, public_bytes = engine.settings.public_read, engine.settings.public_bytes
        self._word = nginx_word(engine.settings.secret_key)
        self.respond = Responder(self._tally, self._word, engine.settings.store_connections).respond
        self._doors: tuple[Door, ...] = (
            ImageDoor(self._pictures, self._renditions, public=public_bytes),
            RemoteDoor(engine, reach, self._pictures, self._renditions, self._sources),
            CoverDoor(engine, self._pictures, self._sources),
            CloneDoor(engine, self._sources),
            IiifDoor(
                self._pictures,
                self._renditions,
                self.hosts,
                engine.manager.largest,
                public=public_bytes,
            ),
            OperationsDoor(engine, self._tally),
        )

    def quick(self, new_id: Callable[[str | None], str]) -> Quick:
        """What answers hits in memory before anything else does."""
        token = self._engine.tokens.verify
        access = Access(self._renditions, self._engine.signer, public=self._public, token=token)
        return Quick(self._pictures, access, self.hosts, word=self._word, new_id=new_id)

    def takes(self, path: str) -> bool:
        return any(door.takes(path) for door in self._doors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        door = next(door for door in self._doors if door.takes(request.path))
        for _ in range(2):
            try:
                await self.respond(await self._answer(door, request), request, send)
                return
            except Unsent as unsent:  # what was found is gone as it is read, or cannot be read
                error = unsent.error
            if not isinstance(error, NotFound):
                break
        await self.respond(self._refused(door, request, error), request, send)

    async def live(self) -> None:
        """Bring the hot path's counts to Prometheus every second, until it is cancelled; then end what goes on."""
        try:
            while True:
                await asyncio.sleep(_TALLY_SECONDS)
                self._tally.flush(self._engine.pool.under_way)
        finally:
            await self._reach.close()
            await self._sources.close()

    async def _answer(self, door: Door, request: Request) -> Answer:
        if request.method == "OPTIONS" and "GET" in door.methods:
            return door.options()
        if request.method not in door.methods:
            return door.not_allowed(request)
        try:
            if not door.open:
                self._admit(request)
            return self._ending(await door.answer(request), request)
        except MezzotintError as error:
            return self._refused(door, request, error)

    def _refused(self, door: Door, request: Request, error: MezzotintError) -> Answer:
        self._tally.refused(error)
        return door.refused(request, error)

    def _admit(self, request: Request) -> None:
        """A token or a signature that is shown must be good; without one reading is as the settings say. What signing
        has added to the query is nobody else's. Raises Unauthorized, Forbidden."""
        request.signed = self._engine.signer.verify(request.target)
        if request.signed is not None:
            request.query = request.signed.address.partition("?")[2].encode("latin-1")
        request.token = self._token(request)
        if request.token is None and request.signed is None and not self._public:
            raise Unauthorized("reading needs a token here, or a signed address")

    def _token(self, request: Request) -> tokens.Token | None:
        shown = parse_qs(request.query.decode("latin-1")).get("token", [None])[0] if request.query else None
        text = tokens.bearer(request.header(b"authorization"), shown)
        if text is None:
            return None if self._engine.settings.public_bytes else self._of_login(request)
        token = self._engine.tokens.verify(text)
        token.require(tokens.Scope.READ)
        return token

    def _of_login(self, request: Request) -> tokens.Token | None:
        """What pages give to who has a login. One that is good no more is none: nobody has shown it on purpose."""
        found = _COOKIE.search(request.header(b"cookie") or "")
        with suppress(Unauthorized):
            return self._engine.tokens.verify(found[1]) if found is not None else None
        return None

    def _ending(self, answer: Answer, request: Request) -> Answer:
        """Kept by nobody for longer than its address is good."""
        if request.signed is None or request.signed.expires is None or answer.freshness is None:
            return answer
        left = request.signed.expires - int(time.time())
        return replace(answer, freshness=answer.freshness.until(left))
