"""One worker: an event loop, a listening socket, and an application with a beginning and an end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import uvloop

from mezzotint.front.connection import Connection, Quick
from mezzotint.front.crowd import Crowd
from mezzotint.front.exchange import App
from mezzotint.front.limits import Limits

_BACKLOG = 2048
_LOOK = 0.01


class Served(Protocol):
    @property
    def app(self) -> App: ...

    @property
    def quick(self) -> Quick: ...

    async def live(self) -> None:
        """What goes on beside requests, until it is cancelled."""

    def close(self) -> None: ...


def work(listening: socket.socket, make: Callable[[], Served], limits: Limits, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way. Who has begun this has to say when that takes too
    long."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(listening, make, limits, ready))


async def _work(
    listening: socket.socket, make: Callable[[], Served], limits: Limits, ready: Callable[[], None]
) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    served, tasks, crowd = make(), set[asyncio.Task[None]](), Crowd(limits, loop)
    living = asyncio.create_task(served.live())
    living.add_done_callback(lambda task: ended.set())  # a worker without what goes on beside requests is none
    server = await loop.create_server(
        lambda: Connection(served.app, served.quick, crowd, limits, tasks), sock=listening, backlog=_BACKLOG
    )
    ready()
    await ended.wait()
    server.close()
    crowd.finish()
    while tasks:
        await asyncio.wait(tasks)
    while len(crowd):  # what is written still has to go out
        await asyncio.sleep(_LOOK)
        crowd.finish()
    living.cancel()
    try:
        with suppress(asyncio.CancelledError):
            await living
    finally:
        await asyncio.to_thread(served.close)
