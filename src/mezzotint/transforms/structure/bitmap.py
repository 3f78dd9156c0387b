"""BMP: where its rows end."""

from __future__ import annotations

import mmap
import struct

_UNCOMPRESSED = {0, 3, 6}
"""BI_RGB, BI_BITFIELDS, BI_ALPHABITFIELDS"""


def check(data: mmap.mmap | bytes) -> bool | None:
    """Whether all rows are there; the padding of the last may be missing. None for run lengths, whose rows only
    decoding finds."""
    offset, header = struct.unpack_from("<II", data, 10)
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression not in _UNCOMPRESSED:
        return None
    row = (width * bits + 7) // 8
    stride = (width * bits + 31) // 32 * 4
    return bool(offset + stride * (abs(height) - 1) + row <= len(data))
