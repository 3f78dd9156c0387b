"""One request and its answer, as ASGI has them; with `http.response.zerocopysend` for files."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Protocol

from mezzotint.front.access import AccessLog
from mezzotint.front.clock import date_line
from mezzotint.front.outgoing import Outgoing
from mezzotint.front.sending import send_file
from mezzotint.front.spelling import spelled

log = logging.getLogger(__name__)
Event = MutableMapping[str, Any]
App = Callable[[Event, Callable[[], Awaitable[Event]], Callable[[Event], Awaitable[None]]], Awaitable[None]]

HIGH = 64 << 10
"""bytes of a body that wait for the application before no more is read"""
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_EXTENSIONS: dict[str, Any] = {"http.response.zerocopysend": {}}
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_BODILESS = {204, 304}
_BROKEN = b'{"type": "about:blank", "title": "Internal Server Error", "status": 500}'


class Line(Protocol):
    """The connection that an exchange has."""

    loop: asyncio.AbstractEventLoop
    out: Outgoing
    log: AccessLog | None

    def update_reading(self) -> None:
        """The application waits for more of the body, or has taken what there was."""

    def answered(self, exchange: Exchange) -> None: ...

    def cut(self) -> None: ...


class Exchange:
    def __init__(self, line: Line, head: Event, *, keep_alive: bool, expects_continue: bool) -> None:
        self._line, self._head = line, head
        self.keep_alive, self._expects_continue = keep_alive, expects_continue
        self.body = bytearray()
        self.received = 0
        self.whole = False
        """all of the request's body is here"""
        self.gone = False
        """the client is"""
        self.waits = False
        """the application does, for the body"""
        self.started = self.complete = False
        self._news = asyncio.Event()
        self._told_end = self._bodiless = False
        self._pending: bytes | None = None
        self._left: int | None = None
        """bytes of the answer that are still to come; None where nobody knows"""
        self._chunked = False
        self._begun_at = time.monotonic()
        self._status, self._sent, self._name = 499, 0, ""
        """for the access log; 499, as nginx says, where the client has gone before there was an answer"""

    def scope(self) -> Event:
        return {"type": "http", "asgi": _ASGI, "root_path": "", "extensions": _EXTENSIONS, **self._head}

    @property
    def framing(self) -> bytes:
        """The headers that say how long the request's body is, if it has one."""
        names = {b"content-length", b"transfer-encoding"}
        return b"".join(b"%b: %b\r\n" % pair for pair in self._head["headers"] if pair[0] in names)

    @property
    def has_body(self) -> bool:
        return bool(self.framing)

    def feed(self, data: bytes) -> None:
        self.received += len(data)
        if not self.complete:
            self.body += data
            self._news.set()

    def end(self) -> None:
        self.whole = True
        self._news.set()

    def lose(self) -> None:
        self.gone = True
        self._news.set()

    async def run(self, app: App) -> None:
        try:
            await app(self.scope(), self.receive, self.send)
        except asyncio.CancelledError:
            self._line.cut()
            raise
        except Exception:
            log.exception("a request could not be answered")
            await self._broken()
        else:
            if not self.complete and not self.gone:
                log.error("a request was not answered to its end")
                await self._broken()
        finally:
            if self._line.log is not None:
                self._log(self._line.log)

    def _log(self, access: AccessLog) -> None:
        head = self._head
        target = head["raw_path"] + (b"?" + head["query_string"] if head["query_string"] else b"")
        line = head["method"], target.decode("latin-1"), f"HTTP/{head['http_version']}"
        seconds = time.monotonic() - self._begun_at
        access.answered(head["client"][0], line, dict(head["headers"]), self._status, self._sent, seconds, self._name)

    async def _broken(self) -> None:
        if self.complete or self.gone:
            return
        if self.started:
            self._line.cut()
            return
        self.keep_alive = False
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(_BROKEN))]
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": _BROKEN})

    async def receive(self) -> Event:
        if self._expects_continue and not self.started and not self.gone:
            self._expects_continue = False
            self._line.out.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not (self.body or self.whole or self.gone or self.complete):
            self.waits = True
            self._line.update_reading()
            self._news.clear()
            await self._news.wait()
        self.waits = False
        if self.complete or (self.gone and not self.whole) or (self.whole and self._told_end):
            return await self._disconnect()
        body, self.body = bytes(self.body), bytearray()
        self._told_end = self.whole
        self._line.update_reading()
        return {"type": "http.request", "body": body, "more_body": not self.whole}

    async def _disconnect(self) -> Event:
        while not (self.gone or self.complete):
            self._news.clear()
            await self._news.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: Event) -> None:
        await self._line.out.writable()
        if self.gone or self.complete:
            return
        if event["type"] == "http.response.start":
            self._start(event["status"], event.get("headers", ()))
        elif event["type"] == "http.response.body":
            self._send_body(event.get("body", b""), bool(event.get("more_body")))
        elif event["type"] == "http.response.zerocopysend":
            await self._send_file(event["file"], event["offset"], event["count"])
        else:
            raise RuntimeError(f"there is no {event['type']}")

    def _start(self, status: int, headers: Any) -> None:
        if self.started:
            raise RuntimeError("an answer has been begun already")
        self.started, self._status = True, status
        parts = [STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()]
        for name, value in headers:
            name = name.lower()
            if b"\n" in value or b"\r" in value or b"\0" in value:
                raise RuntimeError(f"the header {name!r} has a line break")
            if name == b"x-request-id":
                self._name = value.decode("latin-1")
            if name == b"content-length":
                self._left = int(value)
            elif name == b"connection":
                self.keep_alive = self.keep_alive and value != b"close"
                continue
            parts += (spelled(name), b": ", value, b"\r\n")
        self._bodiless = self._head["method"] == "HEAD" or status in _BODILESS
        if self._bodiless:
            self._left = 0
        self._pending = b"".join(parts)

    def _begun(self, whole: int | None) -> bytes:
        """The head, once, when it is known how the body goes out: `whole` is its length if all of it is at hand."""
        if self._pending is None:
            return b""
        head, self._pending = self._pending, None
        if self._left is None and whole is not None:
            self._left = whole
            head += b"Content-Length: %d\r\n" % whole
        elif self._left is None and self._head["http_version"] == "1.0":
            self.keep_alive = False
        elif self._left is None:
            self._chunked = True
            head += b"Transfer-Encoding: chunked\r\n"
        if not self.whole:
            self.keep_alive = False  # what is left of the request's body is not read as a request
        return head + date_line() + (b"\r\n" if self.keep_alive else b"Connection: close\r\n\r\n")

    def _send_body(self, body: bytes, more: bool) -> None:
        if not self.started:
            raise RuntimeError("an answer begins with its head")
        body = b"" if self._bodiless else body
        head = self._begun(None if more else len(body))
        self._count(len(body))
        if self._chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body += b"" if more else b"0\r\n\r\n"
        if head or body:
            self._line.out.write(head, body)
        if not more:
            self._finish()

    async def _send_file(self, file: int, offset: int, count: int) -> None:
        """Past the transport, which has nothing of its own to send then."""
        head = self._begun(count)
        self._count(count)
        await self._line.out.drained()
        if self.gone or self._line.out.transport.is_closing():
            self._line.cut()
            return
        own = socket.socket(fileno=os.dup(self._line.out.transport.get_extra_info("socket").fileno()))
        try:
            async for sent in send_file(own, head, file, offset, count, lambda: self._until_writable(own)):
                self._line.out.count(sent)
                if self.gone:
                    return
        except ConnectionError:
            self._line.cut()
        finally:
            own.close()
        if not self.gone:
            self._finish()

    async def _until_writable(self, own: socket.socket) -> bool:
        if self.gone:  # `lose` may have been while something else was waited for
            return False
        self._line.out.elsewhere = True
        self._line.loop.add_writer(own, self._news.set)
        try:
            self._news.clear()
            await self._news.wait()  # `lose` sets it too
        finally:
            self._line.loop.remove_writer(own)
            self._line.out.elsewhere = False
        return not self.gone

    def _count(self, size: int) -> None:
        self._sent += size
        if self._left is not None:
            if size > self._left:
                raise RuntimeError("an answer is longer than its Content-Length")
            self._left -= size

    def _finish(self) -> None:
        if self._left:
            raise RuntimeError("an answer is shorter than its Content-Length")
        self.complete = True
        self._news.set()
        self._line.answered(self)
