"""The server by itself, on loopback, with an application of a few lines, and clients that write what they like."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvloop

from mezzotint.front.connection import Connection, Quick
from mezzotint.front.crowd import Crowd
from mezzotint.front.limits import Limits
from tests.waiting import PATIENCE

LOOPBACK = "127.0.0.1"
HOST = b"Host: here\r\n"
CLOSE = b"Connection: close\r\n"
UPGRADES = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
]


@dataclass
class Front:
    port: int
    crowd: Crowd
    tasks: set[asyncio.Task[None]]

    async def client(self) -> Client:
        return Client(*await asyncio.open_connection(LOOPBACK, self.port))

    async def said(self, data: bytes) -> bytes:
        """All that is said until the server closes."""
        async with await self.client() as client:
            client.write(data)
            return await client.rest()


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.writer.transport.abort()

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def rest(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """One answer with a Content-Length."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")[:-2]
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            return int(first.split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))


@asynccontextmanager
async def serving(app: Any, limits: Limits | None = None, quick: Quick = lambda data: None) -> AsyncIterator[Front]:
    loop = asyncio.get_running_loop()
    limits = limits or Limits()
    crowd, tasks = Crowd(limits, loop), set[asyncio.Task[None]]()
    listening = socket.socket()
    listening.bind((LOOPBACK, 0))
    port = listening.getsockname()[1]
    server = await loop.create_server(lambda: Connection(app, quick, crowd, limits, tasks), sock=listening)
    try:
        yield Front(port, crowd, tasks)
    finally:
        server.close()
        crowd.cut()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def run(work: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())  # type: ignore[arg-type]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Says what was asked, and the body."""
    body = b""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        body += event["body"]
        if not event["more_body"]:
            break
    said = f"{scope['method']} {scope['path']} {scope['query_string'].decode()} ".encode() + body
    await answer(send, said)


async def answer(send: Any, body: bytes, status: int = 200) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def get(path: bytes, *more: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"".join(more) + b"\r\n"


def post(body: bytes, *more: bytes) -> bytes:
    return b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n" % len(body) + b"".join(more) + b"\r\n" + body


def statuses(said: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]
