"""Conditions and ranges of RFC 9110, as pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"\s*([0-9]{0,19})\s*-\s*([0-9]{0,19})\s*")


def not_modified(if_none_match: str | None, etag: str) -> bool:
    """RFC 9110 section 13.1.2: weak comparison, a list, or `*`."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return etag in tags


@dataclass(frozen=True, slots=True)
class ByteRange:
    start: int
    length: int


class Unsatisfiable(Exception):
    """416: the range begins past the end."""


def byte_range(header: str | None, if_range: str | None, etag: str, size: int) -> ByteRange | None:
    """The one range to send, or None for the whole (section 14.2).

    Malformed headers, other units, several ranges and a failed If-Range
    (strong comparison) mean the whole. Raises Unsatisfiable.
    """
    if header is None or (if_range is not None and if_range.strip() != etag):
        return None
    unit, equals, ranges = header.partition("=")
    match = _RANGE.fullmatch(ranges)
    if unit.strip().lower() != "bytes" or not equals or match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        if length == 0:
            raise Unsatisfiable
        return ByteRange(size - length, length)
    start = int(match[1])
    end = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return ByteRange(start, end - start + 1)
