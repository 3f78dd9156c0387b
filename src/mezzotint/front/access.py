"""The access log: a line for each request, on standard output, that no request waits for."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mezzotint.front.tails import read_tail

log = logging.getLogger(__name__)
Headers = list[tuple[bytes, bytes]]
_SECRET = re.compile(
    r"((?:token|signature|%74oken|password|secret)[\w%-]{0,40}?(?:=|%3D))(?:(?!%26)[^&])*", re.IGNORECASE
)
_LOGIN = re.compile(r"(//|%2F%2F)(?:(?!%2F%2F)[^/@])*?(@|%40)", re.IGNORECASE)
"""both take time that grows with the text: none of their parts can begin within another"""
_ESCAPED = re.compile(r"[^ !#-\[\]-~]")
_LONGEST = 1000
"""characters of what a client has sent, as they stand in the line: a line is written at once, or not (pipe(7))"""
_SECONDS, _PATIENCE = 0.5, 3.0
_MOST = 8 << 20
"""bytes that may wait for whoever reads them; what comes beyond is dropped"""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Entry(NamedTuple):
    """What a line says; nothing where a text is empty."""

    client: str
    method: str
    target: str
    version: str
    status: int
    bytes: int
    seconds: float
    referer: str
    agent: str
    request: str


class AccessLog:
    """Of one event loop. `form` is plain (Apache's combined format, then seconds and the request's id) or json."""

    def __init__(self, form: str, loop: asyncio.AbstractEventLoop, descriptor: int = 1) -> None:
        self._line = _json if form == "json" else _plain
        self._loop, self._descriptor = loop, descriptor
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._given = self._taken = 0
        """bytes, each counted by one thread alone"""
        self._timer: asyncio.TimerHandle | None = None
        self._writing = threading.Lock()

    def answered(
        self,
        client: str,
        line: tuple[str, str, str],
        headers: Mapping[bytes, bytes],
        status: int,
        size: int,
        seconds: float,
        request_id: str,
    ) -> None:
        """`line` is method, target and version, all empty where none could be read; `size` the bytes of the body that
        were sent."""
        method, target, version = line
        entry = Entry(
            _quotable(client),
            _quotable(method),
            _discreet(target),
            version,
            status,
            size,
            seconds,
            _discreet(headers.get(b"referer", b"").decode("latin-1")),
            _quotable(headers.get(b"user-agent", b"").decode("latin-1")),
            request_id,
        )
        text = self._line(entry).encode() + b"\n"
        if self._given - self._taken + len(text) > _MOST:
            self._dropped += 1
            return
        self._given += len(text)
        self._lines.append(text)
        if self._timer is None:
            self._timer = self._loop.call_later(_SECONDS, self._flush)

    def answered_at_once(
        self, request: bytes, answer: tuple[bytes, bytes], client: Callable[[Headers], tuple[str, int]]
    ) -> None:
        """Both as they are on the wire; `client` says from the headers who has asked."""
        line, _, _ = request.partition(b"\r\n")
        method, target, version = line.decode("latin-1").split(" ")
        tail = read_tail(request[len(method) + 1 + len(target) :])
        assert tail is not None  # what is not plain is not answered at once
        head, body = answer
        name = head.partition(b"X-Request-Id: ")[2].partition(b"\r\n")[0].decode()
        who = client(list(tail.headers.items()))[0]
        self.answered(who, (method, target, version), tail.headers, int(head[9:12]), len(body), 0.0, name)

    def close(self) -> None:
        """What is there goes out, unless nobody reads it."""
        if self._timer is not None:
            self._timer.cancel()
        self._begin_to_write().join(_PATIENCE)

    def _begin_to_write(self) -> threading.Thread:
        thread = threading.Thread(target=self._write, name="access log", daemon=True)
        thread.start()
        return thread

    def _flush(self) -> None:
        self._timer = None
        if not self._writing.locked():
            self._begin_to_write()
        else:
            self._timer = self._loop.call_later(_SECONDS, self._flush)

    def _write(self) -> None:
        """In a thread: whoever reads may be slow, or have stopped. Lines of several processes do not mix (pipe(7))."""
        with self._writing:
            while self._lines:
                batch = self._lines.popleft()
                while self._lines and len(batch) + len(self._lines[0]) <= select.PIPE_BUF:
                    batch += self._lines.popleft()
                try:
                    written = os.write(self._descriptor, batch)
                except OSError:
                    written = 0
                self._taken += len(batch)
                self._dropped += batch.count(b"\n", written)
            if self._dropped:
                log.warning("%d lines of the access log were dropped", self._dropped)
                self._dropped = 0


def _plain(entry: Entry) -> str:
    now = time.gmtime()
    moment = time.strftime(f"%d/{_MONTHS[now.tm_mon - 1]}/%Y:%H:%M:%S +0000", now)
    said = f"{entry.method} {entry.target} {entry.version}" if entry.method else "-"
    return (
        f'{entry.client or "-"} - - [{moment}] "{said}" {entry.status} {entry.bytes} "{entry.referer or "-"}" '
        f'"{entry.agent or "-"}" {entry.seconds:.6f} {entry.request or "-"}'
    )


def _json(entry: Entry) -> str:
    members = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    members |= entry._replace(seconds=round(entry.seconds, 6))._asdict()
    return json.dumps({name: value for name, value in members.items() if value != ""})


def _discreet(address: str) -> str:
    """Without what opens something."""
    return _quotable(_LOGIN.sub(r"\1-\2", _SECRET.sub(r"\1-", address[: 4 * _LONGEST])))


def _quotable(text: str) -> str:
    """A client cannot end the line, or the quotes, or make it longer than one write takes."""
    return _ESCAPED.sub(lambda match: f"\\x{ord(match[0]):02x}", text[:_LONGEST])[:_LONGEST]
