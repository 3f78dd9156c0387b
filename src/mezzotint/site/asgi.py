"""One ASGI application: pictures by `delivery`, static files, and Django for the rest."""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
from typing import IO, Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mezzotint.site.settings")

import django
from django.core.handlers.asgi import ASGIHandler
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from mezzotint import wiring
from mezzotint.delivery import Delivery
from mezzotint.delivery.answers import Receive, Scope, Send, answer_problem
from mezzotint.delivery.metrics import PrometheusObserver
from mezzotint.errors import MezzotintError, StorageFull, TooManyBytes
from mezzotint.files import full_is_told, make_directory

_STATIC = ["django.contrib.admin", "rest_framework", "drf_spectacular_sidecar", "mezzotint.browse"]
_FORM_ROOM = 1 << 20
_DRAINED = 64 << 20
"""What a multipart form may weigh beside the file in it, and how much of a refused body is read, in bytes."""


class _Django(ASGIHandler):
    """Django, told how long a body is that came without its length (chunked)."""

    def create_request(self, scope: Any, body_file: IO[bytes]) -> Any:
        if not any(name == b"content-length" for name, _ in scope["headers"]):
            length = body_file.seek(0, os.SEEK_END)
            body_file.seek(0)
            scope = dict(scope, headers=[*scope["headers"], (b"content-length", b"%d" % length)])
        return super().create_request(scope, body_file)


class Site:
    def __init__(self) -> None:
        self._engine = wiring.engine(PrometheusObserver())
        incoming = self._engine.settings.data / "incoming"
        make_directory(incoming)
        tempfile.tempdir = str(incoming)
        self.delivery = Delivery(self._engine)
        django.setup(set_prefix=False)
        self._django = _Django()
        files = StaticFiles(packages=[(package, "static") for package in _STATIC])
        self._static = Starlette(routes=[Mount("/static", files)])
        self._max_body = self._engine.settings.max_upload + _FORM_ROOM

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self.delivery.takes(scope["path"]):
                await self.delivery(scope, receive, send)
            elif scope["path"].startswith("/static/"):
                await self._static(scope, receive, send)
            else:
                await self._managed(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def live(self) -> None:
        """What goes on as long as the server runs. Cancel it at the end, then `close`."""
        self._engine.housekeeping.start()
        gc.freeze()  # what is there now stays: the collector need not look at it again
        await self.delivery.keep_tally()

    def close(self) -> None:
        wiring.close_engine()

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
        refusal: MezzotintError | None = None
        received = 0

        async def count(event_receive: Receive = receive) -> dict[str, object]:
            nonlocal received, refusal
            event = await event_receive()
            received += len(event.get("body", b""))
            if received > self._max_body:
                refusal = TooManyBytes("body", "is too large", f"{self._max_body} bytes, MEZZOTINT_MAX_UPLOAD")
                return {"type": "http.disconnect"}
            return dict(event)

        async def watch(event: object) -> None:
            nonlocal started
            started = True
            await send(event)  # type: ignore[arg-type]

        try:
            self._check_length(scope)
            with full_is_told("the upload"):
                await self._django(dict(scope), count, watch)
        except (TooManyBytes, StorageFull) as error:
            refusal = error
        if refusal is not None and not started:
            await _drain(receive)
            await answer_problem(send, refusal, head=scope["method"] == "HEAD", public=False)

    def _check_length(self, scope: Scope) -> None:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._max_body:
                raise TooManyBytes("body", "is too large", f"{self._max_body} bytes, MEZZOTINT_MAX_UPLOAD")


async def _drain(receive: Receive) -> None:
    """Read what is still coming, up to a point: who is cut off while sending does not see the answer."""
    left = _DRAINED
    while left > 0:
        event = await receive()
        left -= len(event.get("body", b""))
        if event["type"] == "http.disconnect" or not event.get("more_body"):
            return


app = Site()
