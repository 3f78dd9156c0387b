"""WebP's container."""

from __future__ import annotations

import mmap
import struct


def mended(data: bytes) -> bytes:
    """With the byte that pads its last chunk."""
    return data if check(data) else data + b"\0"


def check(data: mmap.mmap | bytes) -> bool | None:
    """Whether it is as long as it says; None where only the byte that pads the last chunk can be missing."""
    missing = 8 + struct.unpack_from("<I", data, 4)[0] - len(data)
    return True if missing <= 0 else None if missing == 1 else False
