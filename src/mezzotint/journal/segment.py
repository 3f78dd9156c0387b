"""One committed segment: JSON lines, compressed with Zstandard.

`docs/journal-format.md` is the specification. The first line is the head, one
line for each change follows, and the last line counts them, so that a torn
segment is told from a whole one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import zstandard

from mezzotint.errors import JournalBroken

FORMAT_VERSION = 1
FIRST = "0" * 64
"""what stands for the hash before the first segment"""

Change = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Segment:
    """`previous` is the sha256 of the segment before as it is stored; `at` is ISO 8601 in UTC."""

    seq: int
    transaction: str
    previous: str
    at: str
    by: str
    changes: tuple[Change, ...]
    note: str = ""


def encode(segment: Segment) -> bytes:
    head = {"mezzotint": "segment", "format": FORMAT_VERSION} | asdict(segment)
    del head["changes"]
    lines = [head, *segment.changes, {"end": len(segment.changes)}]
    text = "".join(json.dumps(line, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n" for line in lines)
    return zstandard.ZstdCompressor(level=9, write_checksum=True).compress(text.encode())


def decode(data: bytes) -> Segment:
    """Raises JournalBroken where the segment is torn, damaged or of a later format."""
    try:
        frame = zstandard.ZstdDecompressor().decompressobj()
        text = frame.decompress(data).decode()
        if not frame.eof or frame.unused_data or not text.endswith("\n"):
            raise JournalBroken("a segment is torn, or something stands after it")
        head, *changes, end = [json.loads(line) for line in text[:-1].split("\n")]
        version = head.pop("format")
        kind = head.pop("mezzotint")
    except (zstandard.ZstdError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise JournalBroken("a segment is torn or damaged") from error
    if kind != "segment" or not isinstance(version, int) or version > FORMAT_VERSION:
        raise JournalBroken(
            f"a segment of format {version} was written by a later version; this one reads {FORMAT_VERSION}"
        )
    if end != {"end": len(changes)}:
        raise JournalBroken("a segment is torn: its last line is missing")
    try:
        return Segment(**head, changes=tuple(changes))
    except TypeError as error:
        raise JournalBroken("a segment's head has not the members of its format") from error


def fingerprint(data: bytes) -> str:
    """The hash that the next segment carries."""
    return hashlib.sha256(data).hexdigest()
