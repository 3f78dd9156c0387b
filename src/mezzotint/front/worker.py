"""One worker: an event loop, a listening socket, and an application with a beginning and an end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import uvloop

from mezzotint.front.access import AccessLog
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


def work(
    listening: socket.socket, make: Callable[[], Served], limits: Limits, ready: Callable[[], None], access: str = "off"
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way. Who has begun this has to say when that takes too
    long. `access` is the form of the access log."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(listening, make, limits, ready, access))


async def _work(
    listening: socket.socket, make: Callable[[], Served], limits: Limits, ready: Callable[[], None], access: str
) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    log = AccessLog(access, loop) if access != "off" else None
    served, tasks, crowd = make(), set[asyncio.Task[None]](), Crowd(limits, loop, log)
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
    if log is not None:
        log.close()
    living.cancel()
    try:
        with suppress(asyncio.CancelledError):
            await living
    finally:
        await asyncio.to_thread(served.close)
