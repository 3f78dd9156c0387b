"""One ASGI application: pictures by `delivery`, static files, and Django for the rest."""

from __future__ import annotations

import asyncio
import gc
import re
import tempfile
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import parse_qs

import django
from django.conf import settings
from django.db import DatabaseError, connections
from django.http.cookie import parse_cookie
from django.utils import timezone
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from mezzotint import tokens, wiring
from mezzotint.delivery import Delivery
from mezzotint.delivery.answer import problem
from mezzotint.delivery.metrics import PrometheusObserver, forget_the_dead
from mezzotint.delivery.request import Receive, Request, Scope
from mezzotint.delivery.respond import Send
from mezzotint.errors import InvalidInput, MezzotintError, TooManyBytes, Unauthorized
from mezzotint.host.files import full_is_told, make_directory
from mezzotint.host.lanes import Lane
from mezzotint.site import prepare, traces
from mezzotint.site.logs import RequestIds
from mezzotint.site.managed import Managed
from mezzotint.tracing import request_id

_COLLECT = 700, 10, 10
"""Python's own thresholds; the program raises them while it starts"""
_STATIC = ["django.contrib.admin", "rest_framework", "drf_spectacular_sidecar", "mezzotint.browse", "mezzotint.desk"]
_COMPOSITES = ("/customers/", "/collections/")
_RESUMED = re.compile(r"/api/sessions/[^/]+/uploads/[^/]+/")
_FORM_ROOM = 1 << 20
"""What a multipart form may weigh beside the file in it, in bytes."""
_STRANGERS = 1 << 20
"""What a body may weigh whose sender shows neither a token nor a login."""


def _may_have_much(headers: dict[bytes, str]) -> bool:
    """Whether the body is, or may turn out to be, more than a stranger may send."""
    length = headers.get(b"content-length", "")
    return int(length) > _STRANGERS if length.isdecimal() else b"transfer-encoding" in headers


def _is_login(cookie: str) -> bool:
    """Whether it names a session that there is: anybody can write a cookie. No, where the database does not answer."""
    from django.contrib.sessions.models import Session

    try:
        key = parse_cookie(cookie).get(settings.SESSION_COOKIE_NAME, "")[:40]
        return bool(key) and Session.objects.filter(session_key=key, expire_date__gt=timezone.now()).exists()
    except (DatabaseError, ValueError):
        return False
    finally:
        connections.close_all()


def _ended_where_it_breaks_off(receive: Receive) -> Receive:
    """What has come of a body is all of it where its client goes away: who sends it goes on from there (tus)."""
    whole = broken = False

    async def ended() -> MutableMapping[str, Any]:
        nonlocal whole, broken
        if broken:
            await asyncio.Event().wait()  # nobody is to be told: the answer goes nowhere
        event = await receive()
        broken = event["type"] == "http.disconnect" and not whole
        whole = whole or not event.get("more_body", False)
        return {"type": "http.request", "body": b"", "more_body": False} if broken else event

    return ended


