"""`serve`'s own process: it forks workers, has others in the place of those that die, and ends with all of them."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

log = logging.getLogger(__name__)
_HEARD = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
_PR_SET_PDEATHSIG = 1
_BEGINNINGS, _WITHIN = 4, 60.0
"""so many that ended before they were ready, in so many seconds, are too many"""
_AGAIN = 1.0
"""seconds until a worker that this host had no room for is tried anew"""

Work = Callable[[socket.socket, Callable[[], None]], None]
"""what a worker does with its socket, and what it calls once it is ready"""


def listen(host: str, port: int, count: int) -> list[socket.socket]:
    """A socket for each worker, all of one address: the kernel spreads connections over them. They are held by who
    forks, so that what waits at one whose worker has died is answered by the next. Raises OSError."""
    sockets: list[socket.socket] = []
    try:
        for _ in range(count):
            one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            sockets.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if count > 1:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind((host, port))
            port = one.getsockname()[1]
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


class Workers:
    """`finish` and `patience`: the seconds that workers have to end in by SIGTERM, and by Ctrl-C."""

    def __init__(self, sockets: list[socket.socket], work: Work, *, finish: float, patience: float) -> None:
        self._sockets, self._work = sockets, work
        self._finish, self._patience = finish, patience
        self._running: dict[int, int] = {}
        """pid: number"""
        self._readiness: dict[int, int] = {}
        """pid: the end of a pipe at which it says that it is ready"""
        self._failed: deque[float] = deque(maxlen=_BEGINNINGS)

    def run(self) -> int:
        """Until SIGTERM or SIGINT; the exit status."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
        try:
            for number in range(len(self._sockets)):
                self._begin(number, before)
            while True:
                heard = signal.sigwait(_HEARD)
                if heard != signal.SIGCHLD:
                    self._end(self._finish if heard == signal.SIGTERM else self._patience)
                    return 0
                ended = self._ended()
                gives_up = [self._gives_up(pid) for pid, _ in ended]
                if any(gives_up):
                    log.error("workers end before they are ready, again and again")
                    self._end(self._patience)
                    return 1
                for _, number in ended:
                    self._begin_at_last(number, before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _begin(self, number: int, mask: set[int | signal.Signals]) -> None:
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if pid:
            os.close(writing)
            self._running[pid], self._readiness[pid] = number, reading
            return
        status = 1
        try:
            _end_with(parent)
            os.close(reading)
            for other, one in enumerate(self._sockets):
                if other != number:
                    one.close()
            for descriptor in self._readiness.values():
                os.close(descriptor)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self._work(self._sockets[number], lambda: _say_ready(writing))
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except KeyboardInterrupt:
            status = 130
        except BaseException:
            log.exception("a worker could not go on")
        finally:
            _leave(status)

    def _begin_at_last(self, number: int, mask: set[int | signal.Signals]) -> None:
        """The others serve on where this host has no room for another process at the moment."""
        while True:
            try:
                self._begin(number, mask)
                return
            except OSError as error:
                log.error("a worker cannot be begun: %s", error.strerror)
                heard = signal.sigtimedwait({signal.SIGTERM, signal.SIGINT}, _AGAIN)
                if heard is not None:  # it is heard once more where it is waited for
                    os.kill(os.getpid(), heard.si_signo)
                    return

    def _ended(self) -> list[tuple[int, int]]:
        """Those that have, with their numbers; several may have ended by the time one signal is heard."""
        found = []
        with suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                if pid in self._running:
                    found.append((pid, self._running.pop(pid)))
        return found

    def _gives_up(self, pid: int) -> bool:
        descriptor = self._readiness.pop(pid)
        was_ready = bool(os.read(descriptor, 1))
        os.close(descriptor)
        if was_ready:
            return False
        now = time.monotonic()
        self._failed.append(now)
        return len(self._failed) == _BEGINNINGS and now - self._failed[0] < _WITHIN

    def _end(self, seconds: float) -> None:
        """Of those that are not gone by then nothing is left; nor where it is asked for a second time."""
        for one in self._sockets:
            one.close()
        self._tell(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self._running and (left := deadline - time.monotonic()) > 0:
            heard = signal.sigtimedwait(_HEARD, left)
            if heard is not None and heard.si_signo != signal.SIGCHLD:
                break
            self._ended()
        self._tell(signal.SIGKILL)
        for pid in self._running:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        for descriptor in self._readiness.values():
            os.close(descriptor)

    def _tell(self, number: int) -> None:
        for pid in self._running:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _end_with(parent: int) -> None:
    """Where `serve` itself was killed its workers would serve for ever, and hold the port (prctl(2))."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _say_ready(writing: int) -> None:
    os.write(writing, b"1")
    os.close(writing)


def _leave(status: int) -> None:
    """Without what the process that it was forked from would do at its end."""
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
