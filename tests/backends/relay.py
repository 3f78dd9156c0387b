"""A relay between Mezzotint and a server (Swift, S3, PostgreSQL, Redis), which is a bad network.

    with Relay(port) as relay:             # passes everything on, until it is told otherwise
        relay.black()                      # what is sent gets nowhere, and nobody is told; new connections too
        relay.clear()                      # what waited goes on
        relay.reset()                      # every connection there is ends with RST
    with Relay(port, Weather(reset=0.01, delay=0.1), seed=7) as relay: ...

By chance, for each piece that is passed on: `delay` it, `reset` the connection, `truncate` the answer there, `drop` it
(the connection goes black for good), or, where it begins a request of HTTP, have it `fail` with 500 or 503.
`relay.struck` counts what was done: a run without has shown nothing.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.waiting import PATIENCE

_PIECE = 64 << 10
_LONGEST = 0.3
"""seconds"""
_METHODS = (b"GET ", b"PUT ", b"HEAD ", b"POST ", b"COPY ", b"DELETE ")


@dataclass(frozen=True)
class Weather:
    """Chances, each from 0 to 1."""

    delay: float = 0.0
    reset: float = 0.0
    truncate: float = 0.0
    drop: float = 0.0
    fail: float = 0.0


class Relay:
    def __init__(self, port: int, weather: Weather = Weather(), seed: int = 0) -> None:
        self._upstream, self.weather, self._random = port, weather, random.Random(seed)
        self.struck: Counter[str] = Counter()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._clear: asyncio.Event
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._listening = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(PATIENCE)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def black(self) -> None:
        self._loop.call_soon_threadsafe(self._clear.clear)

    def clear(self) -> None:
        self._loop.call_soon_threadsafe(self._clear.set)

    def reset(self) -> None:
        self._loop.call_soon_threadsafe(self._reset_all)

    def _reset_all(self) -> None:
        for writer in self._writers:
            _reset(writer)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._clear, self._end = asyncio.Event(), asyncio.Event()
        self._clear.set()
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._end.wait()
        server.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            answers, there = await asyncio.open_connection("127.0.0.1", self._upstream)
            ends = [
                asyncio.ensure_future(self._one_way(reader, there, writer, asking=True)),
                asyncio.ensure_future(self._one_way(answers, writer, writer, asking=False)),
            ]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
        except (OSError, asyncio.CancelledError):
            pass  # nobody is there any more, or the relay ends
        finally:
            self._writers.discard(writer)
            for one in (writer, there):
                if one is not None:
                    one.close()

    async def _one_way(
        self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, client: asyncio.StreamWriter, *, asking: bool
    ) -> None:
        while piece := await reader.read(_PIECE):
            await self._clear.wait()
            chance, struck = self._random.random, self.struck
            if chance() < self.weather.delay:
                struck["delay"] += 1
                await asyncio.sleep(chance() * _LONGEST)
            if chance() < self.weather.drop:
                struck["drop"] += 1
                await self._end.wait()
            if chance() < self.weather.reset:
                struck["reset"] += 1
                _reset(client)
                return
            if asking and piece.startswith(_METHODS) and chance() < self.weather.fail:
                struck["fail"] += 1
                status = b"500 Internal Server Error" if chance() < 0.5 else b"503 Service Unavailable"
                client.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await client.drain()
                return
            cut = not asking and chance() < self.weather.truncate
            struck["truncate"] += cut
            to.write(piece[: len(piece) // 2] if cut else piece)
            await to.drain()
            if cut:
                return


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closed with data that nobody waits for: the other end gets RST."""
    own = writer.get_extra_info("socket")
    if own is not None and own.fileno() != -1:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
