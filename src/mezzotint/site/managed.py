"""Requests that Django answers: how many at once, and for how long."""

from __future__ import annotations

import asyncio
import os
from email.message import Message
from typing import IO, Any

from django.core.handlers.asgi import ASGIHandler
from rest_framework.permissions import SAFE_METHODS

from mezzotint.errors import Busy, InvalidInput, StoreUnavailable
from mezzotint.host.lanes import unheeded
from mezzotint.repository.api.problems import plain

_END = 4096
"""How much of a form's end may stand behind its closing boundary."""
_LOOKS = ("/ready", "/api/status/")
"""what is asked for to see whether all is well; never late, and with room of its own"""
_LOOK, _READ = 3.0, 60.0
"""seconds"""


class Room:
    """For so many at once. Of one event loop."""

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size, self._inside = name, size, 0

    def enter(self) -> bool:
        if self._inside >= self.size:
            return False
        self._inside += 1
        return True

    def leave(self) -> None:
        self._inside -= 1


class Managed(ASGIHandler):
    """Django, told how long a body is that came without its length (chunked), and with a bound on what goes on at once:
    where the database or the store hangs, what waits for it neither piles up nor takes the rest along."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = {path: Room(path, 4) for path in _LOOKS}
        self._reading, self._writing = Room("reading", 32), Room("writing", 32)

    async def run_get_response(self, request: Any) -> Any:
        if (room := self._looks.get(request.path)) is not None:
            return await self._within(request, room, _LOOK)
        if request.method in SAFE_METHODS:
            return await self._within(request, self._reading, _READ)
        return await self._within(request, self._writing, None)

    async def _within(self, request: Any, room: Room, seconds: float | None) -> Any:
        """A thread that is late, or whose client has gone, goes on to its end, and counts until then."""
        if not room.enter():
            return plain(Busy(f"{room.size} {room.name} requests are going on here already"))
        work = asyncio.ensure_future(super().run_get_response(request))
        work.add_done_callback(lambda done: room.leave())
        unheeded(work)
        try:
            return await asyncio.wait_for(asyncio.shield(work), seconds)
        except TimeoutError:
            return plain(StoreUnavailable(f"the database does not answer within {seconds:g} s"))

    def create_request(self, scope: Any, body_file: IO[bytes]) -> Any:
        headers = dict(scope["headers"])
        if b"content-length" not in headers:
            length = body_file.seek(0, os.SEEK_END)
            content_type = headers.get(b"content-type", b"").decode("latin-1")
            if content_type.startswith("multipart/"):
                _check_closed(body_file, length, content_type)
            body_file.seek(0)
            scope = dict(scope, headers=[*scope["headers"], (b"content-length", b"%d" % length)])
        return super().create_request(scope, body_file)


def _check_closed(body: IO[bytes], length: int, content_type: str) -> None:
    """A form of unknown length that broke off is told by its missing end (RFC 2046 section 5.1.1)."""
    message = Message()
    message["content-type"] = content_type
    boundary = str(message.get_param("boundary", "")).encode("latin-1", "replace")
    body.seek(max(0, length - _END))
    if b"--" + boundary + b"--" not in body.read():
        raise InvalidInput("body", "broke off before its end", "a form's closing boundary")
