"""How large this machine is, or the part of it that a container has."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory(limits: tuple[Path, ...] = _CGROUPS) -> int:
    """Bytes. A container's limit is read as cgroup 2 and 1 have it (Linux, admin-guide/cgroup-v2.rst, `memory.max`)."""
    least = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in limits:
        with suppress(OSError, ValueError):  # it is not there, or says "max"
            least = min(least, int(path.read_text()))
    return least
