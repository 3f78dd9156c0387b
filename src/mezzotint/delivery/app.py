"""The ASGI application that gives out pictures."""

from __future__ import annotations

import asyncio
import json
from typing import Protocol
from urllib.parse import parse_qs

from mezzotint import __version__, tokens
from mezzotint.delivery import coverart
from mezzotint.delivery.answers import Receive, Scope, Send, answer, answer_problem, drain, headers
from mezzotint.delivery.images import PREFIX, Images
from mezzotint.delivery.metrics import exposition
from mezzotint.delivery.network import Network
from mezzotint.delivery.remote import CLONE, GET, Body, RemoteDoor
from mezzotint.delivery.remote import PATHS as REMOTE
from mezzotint.delivery.sending import Request, nginx_word
from mezzotint.errors import MezzotintError, Unauthorized
from mezzotint.wiring import Engine

PATHS = frozenset({"/health", "/metrics"}) | REMOTE
_AUTO = ".auto"
_METHODS = {"GET", "HEAD", "OPTIONS"}
_TALLY_SECONDS = 1.0


Texts = list[tuple[str, str]]


class Names(Protocol):
    """A request's headers, their names in lower case."""

    def __contains__(self, name: str, /) -> bool: ...

    def get(self, name: str, /) -> str | None: ...


class Delivery:
    """`/images/<name>`, `/get_image` and its like, cover art, `/health`, `/metrics`. Never touches the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._images = Images(engine)
        self._network = Network(engine)
        self._remote = RemoteDoor(engine, self._images, self._network)
        self._covers = coverart.CoverDoor(engine, self._images, self._network)
        self._public = engine.settings.public_read
        self._word = nginx_word(engine.settings.secret_key)

    def takes(self, path: str) -> bool:
        return path.startswith(PREFIX) or path in PATHS or coverart.takes(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        method: str = scope["method"]
        if path == CLONE and method == "POST":
            await self._take_in(scope, receive, send)
        elif coverart.takes(path) and method != "OPTIONS":
            await self._cover(path, method, scope, send)
        elif method not in _METHODS or path == CLONE:
            vary = {"vary": "Accept"} if path.endswith(_AUTO) else {}
            await answer(send, 405, headers(allow="GET, HEAD, OPTIONS", content_length="0", **vary))
        elif method == "OPTIONS":
            allowed = headers(allow="GET, HEAD, OPTIONS", **_PREFLIGHT)
            if coverart.takes(path):  # as the archive has it
                await answer(send, 200, [*allowed, (b"content-length", b"0")])
            else:
                await answer(send, 204, allowed)
        elif path.startswith(PREFIX):
            await self._image(path[len(PREFIX) :], scope, send)
        elif path in REMOTE:
            await self._by_url(path, scope, send)
        elif path == "/health":
            found = {"status": "healthy", "version": __version__, "cache_dir": str(self._engine.cache.directory)}
            await self._small(send, method, "application/json", json.dumps(found).encode())
        else:
            self._images.tally.flush(self._engine.pool.under_way)
            body = await asyncio.to_thread(exposition, self._engine)
            await self._small(send, method, "text/plain; version=0.0.4; charset=utf-8", body)

    def plain_hit(self, path: str, method: str, query: str, headers: Names) -> tuple[Texts, bytes] | None:
        """What is in memory, headers and bytes, for a GET by everybody without conditions: most requests, so it is
        kept short."""
        if query:
            if path != GET or "token=" in query:
                return None
            path = f"{path}?{query}"
        hit = self._images.in_memory(path)
        if hit is None or method != "GET" or not self._public:
            return None
        if "if-none-match" in headers or "range" in headers or "authorization" in headers:
            return None
        if (word := headers.get("x-sendfile-type")) is not None and word == self._word:
            self._images.count_hit(hit)
            return hit.place_text, b""
        if "x-sendfile-lost" in headers:
            return None
        self._images.count_hit(hit)
        return hit.whole_text, hit.data

    async def live(self) -> None:
        """Bring the hot path's counts to Prometheus every second, until it is cancelled; then end what goes on."""
        try:
            while True:
                await asyncio.sleep(_TALLY_SECONDS)
                self._images.tally.flush(self._engine.pool.under_way)
        finally:
            await self._network.close()

    async def _image(self, name: str, scope: Scope, send: Send) -> None:
        request = Request.of(scope)
        try:
            self._authorize(request, scope)
            await self._images.give(name, request, send)
        except MezzotintError as error:
            self._images.tally.answers["error"] += 1
            await answer_problem(send, error, head=request.head, public=self._public, vary=name.endswith(_AUTO))

    async def _cover(self, path: str, method: str, scope: Scope, send: Send) -> None:
        request = Request.of(scope)
        if method not in _METHODS:
            refused = json.dumps({"error": f"{method} is not allowed here"}).encode()
            said = {"allow": "GET, HEAD, OPTIONS", "content_type": "application/json"}
            await answer(send, 405, headers(**said, content_length=str(len(refused))), refused)
            return
        try:
            self._authorize(request, scope)
            await self._covers.give(path, scope, request, send)
        except MezzotintError as error:
            self._images.tally.answers["error"] += 1
            await coverart.answer_error(send, error, head=request.head, public=self._public)

    async def _by_url(self, path: str, scope: Scope, send: Send) -> None:
        request = Request.of(scope)
        try:
            token = self._authorize(request, scope)
            await self._remote.give(path, scope, request, token, send)
        except MezzotintError as error:
            self._images.tally.answers["error"] += 1
            await answer_problem(send, error, head=request.head, public=self._public)

    async def _take_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = Body(receive)
        try:
            await self._remote.take_in(scope, body, self._authorize(Request.of(scope), scope), send)
        except MezzotintError as error:
            if not body.ended:
                await drain(receive)
            await answer_problem(send, error, head=False, public=False)

    def _authorize(self, request: Request, scope: Scope) -> tokens.Token | None:
        """A token that is shown must be good; without one reading is as the settings say."""
        query = scope["query_string"]
        if request.authorization is None and not query and self._public:
            return None
        shown = parse_qs(query.decode("latin-1")).get("token", [None])[0] if query else None
        text = tokens.bearer(request.authorization, shown)
        if text is not None:
            token = tokens.verify(self._engine.settings.secret_key, text)
            token.require(tokens.Scope.READ)
            return token
        if not self._public:
            raise Unauthorized("reading needs a token here")
        return None

    @staticmethod
    async def _small(send: Send, method: str, content_type: str, body: bytes) -> None:
        header_list = headers(content_type=content_type, content_length=str(len(body)), cache_control="no-store")
        await answer(send, 200, header_list, b"" if method == "HEAD" else body)


_PREFLIGHT = {
    "access_control_allow_methods": "GET, HEAD, OPTIONS",
    "access_control_allow_headers": "authorization, range, if-none-match, if-range",
    "access_control_max_age": "86400",
}