class Site:
    def __init__(self) -> None:
        self._engine = wiring.engine(PrometheusObserver())
        traces.begin("serve", self._engine.settings.telemetry)
        incoming = self._engine.settings.data / "incoming"
        make_directory(incoming)
        tempfile.tempdir = str(incoming)
        self.delivery, self.ids = Delivery(self._engine), RequestIds()
        django.setup(set_prefix=False)
        self._django = Managed()
        from mezzotint.composites import worker as composites  # these know models, which want Django set up
        from mezzotint.imagecloud import worker as imagecloud
        from mezzotint.repository.upkeep.looking import Looking
        from mezzotint.repository.upkeep.maintenance import Maintenance
        from mezzotint.repository.upkeep.webhooks import Webhooks

        settings = self._engine.settings
        writes = not settings.read_only
        self._background = (
            Maintenance(prepare.again if prepare.late else None),
            *([Looking()] if writes and settings.looks else []),
            *([Webhooks()] if writes and settings.webhook_addresses else []),
            imagecloud.Background(),
            composites.Background(),
        )
        files = StaticFiles(packages=[(package, "static") for package in _STATIC])
        self._static = Starlette(routes=[Mount("/static", files)])
        self._logins = Lane("logins", 2)
        self._max_body = self._engine.settings.max_upload + _FORM_ROOM

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            send = self._named(scope, send)
            with traces.request_span(scope):
                await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = next((value for name, value in scope["headers"] if name == b"host"), None)
        if not self.delivery.hosts.knows(None if host is None else host.decode("latin-1")):
            refusal = InvalidInput("Host", "is a name that this server does not go by", "those of MEZZOTINT_HOSTS")
            await self.delivery.respond(problem(refusal, public=False), Request(scope, receive), send)
        elif self.delivery.takes(scope["path"]):
            await self.delivery(scope, receive, send)
        elif scope["path"].startswith("/static/"):
            await self._static(scope, receive, send)
        else:
            await self._managed(scope, receive, send)

    def _named(self, scope: Scope, send: Send) -> Send:
        """Have the request's id in its log lines and in its answer."""
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        identity = self.ids.of(given.decode("latin-1") if given is not None else None)
        request_id.set(identity)

        async def named(event: MutableMapping[str, Any]) -> None:
            if event["type"] == "http.response.start":
                traces.note_status(event["status"])
                event["headers"] = [*event.get("headers", ()), (b"x-request-id", identity.encode())]
            await send(event)

        return named

    async def live(self) -> None:
        """What goes on as long as the server runs. Cancel it at the end, then `close`."""
        forget_the_dead()
        self._engine.housekeeping.start()
        for one in self._background:
            one.start()
        gc.freeze()  # what is there now stays: the collector need not look at it again
        gc.set_threshold(*_COLLECT)
        await self.delivery.live()

    def close(self) -> None:
        for one in self._background:
            one.stop()
        self._logins.close()
        wiring.close_engine()
        traces.end()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        living = asyncio.create_task(self.live())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        living.cancel()
        await asyncio.to_thread(self.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _managed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Django, with a bound on the body before it is written anywhere."""
        started = False
        if scope["method"] == "PATCH" and _RESUMED.fullmatch(scope["path"]):
            receive = _ended_where_it_breaks_off(receive)
        refusal: MezzotintError | None = None
        received, limit = 0, _STRANGERS

        async def count(event_receive: Receive = receive) -> dict[str, object]:
            nonlocal received, refusal
            event = await event_receive()
            received += len(event.get("body", b""))
            if received > limit:
                refusal = self._too_large(limit)
                return {"type": "http.disconnect"}
            return dict(event)

        async def watch(event: object) -> None:
            nonlocal started
            started = True
            await send(event)  # type: ignore[arg-type]

        try:
            limit = await self._limit(scope)
            with full_is_told("the upload"):
                await self._django(dict(scope), count, watch)
        except MezzotintError as error:
            refusal = error
        if refusal is not None and not started:
            await self.delivery.respond(problem(refusal, public=False), Request(scope, receive), send)

    async def _limit(self, scope: Scope) -> int:
        """The bytes that this body may have: few where its sender is nobody known, as it is written to disk before
        anybody looks at it. Raises what a wrong token deserves."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"].startswith(_COMPOSITES):  # who sends it may be the DLCS's to know
            return self._checked(headers, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        query = parse_qs(scope["query_string"].decode("latin-1")).get("token", [None])[0]
        shown = tokens.bearer(headers.get(b"authorization"), query)
        if shown is not None:
            token = self._engine.tokens.verify(shown)
            known = token.allows(tokens.Scope.WRITE) or token.person is not None
        else:
            known = _may_have_much(headers) and await self._is_known(headers.get(b"cookie", ""))
        return self._checked(headers, self._max_body if known else _STRANGERS)

    async def _is_known(self, cookie: str) -> bool:
        """In threads of its own: where the database hangs, no picture waits for it."""
        return await self._logins.do(_is_login, cookie)

    def _checked(self, headers: dict[bytes, str], limit: int) -> int:
        """`limit`, where the length that the body says it has is within it."""
        length = headers.get(b"content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise self._too_large(limit)
        return limit

    def _too_large(self, limit: int) -> MezzotintError:
        if limit == _STRANGERS:
            return Unauthorized("sending this much needs a token of scope write, or a login")
        setting = ", MEZZOTINT_MAX_UPLOAD" if limit == self._max_body else ""
        return TooManyBytes("body", "is too large", f"{limit} bytes{setting}")
