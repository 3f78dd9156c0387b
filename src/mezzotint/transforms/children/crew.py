"""So many children, each with one order at a time; started when there is something to do, gone when there was nothing
for a minute."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from mezzotint.errors import DamagedImage, GivenUp, RendererEnded
from mezzotint.transforms.children.confine import ENVIRONMENT
from mezzotint.transforms.stopping import Stop

log = logging.getLogger(__name__)
_PROGRAM = [sys.executable, "-m", "mezzotint.transforms.children.program"]
_TAIL = 2000
_HEAD, _MOST_SAID = 4, 64 << 20
_LOOK_AGAIN, _GRACE = 0.1, 5.0
_SLOWER = 4
"""times its seconds of processor is what an order may take of everybody's time between two words of its child"""


@dataclass(frozen=True, slots=True)
class Order:
    """`do` is one of the program's; `given`: its arguments; `memory` and `seconds` are what it may take."""

    do: str
    given: dict[str, Any] = field(default_factory=dict)
    memory: int | None = None
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    said: dict[str, Any]
    data: bytes


class Crew:
    def __init__(self, size: int) -> None:
        self._places = threading.BoundedSemaphore(size)
        self._idle: list[_Child] = []
        self._lock = threading.Lock()

    def do(self, order: Order, file: int, stop: Stop) -> Reply:
        """Have it done with the file of that descriptor. Raises DamagedImage, GivenUp where it is asked to stop,
        RendererEnded where somebody else ended the child."""
        while not self._places.acquire(timeout=_LOOK_AGAIN):
            stop.check()
        try:
            while True:
                with suppress(_LeftAlready), self._taken() as child:
                    return child.do(order, file, stop)
        finally:
            self._places.release()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.close()

    @contextmanager
    def _taken(self) -> Iterator[_Child]:
        child = self._next()
        try:
            yield child
        except DamagedImage:
            self._give_back(child)
            raise
        except BaseException:
            child.close()
            raise
        else:
            self._give_back(child)

    def _give_back(self, child: _Child) -> None:
        if child.over:
            child.close()
            return
        with self._lock:
            self._idle.append(child)

    def _next(self) -> _Child:
        while True:
            with self._lock:
                child = self._idle.pop() if self._idle else None
            if child is None:
                return _Child()
            if child.lives():
                return child
            child.close()


class _LeftAlready(Exception):
    """It had nothing to do for a minute, and was about to go when the order came."""


class _Child:
    def __init__(self) -> None:
        self.over = self._used = False
        self._socket, theirs = socket.socketpair()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  this program's own
                [*_PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            )

    def lives(self) -> bool:
        return self._process.poll() is None

    def do(self, order: Order, file: int, stop: Stop) -> Reply:
        body = pickle.dumps(order)
        self._socket.settimeout(order.seconds * _SLOWER)
        try:
            with stop.while_stopping(self.kill):
                socket.send_fds(self._socket, [struct.pack(">I", len(body))], [file])
                self._socket.sendall(body)
                (length,) = struct.unpack(">I", self._received(4))
                said: dict[str, Any] = json.loads(self._received(length, _MOST_SAID))
                data = self._received(int(said.pop("bytes", 0)), order.memory or _MOST_SAID)
        except TimeoutError:
            self.kill()
            raise GivenUp(f"this takes longer than {order.seconds * _SLOWER:g} seconds") from None
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
            self.over = True
            raise self._end(order, stop) from None
        self._used = True
        stop.check()
        if "refused" in said:
            raise DamagedImage(said["field"], said["refused"], said.get("limit"))
        return Reply(said, data)

    def kill(self) -> None:
        self.over = True
        self._process.kill()

    def close(self) -> None:
        self.kill()
        self._process.wait()
        self._socket.close()
        self._said.close()

    def _received(self, count: int, most: int = _HEAD) -> bytes:
        """Raises EOFError, and ValueError where a child that nobody trusts says more than it may."""
        if not 0 <= count <= most:
            raise ValueError(f"{count} bytes")
        data = bytearray(count)
        view, at = memoryview(data), 0
        while at < count:
            got = self._socket.recv_into(view[at:])
            if not got:
                raise EOFError
            at += got
        return bytes(data)

    def _end(self, order: Order, stop: Stop) -> Exception:
        """What its end says: of the picture, or of this machine."""
        try:
            status = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:  # it goes on, and says what nobody understands
            self._process.kill()
            self._process.wait()
            return DamagedImage("image", "broke its decoder")
        if stop.error is not None:
            return stop.error
        if status == 0 and self._used:  # one that was started for this order was ended by it
            return _LeftAlready()
        with suppress(OSError, ValueError):
            self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - _TAIL))
            log.warning("a child ended with status %d: %s", status, self._said.read().decode(errors="replace"))
        if -status in {signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT}:
            return RendererEnded("the process that made it was killed")
        if -status == signal.SIGXCPU:
            return GivenUp(f"this takes more than {order.seconds:g} seconds of a processor")
        return DamagedImage("image", "broke its decoder")
