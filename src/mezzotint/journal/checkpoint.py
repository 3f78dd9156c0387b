"""A checkpoint: the whole state after one segment, as one object.

`docs/journal-format.md` is the specification. It is written and read as a
stream; its last line has the count and the hash of all before, so nothing of a
torn one may be believed until the end was seen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import zstandard

from mezzotint.errors import JournalBroken
from mezzotint.host.files import full_is_told, sync
from mezzotint.journal.segment import FORMAT_VERSION, Change, Schema, check_kind, line_of
from mezzotint.objects import ObjectReader

_STEP = 1 << 16
"""how much is decompressed at once, in bytes"""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state after segment `seq`, whose hash is `fingerprint`; `at` is ISO 8601 in UTC."""

    seq: int
    fingerprint: str
    at: str
    epoch: int
    schema: Schema


def write(path: Path, checkpoint: Checkpoint, rows: Iterable[Change]) -> int:
    """Write the whole to a local file, durably; returns how many rows it has. Raises StorageFull."""
    digest, count = hashlib.sha256(), 0
    with full_is_told("a checkpoint"), open(path, "wb") as file:
        with zstandard.ZstdCompressor(level=3, write_checksum=True).stream_writer(file, closefd=False) as stream:

            def add(text: str) -> None:
                data = text.encode()
                digest.update(data)
                stream.write(data)

            add(line_of({"mezzotint": "checkpoint", "format": FORMAT_VERSION} | asdict(checkpoint)))
            for row in rows:
                add(line_of(row))
                count += 1
            stream.write(line_of({"end": count, "sha256": digest.hexdigest()}).encode())
        sync(file)
    return count


class CheckpointReader:
    """The rows of a checkpoint as they arrive: `head` at once, and `rows`, which has to be
    read to its end before anything of it counts. Raises JournalBroken, StoreUnavailable."""

    def __init__(self, reader: ObjectReader) -> None:
        self._lines = _lines(reader)
        self._digest = hashlib.sha256()
        try:
            line = next(self._lines)
            head = json.loads(line)
            check_kind(head, "checkpoint")
            self.head = Checkpoint(**head)
        except (StopIteration, ValueError, KeyError, TypeError, AttributeError) as error:
            raise JournalBroken("a checkpoint is torn or damaged") from error
        self._digest.update(line)

    def check(self) -> None:
        """Read to the end. Raises JournalBroken, and then nothing of it may be used."""
        for _ in self._rows():
            pass

    def rows(self) -> Iterator[Change]:
        """Every row. Raises JournalBroken, at the latest after the last one, where something is missing or wrong."""
        try:
            for line in self._rows():
                yield json.loads(line.decode())
        except ValueError as error:
            raise JournalBroken("a checkpoint is damaged") from error

    def _rows(self) -> Iterator[bytes]:
        count, last = 0, b""
        for line in self._lines:
            if last:
                self._digest.update(last)
                yield last
                count += 1
            last = line
        if last != line_of({"end": count, "sha256": self._digest.hexdigest()}).encode():
            raise JournalBroken("a checkpoint is torn or damaged: its last line does not fit")


def _lines(reader: ObjectReader) -> Iterator[bytes]:
    frame = zstandard.ZstdDecompressor().decompressobj()
    left = b""
    try:
        for chunk in reader.chunks():
            for start in range(0, len(chunk), _STEP):
                if frame.eof:
                    raise JournalBroken("something stands after a checkpoint's end")
                text = left + frame.decompress(chunk[start : start + _STEP])
                *lines, left = text.split(b"\n")
                for line in lines:
                    yield line + b"\n"
    except zstandard.ZstdError as error:
        raise JournalBroken("a checkpoint is torn or damaged") from error
    if not frame.eof or frame.unused_data or left:
        raise JournalBroken("a checkpoint is torn, or something stands after it")
