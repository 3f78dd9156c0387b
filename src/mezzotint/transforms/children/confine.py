"""What a child may do: no network, no other program, no more memory and processor time than it was granted."""

from __future__ import annotations

import ctypes
import platform
import resource
import struct
from contextlib import suppress
from pathlib import Path

ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "FONTCONFIG_PATH")
"""what a child knows of this process's: no secret"""
DESCRIPTORS = 64
FILE_BYTES = 1 << 32

_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE, _END = 0x7FFF0000, 0x00050001, 0x80000000
_ARCHITECTURES = {
    # socket, connect, accept, accept4, bind, listen, socketpair, execve, execveat, ptrace, process_vm_readv and
    # process_vm_writev, kill, io_uring_setup, pidfd_open, pidfd_getfd; from linux/audit.h and the tables of the kernel
    "x86_64": (0xC000003E, (41, 42, 43, 288, 49, 50, 53, 59, 322, 101, 310, 311, 62, 425, 434, 438)),
    "aarch64": (0xC00000B7, (198, 203, 202, 242, 200, 201, 199, 221, 281, 117, 270, 271, 129, 425, 434, 438)),
}
_OTHER_NUMBERS = 0x40000000
"""from which on x86_64 has the same calls under other numbers"""


def no_network() -> bool:
    """Neither sockets nor other programs from here on, for this thread and those that it starts. False where the kernel
    or the machine does not offer that."""
    if platform.machine() not in _ARCHITECTURES:
        return False
    architecture, calls = _ARCHITECTURES[platform.machine()]
    checks = [(_AT_LEAST, _OTHER_NUMBERS), *((_EQUAL, call) for call in calls)]
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _END), (_LOAD, 0, 0, 0)]
    program += [(code, len(checks) - i, 0, number) for i, (code, number) in enumerate(checks)]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_SECCOMP, _FILTER, ctypes.c_void_p(ctypes.addressof(head)), 0, 0) == 0)


def limit_always(memory: int | None = None) -> None:
    """Of a child, for all of its life; `memory` in all, in bytes, where it is the same for all that it does."""
    for what, most in (
        *([(resource.RLIMIT_AS, memory)] if memory is not None else []),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_NOFILE, DESCRIPTORS),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def grant(memory: int | None, seconds: float) -> None:
    """So much more of memory than it has, and of the processor, from now on; then the kernel refuses, or ends it."""
    if memory is not None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        with suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory, hard))
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 1, hard))
