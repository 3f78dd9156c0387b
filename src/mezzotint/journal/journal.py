"""Appending to the journal and reading it back."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mezzotint.errors import JournalBroken, NotFound, StoreUnavailable
from mezzotint.failpoints import failpoint
from mezzotint.host.files import temporary
from mezzotint.journal import checkpoint as checkpoints
from mezzotint.journal.checkpoint import Checkpoint, CheckpointReader
from mezzotint.journal.segment import FIRST, Change, Segment, decode, encode, fingerprint
from mezzotint.names.keys import CHECKPOINTS, LATEST_KEY, checkpoint_key, checkpoint_seq, journal_key
from mezzotint.objects import ObjectInfo, ObjectStore
from mezzotint.objects.protocol import find

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Head:
    """The last segment somebody has applied: its number, and its hash for the next to carry; its size in bytes."""

    seq: int = 0
    fingerprint: str = FIRST
    bytes: int = 0


class Journal:
    def __init__(self, store: ObjectStore, spool: Path | None = None) -> None:
        """`spool` is where checkpoints are written to before they go to the store."""
        self._store, self._spool = store, spool or Path(tempfile.gettempdir())

    def append(self, segment: Segment) -> Head | None:
        """Create the segment; it is committed when this returns a Head.

        None means that something else has this number: read it, apply it, decide
        anew. It may be an earlier attempt at the same transaction; applying it
        finds that out. An attempt whose outcome is unknown is repeated with the
        same bytes, which are known again where they did arrive.
        Raises StoreUnavailable while the outcome stays unknown.
        """
        data = encode(segment)
        key = journal_key(segment.seq)
        unknown: StoreUnavailable | None = None
        failpoint("commit.before-segment")
        for _ in range(_ATTEMPTS):
            try:
                created = self._store.put_if_absent(key, data, "application/zstd")
                if (created and self._store.arbitrates()) or self._store.read(key) == data:
                    failpoint("commit.after-segment")
                    return Head(segment.seq, fingerprint(data), len(data))
                return None
            except (StoreUnavailable, NotFound) as error:
                unknown = error if isinstance(error, StoreUnavailable) else unknown
        raise StoreUnavailable("the commit's outcome is not known yet; ask again with the same session") from unknown

    def check(self, head: Head) -> None:
        """That `head` is in this store: an empty or another store is nothing to append to. Raises JournalBroken."""
        if head.seq == 0:
            return
        try:
            found = fingerprint(self._store.read(journal_key(head.seq)))
        except NotFound:
            found = None
        if found != head.fingerprint:
            raise JournalBroken(f"this store does not hold segment {head.seq} of this database: is it the right store?")

    def read(self, after: Head) -> tuple[Segment, Head] | None:
        """The segment that follows `after`, or None. Raises JournalBroken where the chain does not fit."""
        try:
            data = self._store.read(journal_key(after.seq + 1))
        except NotFound:
            return None
        segment = decode(data)
        if segment.seq != after.seq + 1 or segment.previous != after.fingerprint:
            raise JournalBroken(f"segment {after.seq + 1} does not follow segment {after.seq} of this database")
        return segment, Head(segment.seq, fingerprint(data), len(data))

    def follow(self, after: Head) -> Iterator[tuple[Segment, Head]]:
        """Every segment after `after`, in order."""
        while (found := self.read(after)) is not None:
            yield found
            after = found[1]

    def last(self, after: int) -> int:
        """The number of the last segment, `after` if none follows it: found in as many questions as its
        distance has binary digits."""
        step = 1
        while self.has(after + step):
            after += step
            step *= 2
        while step > 1:
            step //= 2
            if self.has(after + step):
                after += step
        return after

    def keep_checkpoint(self, checkpoint: Checkpoint, rows: Iterable[Change]) -> ObjectInfo:
        """Write a checkpoint, and read it back: what it returns can be relied on.

        Raises StorageFull, StoreUnavailable, JournalBroken.
        """
        key = checkpoint_key(checkpoint.seq, uuid.uuid4().hex)
        with temporary(self._spool) as (path, _):
            checkpoints.write(path, checkpoint, rows)
            failpoint("checkpoint.before-put")
            self._store.put(key, path, "application/zstd")
        failpoint("checkpoint.after-put")
        with self.open_checkpoint(key) as reader:
            reader.check()
        self._store.put(LATEST_KEY, json.dumps({"checkpoint": key}).encode(), "application/json")
        failpoint("checkpoint.after-hint")
        return self._store.stat(key)

    @contextmanager
    def open_checkpoint(self, key: str) -> Iterator[CheckpointReader]:
        """Raises NotFound, JournalBroken."""
        with self._store.get(key) as reader:
            yield CheckpointReader(reader)

    def checkpoints(self) -> list[ObjectInfo]:
        """The checkpoints that there are, the newest state first. A listing may be late: the hint is asked too."""
        found = {info.key: info for info in self._store.list(CHECKPOINTS) if checkpoint_seq(info.key) is not None}
        with suppress(NotFound, ValueError, KeyError, TypeError):
            key = str(json.loads(self._store.read(LATEST_KEY))["checkpoint"])
            if checkpoint_seq(key) is not None and key not in found:
                found[key] = self._store.stat(key)
        return sorted(found.values(), key=lambda info: (checkpoint_seq(info.key) or 0, info.modified), reverse=True)

    def has(self, seq: int) -> bool:
        return find(self._store, journal_key(seq)) is not None

    def is_empty(self) -> bool:
        """Whether nothing was ever committed here, nor a checkpoint made."""
        return not self.has(1) and not self.checkpoints()
