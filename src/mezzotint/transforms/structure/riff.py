"""WebP's container."""

from __future__ import annotations

import mmap
import struct

Buffer = mmap.mmap | bytes
_MOST = 100_000
"""chunks that are looked at"""


def check(data: Buffer) -> bool:
    """Whether it is as long as it says; the byte that pads the last chunk may be missing."""
    missing = 8 + struct.unpack_from("<I", data, 4)[0] - len(data)
    return missing <= 0 or (missing == 1 and _ends_with_an_odd_chunk(data))


def _ends_with_an_odd_chunk(data: Buffer) -> bool:
    at = 12
    for _ in range(_MOST):
        size = struct.unpack_from("<I", data, at + 4)[0]
        if at + 8 + size >= len(data):
            return bool(size % 2 and at + 8 + size == len(data))
        at += 8 + size + size % 2
    return False


def mended(data: bytes) -> bytes:
    """With the byte that pads its last chunk."""
    return data + b"\0" if 8 + struct.unpack_from("<I", data, 4)[0] > len(data) else data
