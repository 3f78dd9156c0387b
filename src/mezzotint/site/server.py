"""Granian's own interface (RSGI): hits in memory are answered here, all else by the ASGI application.

A hit is most of what a busy server does; through ASGI it costs a fifth more.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib
import multiprocessing
import os
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

import django
from django.conf import settings
from granian.rsgi import HTTPProtocol, ProtocolClosed, Scope  # type: ignore[attr-defined]

from mezzotint.site.asgi import Site

_ARENA_MAX = -8
_LOOK = 1.0

Pairs = list[tuple[str, str]]


def preload() -> None:
    """Imports what a worker runs, in the process that workers are forked from. Opens nothing, starts no thread."""
    django.setup(set_prefix=False)
    rooms = ("mezzotint.imagecloud.worker", "mezzotint.composites.worker", "mezzotint.repository.upkeep.maintenance")
    for module in ("jwt", *rooms, settings.ROOT_URLCONF):
        importlib.import_module(module)
    gc.freeze()  # the collector would copy pages that all of them share


class Server:
    def __init__(self) -> None:
        _share_arenas()
        self._site = Site()
        self._hit, self._ids = self._site.delivery.plain_hit, self._site.ids
        self._lasting: asyncio.Task[None] | None = None
        begun_by = multiprocessing.parent_process()
        self._parent = begun_by.pid if begun_by is not None else os.getppid()  # it may be gone by now

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._lasting = loop.create_task(self._site.live())
        self._look_for_parent(loop)

    def _look_for_parent(self, loop: asyncio.AbstractEventLoop) -> None:
        """Where `serve` itself was killed its workers would serve for ever, and hold the port."""
        if os.getppid() != self._parent:
            os._exit(1)
        loop.call_later(_LOOK, self._look_for_parent, loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._lasting is not None:
            self._lasting.cancel()
        self._site.close()

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        hit = self._hit(scope.path, scope.method, scope.query_string, scope.headers)
        if hit is not None:
            said, data = hit
            said = [*said, ("x-request-id", self._ids.of(scope.headers.get("x-request-id")))]
            if data:
                protocol.response_bytes(200, said, data)
            else:
                protocol.response_empty(200, said)
        else:
            exchange = _Exchange(scope, protocol)
            await self._site(exchange.scope(), exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer, as ASGI has them."""

    def __init__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        self._scope, self._protocol = scope, protocol
        self._body = protocol.__aiter__()
        self._left: int | None = None
        self._ended = False
        self._start: tuple[int, Pairs] = (500, [])
        self._stream: Any = None

    def scope(self) -> MutableMapping[str, Any]:
        """The request as an ASGI connection scope."""
        scope = self._scope
        headers = [
            (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in scope.headers.items()
        ]
        length = scope.headers.get("content-length")
        self._left = int(length) if length is not None and length.isdecimal() else None
        if scope.authority and "host" not in scope.headers:
            headers.append((b"host", scope.authority.encode("latin-1", "replace")))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": scope.http_version,
            "method": scope.method,
            "scheme": scope.scheme,
            "path": scope.path,
            "raw_path": None,
            "query_string": scope.query_string.encode("latin-1", "replace"),
            "root_path": "",
            "headers": headers,
            "client": _address(scope.client),
            "server": _address(scope.server),
        }

    async def receive(self) -> MutableMapping[str, Any]:
        """The body in pieces, then the client's going away. A body that is shorter than it said has broken off."""
        if self._ended:
            await self._protocol.client_disconnect()
            return {"type": "http.disconnect"}
        try:
            chunk = await anext(self._body)
        except StopAsyncIteration:
            self._ended = True
            if self._left:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": b"", "more_body": False}
        except (ProtocolClosed, OSError, RuntimeError):
            self._ended = True
            return {"type": "http.disconnect"}
        if self._left is not None:
            self._left -= len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(self, event: MutableMapping[str, Any]) -> None:
        if event["type"] == "http.response.start":
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.get("headers", ())]
            self._start = event["status"], headers
            return
        body, more = event.get("body", b""), event.get("more_body", False)
        if self._stream is None and not more:
            self._protocol.response_bytes(*self._start, body)
            return
        if self._stream is None:
            self._stream = self._protocol.response_stream(*self._start)
        if body:
            await self._stream.send_bytes(body)


def _share_arenas() -> None:
    """Have glibc keep two arenas (mallopt(3)), not one for every few threads, each as
    large as the largest render it has seen. Elsewhere than on glibc nothing is done."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 2)


def _address(text: str) -> tuple[str, int | None]:
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdecimal() else (text, None)
