"""JPEG (ITU-T T.81): segments, and what lies between them."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable

Buffer = mmap.mmap | bytes
_SCAN, _END, _PROGRESSIVE = 0xDA, 0xD9, (0xC2, 0xC6, 0xCA, 0xCE)
_APP0, _APP14, _LAST_APP, _COMMENT = 0xE0, 0xEE, 0xEF, 0xFE
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
    missing: set[tuple[int, int]] = set()
    at = 2
    try:
        while True:
            at = _next_marker(data, at)
            marker, body = data[at + 1], at + 4
            at += 2
            if _stands_alone(marker):
                continue
            if marker in _PROGRESSIVE:
                parts = [data[body + 6 + 3 * i] for i in range(data[body + 5])]
                missing = {(part, coefficient) for part in parts for coefficient in range(64)}
            elif marker == _SCAN:
                count = data[body]
                parts = [data[body + 1 + 2 * i] for i in range(count)]
                first, last, bits = data[body + 1 + 2 * count : body + 4 + 2 * count]
                if not bits & 15:
                    missing -= {(part, coefficient) for part in parts for coefficient in range(first, last + 1)}
            at += struct.unpack_from(">H", data, at)[0]
    except (ValueError, IndexError, struct.error):  # the end
        return not missing


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
    return b"".join(_parts(data, lambda marker, body: True))


def bare(data: bytes) -> bytes:
    """The picture alone, to its last coefficient: without what was said of it, and what lies behind it. (JFIF's and
    Adobe's segments say which colours it is of.)"""
    return b"".join(_parts(data, _is_of_the_picture))


def _is_of_the_picture(marker: int, body: bytes) -> bool:
    if marker == _APP0:
        return body.startswith(b"JFIF")
    return marker == _APP14 or not (_APP0 <= marker <= _LAST_APP or marker == _COMMENT)


def _parts(data: bytes, keeps: Callable[[int, bytes], bool]) -> list[bytes]:
    parts, at = [data[:2]], 2
    while True:
        at = _next_marker(data, at)
        marker = data[at + 1]
        if marker == _END:
            return parts
        if _stands_alone(marker):
            parts.append(data[at : at + 2])
            at += 2
            continue
        end = at + 2 + max(2, struct.unpack_from(">H", data, at + 2)[0])
        if keeps(marker, data[at + 4 : end]):
            parts.append(data[at:end])
        at = end
        if marker == _SCAN:
            last = data.rfind(b"\xff\xd9", at)
            return parts + ([data[at : last + 2]] if last != -1 else [data[at:], b"\xff\xd9"])


def continued(data: bytes) -> bytes:
    """Of a picture without an end: with more data of its last scan, which changes nothing where all of that is
    there."""
    whole = mended(data)
    return whole[:-2] + _NOISE + whole[-2:]
