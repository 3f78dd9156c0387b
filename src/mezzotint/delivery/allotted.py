"""Files of figures that have their room on the disk before anything is written to them.

prometheus-client maps a sparse file into memory. Where the disk is full, writing to a page of it that has no room yet
ends the whole process with SIGBUS (mmap(2)), and every worker that takes its place.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

_ROOM = 256 << 10
"""bytes; some thousand figures, so that it never has to grow"""


class Allotted(MmapedDict):
    """Where there is no room, the figures of this process stay in its own memory, and are in no sum."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        held = None if read_mode or _allot(filename) else os.memfd_create("figures")
        try:
            super().__init__(filename if held is None else f"/proc/self/fd/{held}", read_mode)  # type: ignore[no-untyped-call]
        finally:
            if held is not None:
                os.close(held)  # it lives as long as it is mapped


def install() -> None:
    """To be called before the first figure is made."""
    values.MmapedDict = Allotted  # type: ignore[attr-defined]


def _allot(filename: str) -> bool:
    try:
        with Path(filename).open("ab") as file:
            if not file.tell():
                os.posix_fallocate(file.fileno(), 0, _ROOM)
    except OSError:
        with suppress(OSError):
            Path(filename).unlink()
        return False
    return True
