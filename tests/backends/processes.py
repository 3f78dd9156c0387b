"""Servers as processes on leashes, and where they listen."""

from __future__ import annotations

import fcntl
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.waiting import PATIENCE, until

_LEASH = Path(__file__).with_name("leash.py")
_NEVER_GIVEN_OUT = range(20_000, 32_000)
_RESERVED = Path(tempfile.gettempdir(), "mezzotint-test-ports")
"""a file for each port, locked by whoever has it"""


@dataclass(frozen=True)
class Leashed:
    """A server that ends with the process it was started for. Any process may stop it, not only its starter."""

    leash: int
    server: int

    @classmethod
    def start(
        cls,
        command: list[str],
        *,
        owner: int,
        log: Path,
        stop_signal: int = signal.SIGKILL,
        user: str = "",
        remove: Path | None = None,
    ) -> Self:
        """`user`: who runs it, if not the caller. `remove`: a directory that goes with it."""
        arguments = [str(owner), str(int(stop_signal)), user, str(log), str(remove or ""), *command]
        leash = [sys.executable, "-I", "-S", str(_LEASH), *arguments]
        answer = subprocess.run(leash, check=True, stdout=subprocess.PIPE, text=True, timeout=PATIENCE).stdout
        assert answer, f"{command[0]} could not be started"
        return cls(*map(int, answer.split()))

    def alive(self) -> bool:
        return not self._wait(0)

    def send(self, number: int) -> None:
        os.kill(self.server, number)

    def end(self, number: int, seconds: float = PATIENCE) -> None:
        """Send this signal; back when the server and its leash are gone."""
        self.send(number)
        if not self._wait(seconds):
            raise TimeoutError(f"process {self.server} did not end within {seconds} s of signal {number}")

    def stop(self) -> None:
        """Back when server and leash are gone. Nothing happens if they are already."""
        try:
            os.kill(self.leash, signal.SIGTERM)
        except ProcessLookupError:
            return
        if not self._wait(PATIENCE):
            raise TimeoutError(f"process {self.leash} did not end")

    def _wait(self, seconds: float) -> bool:
        try:
            leash = os.pidfd_open(self.leash)
        except ProcessLookupError:
            return True
        try:
            watch = select.poll()
            watch.register(leash, select.POLLIN)
            return bool(watch.poll(seconds * 1000))
        finally:
            os.close(leash)


def lasting_port() -> int:
    """A free port that stays free while its server is down: one the kernel never gives out by itself, and that nobody
    else who runs tests on this host has.

    A second Swift on a port would not fail but share it, because eventlet listens with SO_REUSEPORT.
    """
    while True:
        port = random.SystemRandom().choice(_NEVER_GIVEN_OUT)
        if _is_free(port) and _reserved(port):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _reserved(port: int) -> bool:
    """Until this process ends."""
    _RESERVED.mkdir(mode=0o777, exist_ok=True)
    descriptor = os.open(_RESERVED / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


def accepts(port: int) -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except OSError:
        return False
    return True


def children(parent: int) -> set[int]:
    """Those that live."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, its_parent = status.read_text().rpartition(")")[2].split()[:2]
            if int(its_parent) == parent and state != "Z":
                found.add(int(status.parent.name))
    return found


def wait_for(ready: Callable[[], bool], process: Leashed, log: Path) -> None:
    """Back when `ready`; an AssertionError with the end of the log when the process ended."""
    try:
        until(lambda: ready() or not process.alive())
        assert process.alive()
    except AssertionError:
        raise AssertionError(f"{log.stem} did not come up:\n{log.read_text(errors='replace')[-4000:]}") from None
