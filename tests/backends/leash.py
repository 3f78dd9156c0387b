"""`python leash.py OWNER SIGNAL USER LOG REMOVE COMMAND...`: run a server exactly as long as process OWNER lives.

Prints its own process id and the server's, then goes on in the background. When it gets SIGTERM or the owner ends,
however it ends, the server gets SIGNAL (and SIGKILL when that did not help within ten seconds), and the directory
REMOVE goes, if one is given. When the server ends by itself, or is killed, the leash just ends. When the leash itself
is killed, the kernel sends SIGNAL to the server. So nothing outlives a test run, not even one ended by `kill -9`.

A program and not a function because a server that several pytest workers share must not be a child of one of them.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1
_SECONDS = 10


class _Told(Exception):
    """SIGTERM came."""


def _told(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Told


def _start(command: list[str], user: str, log: str, stop_signal: int) -> subprocess.Popen[bytes]:
    kernel = ctypes.CDLL(None)
    group = pwd.getpwnam(user).pw_gid if user else None
    with open(log, "ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
            user=user or None,
            group=group,
            extra_groups=None if group is None else [group],
            preexec_fn=lambda: kernel.prctl(_PR_SET_PDEATHSIG, stop_signal),
        )


def _stop(server: subprocess.Popen[bytes], stop_signal: int) -> None:
    for number in (stop_signal, signal.SIGCONT):
        server.send_signal(number)
    try:
        server.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def main() -> None:
    owner_pid, signal_number, user, log, remove, *command = sys.argv[1:]
    owner, stop_signal = os.pidfd_open(int(owner_pid)), int(signal_number)
    if os.fork():
        os._exit(0)
    os.setsid()
    signal.signal(signal.SIGTERM, _told)
    server = _start(command, user, log, stop_signal)
    try:
        os.write(1, f"{os.getpid()} {server.pid}".encode())
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(nothing, standard)
        ended = os.pidfd_open(server.pid)
        watch = select.poll()
        for process in (owner, ended):
            watch.register(process, select.POLLIN)
        if ended in dict(watch.poll()):
            server.wait()
            return
    except _Told:
        pass
    _stop(server, stop_signal)
    if remove:
        shutil.rmtree(remove, ignore_errors=True)


if __name__ == "__main__":
    main()
