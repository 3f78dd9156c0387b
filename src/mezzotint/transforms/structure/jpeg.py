"""JPEG (ITU-T T.81): segments, and what lies between them."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator

Buffer = mmap.mmap | bytes
_SCAN, _END, _PROGRESSIVE = 0xDA, 0xD9, (0xC2, 0xC6, 0xCA, 0xCE)
_APP0, _APP14, _LAST_APP, _COMMENT = 0xE0, 0xEE, 0xEF, 0xFE
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_USUAL_FRAMES = {0xC0, 0xC1, 0xC2}
_OF_THE_DATA = {0x00, 0xFF, *range(0xD0, 0xD8)}
"""what follows FF inside a scan's data: a stuffed zero, a fill byte, a restart"""
_JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
"""without a thumbnail, and without a resolution on paper"""
_ALL, _MOST_SCANS = (1 << 64) - 1, 1000
_NOISE = bytes(range(1, 251, 7))


def check(data: Buffer) -> bool | None:
    """Whether all segments are there as far as the first scan, and an end; None where there is no end, which leaves
    open whether the picture has one."""
    at = _after_first_scan_header(data)
    if at is None or at > len(data):
        return False
    if data.rfind(b"\xff\xd9", at) != -1:  # from behind: it is the last thing in nearly all files
        return True
    return None if _has_all_scans(data) else False


def _after_first_scan_header(data: Buffer) -> int | None:
    at = 2
    while True:
        at = _next_marker(data, at)
        marker = data[at + 1]
        at += 2
        if _stands_alone(marker):
            continue
        if marker == _END:
            return None
        length: int = struct.unpack_from(">H", data, at)[0]
        if length < 2:
            return None
        at += length
        if marker == _SCAN:
            return at


def _has_all_scans(data: Buffer) -> bool:
    """Of a progressive picture (G.1.1): whether every coefficient of every component comes to its last bit."""
    missing: dict[int, int] = {}
    at, scans = 2, 0
    try:
        while True:
            at = _next_marker(data, at)
            marker, body = data[at + 1], at + 4
            at += 2
            if _stands_alone(marker):
                continue
            (length,) = struct.unpack_from(">H", data, at)
            if marker in _PROGRESSIVE:
                missing = {data[body + 6 + 3 * i]: _ALL for i in range(data[body + 5])}
            elif marker == _SCAN:
                scans += 1
                count = data[body]
                first, last, bits = data[body + 1 + 2 * count : body + 4 + 2 * count]
                if scans > _MOST_SCANS or count > 4 or not first <= last <= 63 or length != 6 + 2 * count:
                    return False
                if not bits & 15:
                    for i in range(count):
                        part = data[body + 1 + 2 * i]
                        missing[part] = missing.get(part, 0) & ~((2 << last) - (1 << first))
            at += length
    except (ValueError, IndexError, struct.error):  # the end
        return not any(missing.values())


def _next_marker(data: Buffer, at: int) -> int:
    """Where the next marker begins: fill bytes (B.1.1.2) and strays are passed over. Raises where there is none."""
    while True:
        at = data.find(b"\xff", at)
        if at == -1:
            raise ValueError("no marker")
        if data[at + 1] not in (0x00, 0xFF):
            return at
        at += 1


def _stands_alone(marker: int) -> bool:
    """RSTn and TEM have no length (B.1.1.3)."""
    return 0xD0 <= marker <= 0xD7 or marker == 0x01


def mended(data: bytes) -> bytes:
    """Without stray bytes between segments, and with an end."""
    parts = [data[:2]]
    for marker, start, end in _segments(data):
        parts.append(data[start:end])
        if marker == _SCAN:
            last = data.rfind(b"\xff\xd9", end)
            parts += [data[end : last + 2]] if last != -1 else [data[end:], b"\xff\xd9"]
            break
    return b"".join(parts)


def bare(data: bytes) -> bytes | None:
    """The picture alone, to its last coefficient: without what is said of it, in whatever segment, and without what
    lies behind its first end. None for kinds of JPEG that browsers do not show."""
    parts = [data[:2]]
    for marker, start, end in _segments(data):
        if marker in _FRAMES and marker not in _USUAL_FRAMES:
            return None
        if marker == _APP0:
            parts += [_JFIF] if data[start + 4 : end].startswith(b"JFIF\0") else []
        elif marker == _APP14 or not (_APP0 <= marker <= _LAST_APP or marker == _COMMENT):
            parts.append(data[start:end])
        if marker == _SCAN:
            after = _after_data(data, end)
            parts.append(data[end:after])
    return b"".join([*parts, b"\xff\xd9"])


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each up to the end of the picture; a scan's data lies behind its segment."""
    at = 2
    while True:
        at = _next_marker(data, at)
        marker = data[at + 1]
        if marker == _END:
            return
        length = 0 if _stands_alone(marker) else max(2, struct.unpack_from(">H", data, at + 2)[0])
        yield marker, at, at + 2 + length
        at += 2 + length
        if marker == _SCAN:
            at = _after_data(data, at)


def _after_data(data: Buffer, at: int) -> int:
    """Where a scan's data ends: at a marker that is none of its own."""
    while True:
        at = data.find(b"\xff", at)
        if at == -1 or at + 1 >= len(data):
            raise ValueError("no marker")
        if data[at + 1] not in _OF_THE_DATA:
            return at
        at += 2 if data[at + 1] != 0xFF else 1


def continued(data: bytes) -> bytes:
    """Of a picture without an end: with more data of its last scan, which changes nothing where all of that is
    there."""
    whole = mended(data)
    return whole[:-2] + _NOISE + whole[-2:]
