"""Conditions and ranges of RFC 9110, as pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = re.compile(r"[0-9]{0,19}")


def not_modified(if_none_match: str | None, etag: str) -> bool:
    """RFC 9110 section 13.1.2: weak comparison, a list, or `*`."""
    tags = entity_tags(if_none_match)
    return tags is not None and (etag in tags or "*" in tags)


def entity_tags(if_none_match: str | None) -> frozenset[str] | None:
    """Those that a client has, without the sign of weak ones; `*` by itself stands for all."""
    if if_none_match is None:
        return None
    if if_none_match.strip() == "*":
        return frozenset("*")
    return frozenset(tag.strip().removeprefix("W/") for tag in if_none_match.split(",")) - {"*"}


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
    first, dash, last = (part.strip() for part in ranges.partition("-"))
    if unit.strip().lower() != "bytes" or not (equals and dash and (first or last)):
        return None
    if not (_NUMBER.fullmatch(first) and _NUMBER.fullmatch(last)):
        return None
    if not first:
        length = min(int(last), size)
        if length == 0:
            raise Unsatisfiable
        return ByteRange(size - length, length)
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return ByteRange(start, end - start + 1)
