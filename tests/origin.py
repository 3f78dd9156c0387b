"""An origin on loopback that gives out pictures, counts who asks, and misbehaves where it is asked to.

Its hosts are 127.0.0.1, 127.0.1.1 and so on: to whoever limits or counts by host they are different ones.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.waiting import PATIENCE, until, until_async

Headers = dict[str, str]


@dataclass
class Asked:
    """A request as the origin sees it. Header names are in lower case."""

    host: str
    path: str
    headers: Headers
    at: float
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer. `content_type` is the header Content-Type."""
        lines = [f"HTTP/1.1 {status} Said"]
        given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        given.setdefault("content-length", str(len(body)))
        lines += [f"{name}: {value}" for name, value in given.items()]
        self.writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        await self.writer.drain()

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Hang up at once, with RST where the kernel still has something to send."""
        self.writer.transport.abort()


Answer = Callable[[Asked], Awaitable[None]]


@dataclass
class Origin:
    """`answers` maps a path to what is done when it is asked for; other paths are 404.

    Everything that is counted may be read while it runs: `asked` by path, `most` requests and `most_connections` at
    once by host.
    """

    hosts: tuple[str, ...] = ("127.0.0.1",)
    answers: dict[str, Answer] = field(default_factory=dict)
    default: Answer | None = None
    asked: Counter[str] = field(default_factory=Counter)
    seen: list[Asked] = field(default_factory=list)
    now: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    connections: Counter[str] = field(default_factory=Counter)
    most_connections: Counter[str] = field(default_factory=Counter)
    port: int = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def picture(self, path: str, body: bytes, status: int = 200, delay: float = 0.0, **headers: str) -> str:
        """Give out `body` at `path`, after `delay` seconds; returns its URL."""

        async def answer(asked: Asked) -> None:
            if delay:
                await asyncio.sleep(delay)
            await asked.send(status, body, **({"content_type": "image/jpeg"} | headers))

        self.answers[path] = answer
        return self.url(path)

    def holding(self, path: str) -> threading.Event:
        """Keep the answers at `path` back until what is returned is set."""
        held, answer = threading.Event(), self.answers[path]

        async def later(asked: Asked) -> None:
            await until_async(held.is_set)
            await answer(asked)

        self.answers[path] = later
        return held

    def settle(self) -> None:
        """Back when all that was sent until now has been read, and counted: by clients that are gone as well."""
        until(lambda: not self._unread())
        for _ in range(3):  # what was read is parsed, and then counted, in the loop's next rounds
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop).result(PATIENCE)

    def _unread(self) -> bool:
        """Whether the kernel still has connections or bytes for it (proc(5), /proc/net/tcp: rx_queue)."""
        with open("/proc/net/tcp") as table:
            rows = [line.split() for line in table][1:]
        return any(
            int(row[1].rpartition(":")[2], 16) == self.port and int(row[4].rpartition(":")[2], 16) for row in rows
        )

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="origin", daemon=True)
        self._thread.start()
        self._servers = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(PATIENCE)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def _listen(self) -> list[asyncio.Server]:
        servers = []
        for host in self.hosts:
            servers.append(await asyncio.start_server(self._serve, host, self.port, backlog=2048))
            self.port = servers[0].sockets[0].getsockname()[1]
        return servers

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = writer.get_extra_info("sockname")[0]
        self.connections[host] += 1
        self.most_connections[host] = max(self.most_connections[host], self.connections[host])
        try:
            while (asked := await self._read(reader, writer, host)) is not None:
                with self._counted(host):
                    await (self.answers.get(asked.path) or self.default or _lacks)(asked)
                if asked.headers.get("connection") == "close" or writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.connections[host] -= 1
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> Asked | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        asked = Asked(host, first.split(" ")[1], headers, time.monotonic(), reader, writer)
        self.asked[asked.path] += 1
        self.seen.append(asked)
        return asked

    @contextmanager
    def _counted(self, host: str) -> Iterator[None]:
        self.now[host] += 1
        self.most[host] = max(self.most[host], self.now[host])
        try:
            yield
        finally:
            self.now[host] -= 1


async def _lacks(asked: Asked) -> None:
    await asked.send(404)
