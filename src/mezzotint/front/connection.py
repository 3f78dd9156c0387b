"""HTTP/1.1 on one connection: what is asked, one thing after the other, and how long the client may take for it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools

from mezzotint.front.crowd import Crowd
from mezzotint.front.exchange import HIGH, App, Exchange
from mezzotint.front.heads import BodyReader, Head, Refused, client_of, head_of, refusal
from mezzotint.front.limits import Limits, plain_address
from mezzotint.front.outgoing import Outgoing

Quick = Callable[[bytes], tuple[bytes, bytes] | None]
"""Given what may be a whole request: head and body of its answer at once, or None"""
_AHEAD = 100
"""requests that may wait for the one before"""


class Connection(asyncio.Protocol):
    def __init__(self, app: App, quick: Quick, crowd: Crowd, limits: Limits, tasks: set[asyncio.Task[None]]) -> None:
        self.log = crowd.log
        self._app, self._quick, self._crowd, self._limits, self._tasks = app, quick, crowd, limits, tasks
        self.loop = asyncio.get_running_loop()
        self.transport, self.out = cast(asyncio.Transport, None), cast(Outgoing, None)
        self._peer, self.trusted = ("", 0), False
        self._parser = httptools.HttpRequestParser(self)
        self._current: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._reading: Exchange | None = None
        """whose body comes"""
        self._head: Head | None = None
        """what has begun to come of the next"""
        self._thrown_away = self._around = 0
        self._paused = self._ends = False
        self._lingers = 0.0
        """since when"""
        self._since = time.monotonic()
        """when it began to wait for a request, for the rest of a head, or for the end of what is thrown away"""
        self._body_waited = 0.0
        self._refusal: int | None = None
        """what is still to be said once all that came before is answered"""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.out = Outgoing(self.transport, self._limits)
        host, port = (transport.get_extra_info("peername") or self._peer)[:2]
        self._peer = (plain_address(host), port)
        self.trusted = self._limits.trusts(self.address)
        if not self._crowd.admit(self):
            self._ends = True
            self._write_refusal(503)
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._crowd.leave(self)
        for exchange in self._exchanges:
            exchange.lose()
        self._queue.clear()
        self.out.lose()

    def eof_received(self) -> None:
        """A client that closes its side does not wait: nothing tells it from one that is gone."""
        self._ends = True

    def pause_writing(self) -> None:
        self.out.pause()
        self.update_reading()

    def resume_writing(self) -> None:
        self.out.resume()
        self.update_reading()

    def data_received(self, data: bytes) -> None:
        if self._current is None and not (self._head or self._ends or self._paused):
            answer = self._quick(data)
            if answer is not None:
                self.out.write(*answer)
                self._since = time.monotonic()
                if self.log is not None:
                    self.log.answered_at_once(data, answer, self._client)
                return
        if self._lingers:
            self._thrown_away, self._since = self._thrown_away + len(data), time.monotonic()
            if self._thrown_away > self._limits.linger_bytes:
                self.transport.abort()
        elif self._reading is not None or not self._ends:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        unfinished, reading = self._head, self._reading
        received = reading.received if reading is not None else 0
        if self._reading is None and unfinished is None:
            self._begin_head()
        try:
            self._parser.feed_data(data)
            if unfinished is not None and unfinished is self._head:
                unfinished.has_grown(len(data))
            elif reading is not None and reading is self._reading and reading.received == received:
                self._around += len(data)  # the extensions of a chunk, or trailers
                if self._around > self._limits.head_bytes:
                    raise Refused(431)
        except httptools.HttpParserUpgrade as upgrade:
            self._end_after_this()
            if self._reading is not None:
                self._read_body(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, Refused):
                raise
            self._refuse(cause.status)
        except Refused as refused:
            self._refuse(refused.status)
        except httptools.HttpParserError:
            self._refuse(400)
        self.update_reading()

    def on_message_begin(self) -> None:
        if self._ends:
            raise Refused(400)
        if self._head is None:
            self._begin_head()

    def _begin_head(self) -> Head:
        self._head, self._since = Head(self._limits.head_bytes), time.monotonic()
        return self._head

    def on_url(self, url: bytes) -> None:
        if self._head is not None:
            self._head.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is not None:  # and no trailer
            self._head.add(name, value)

    def on_headers_complete(self) -> None:
        head, self._head = self._head or self._begin_head(), None
        parser, sockname = self._parser, self.transport.get_extra_info("sockname") or ("", 0)
        scope = head_of(parser.get_http_version(), parser.get_method(), head.url, head.headers)
        scope |= {"client": self._client(head.headers), "server": sockname[:2]}
        keep_alive = bool(parser.should_keep_alive()) and scope["http_version"] == "1.1"
        exchange = Exchange(self, scope, keep_alive=keep_alive, expects_continue=head.expects_continue)
        self._reading, self._around = exchange, 0
        if not keep_alive:
            self._end_after_this()
        if self._current is None:
            self._begin(exchange)
        elif len(self._queue) < _AHEAD:
            self._queue.append(exchange)
        else:
            self._reading = None
            raise Refused(503)

    def on_body(self, data: bytes) -> None:
        if self._reading is not None:
            self._reading.feed(data)

    def on_message_complete(self) -> None:
        if self._reading is not None and not (self._parser.should_upgrade() and self._reading.has_body):
            self._reading.end()
            self._reading = None

    def _client(self, headers: list[tuple[bytes, bytes]]) -> tuple[str, int]:
        return client_of(self._peer, headers, self._limits) if self.trusted else self._peer

    def _read_body(self, data: bytes) -> None:
        """Of a request that offers another protocol, where llhttp stops. The offer is not taken up (RFC 9110 section
        7.8), and what follows the body is not read."""
        assert self._reading is not None
        self._parser = httptools.HttpRequestParser(BodyReader(self.on_body, self.on_message_complete))
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + self._reading.framing + b"\r\n")
        self._feed(data)

    def answered(self, exchange: Exchange) -> None:
        self.out.begin()
        self._body_waited, self._current = 0.0, None
        if not exchange.keep_alive:
            self._close(linger=not exchange.whole)
        elif self._queue:
            self._begin(self._queue.popleft())
        elif self._refusal is not None:
            self._refuse(self._refusal)
        else:
            self._since = time.monotonic()
            if self._ends:
                self._close(linger=False)
        self.update_reading()

    def cut(self) -> None:
        self.transport.abort()

    @property
    def address(self) -> str:
        return self._peer[0]

    @property
    def is_idle(self) -> bool:
        return self._current is None and self._head is None and not self.out.is_pending

    def finish(self) -> None:
        self._ends = True
        if self._current is None:
            self.transport.close()
        for exchange in self._exchanges:
            exchange.keep_alive = False

    def tick(self, now: float, seconds: float) -> None:
        limits = self._limits
        if self.out.is_too_slow(seconds):
            self.transport.abort()
        elif self.out.is_pending:
            return
        elif self._lingers:
            if now - self._since > limits.linger_seconds or now - self._lingers > limits.linger_most:
                self.transport.abort()
        elif self._head is not None and not self._paused:
            if now - self._since > limits.head_seconds:
                self._refuse(408)
        elif self._current is None:
            if now - self._since > limits.idle_seconds:
                self.transport.close()
        elif self._current.waits and not self._paused:
            self._body_waited += seconds
            allowed = limits.start_seconds + self._current.received / limits.rate
            if self._body_waited > min(allowed, limits.body_seconds):
                self._refuse(408)

    @property
    def _exchanges(self) -> list[Exchange]:
        return [exchange for exchange in (self._current, *self._queue) if exchange is not None]

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        task = self.loop.create_task(exchange.run(self._app))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _refuse(self, status: int) -> None:
        """By the server itself. What was asked before is answered first; nothing after it is read."""
        broken, self._reading, self._head, self._ends = self._reading, None, None, True
        if broken is not None:
            broken.lose()
            if broken in self._queue:
                self._queue.remove(broken)
            elif broken is self._current:
                self._current = None
                if broken.started:
                    self.cut()
                    return
        if self._current is not None:
            self._refusal = status
            return
        self._write_refusal(status)
        self._close(linger=True)

    def _write_refusal(self, status: int) -> None:
        self.out.write(refusal(status))
        if self.log is not None:
            self.log.answered(self.address, ("", "", ""), {}, status, 0, 0.0, "")

    def _end_after_this(self) -> None:
        self._ends = True
        if self._reading is not None:
            self._reading.keep_alive = False
        elif self._exchanges:
            self._exchanges[-1].keep_alive = False

    def _close(self, *, linger: bool) -> None:
        """Closing while something is still being sent to us would throw away what was written to the client."""
        self._ends = True
        if not linger or not self.transport.can_write_eof():
            self.transport.close()
            return
        self._lingers = self._since = time.monotonic()
        self._reading = None
        self.transport.write_eof()
        self.update_reading()

    def update_reading(self) -> None:
        """Read on only as fast as it is used up."""
        full = self._reading is not None and len(self._reading.body) > HIGH
        pause = not self._lingers and (bool(self._queue) or full or not self.out.is_writable)
        if pause != self._paused and not self.transport.is_closing():
            self._paused = pause
            if pause:
                self.transport.pause_reading()
            else:
                self._since = time.monotonic()
                self.transport.resume_reading()
