"""One committed segment: JSON lines, compressed with Zstandard.

`docs/journal-format.md` is the specification. The first line is the head, one
line for each change follows, and the last line counts them, so that a torn
segment is told from a whole one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import zstandard

from mezzotint.errors import JournalBroken

FORMAT_VERSION = 2
FIRST = "0" * 64
"""what stands for the hash before the first segment"""

Change = dict[str, Any]
Schema = Mapping[str, str]
"""for each Django app whose rows are journaled the last migration that was applied"""


@dataclass(frozen=True, slots=True)
class Segment:
    """`previous` is the sha256 of the segment before as it is stored; `at` is ISO 8601 in UTC;
    `epoch` counts the databases that have written here in turn, where the store does not arbitrate."""

    seq: int
    transaction: str
    previous: str
    at: str
    by: str
    changes: tuple[Change, ...]
    note: str = ""
    epoch: int = 0
    schema: Schema = field(default_factory=dict)


def encode(segment: Segment) -> bytes:
    head = {"mezzotint": "segment", "format": FORMAT_VERSION} | asdict(segment)
    del head["changes"]
    lines = [head, *segment.changes, {"end": len(segment.changes)}]
    text = "".join(map(line_of, lines))
    return zstandard.ZstdCompressor(level=9, write_checksum=True).compress(text.encode())


def decode(data: bytes) -> Segment:
    """Raises JournalBroken where the segment is torn, damaged or of a later format."""
    try:
        frame = zstandard.ZstdDecompressor().decompressobj()
        text = frame.decompress(data).decode()
        if not frame.eof or frame.unused_data or not text.endswith("\n"):
            raise JournalBroken("a segment is torn, or something stands after it")
        head, *changes, end = [json.loads(line) for line in text[:-1].split("\n")]
        check_kind(head, "segment")
    except (zstandard.ZstdError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise JournalBroken("a segment is torn or damaged") from error
    if end != {"end": len(changes)}:
        raise JournalBroken("a segment is torn: its last line is missing")
    try:
        return Segment(**head, changes=tuple(changes))
    except TypeError as error:
        raise JournalBroken("a segment's head has not the members of its format") from error


def kind_of(change: Change) -> str:
    """What is put or removed; nothing where it is neither."""
    return str(change.get("put") or change.get("remove") or "")


def line_of(member: Mapping[str, Any]) -> str:
    return json.dumps(member, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"


def check_kind(head: dict[str, Any], kind: str) -> None:
    """Take kind and format out of a head. Raises JournalBroken where this version cannot read it."""
    found, version = head.pop("mezzotint"), head.pop("format")
    if found != kind or not isinstance(version, int) or version > FORMAT_VERSION:
        raise JournalBroken(
            f"a {kind} of format {version} was written by a later version; this one reads {FORMAT_VERSION}"
        )


def fingerprint(data: bytes) -> str:
    """The hash that the next segment carries."""
    return hashlib.sha256(data).hexdigest()
