"""A repository of any size that was never uploaded: a journal, and objects of a few bytes."""

from __future__ import annotations

import hashlib
import random
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from mezzotint.journal import Change, Checkpoint, Head, Journal, Segment, claim_marker
from mezzotint.journal.segment import FIRST
from mezzotint.names import Ident, base_key
from mezzotint.objects import DirectoryStore

_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
_WORDS = (  # noqa: SIM905  easier to read
    "harbour mountain portrait bridge winter garden street market river station tower library glass copper plate "
    "evening morning festival workshop orchard lighthouse tram ferry quarry mill theatre castle square"
).split()
SCHEMA = {
    "contenttypes": "0002_remove_content_type_name",
    "auth": "0012_alter_user_first_name_max_length",
    "repository": "0003_durable",
}
PER_SEGMENT = 100


def ident_of(number: int) -> Ident:
    return Ident(hashlib.sha256(b"synthetic %d" % number).hexdigest())


def image(number: int) -> Change:
    """An image as a camera and a diligent cataloguer would have it."""
    choose = random.Random(number)
    words = choose.choices(_WORDS, k=9)
    taken = _BEGIN + timedelta(minutes=number)
    return {
        "put": "image",
        "ident": ident_of(number),
        "title": f"{words[0].title()} {words[1]} {number}",
        "description": " ".join(words[2:]),
        "creator": f"{choose.choice(_WORDS).title()} {choose.choice(_WORDS).title()}",
        "rights": "",
        "source": "",
        "tags": words[5:7],
        "captured": taken.strftime("%Y-%m-%dT%H:%M:%S"),
        "exif": {"Model": "X-100", "FNumber": 5.6, "ISOSpeedRatings": 200.0},
        "width": 4000 + number % 100,
        "height": 3000,
        "format": "jpg",
        "bytes": 3,
        "added": taken.isoformat(),
        "version": 1,
        "field_versions": {},
    }


def _transaction(seq: int) -> str:
    return str(uuid.UUID(int=seq))


def journal(store: DirectoryStore, count: int, in_segments: int) -> None:
    """A journal of `count` images: the last `in_segments` of them in segments of 100, all before in a checkpoint."""
    claim_marker(store)
    kept = Journal(store)
    first = Segment(1, _transaction(1), FIRST, _BEGIN.isoformat(), "bench", (), schema=SCHEMA)
    head = kept.append(first)
    assert head is not None
    checkpoint = Checkpoint(1, head.fingerprint, _BEGIN.isoformat(), 0, SCHEMA)
    kept.keep_checkpoint(checkpoint, _rows(count - in_segments, head))
    numbers = iter(range(count - in_segments, count))
    while chunk := list(islice(numbers, PER_SEGMENT)):
        seq = head.seq + 1
        changes = tuple(image(number) for number in chunk)
        name, at = _transaction(seq), _BEGIN.isoformat()
        head = kept.append(Segment(seq, name, head.fingerprint, at, "bench", changes, schema=SCHEMA))
        assert head is not None


def _rows(count: int, head: Head) -> Iterator[Change]:
    yield from map(image, sorted(range(count), key=ident_of))
    yield {
        "put": "commit", "seq": 1, "fingerprint": head.fingerprint, "transaction": _transaction(1),
        "at": _BEGIN.isoformat(), "by": "bench", "note": "", "added": 0, "edited": 0, "removed": 0, "epoch": 0,
        "bytes": head.bytes,
    }  # fmt: skip


def objects(store: DirectoryStore, count: int) -> None:
    """The bases' files, in place, without the care that real ones deserve."""
    for group in range(256):
        (store.root / "images" / f"{group:02x}").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = store.local_path(base_key(ident_of(number)))
        path.write_bytes(b"abc")


def fresh_data(directory: Path) -> Path:
    """`directory` without its database and cache: what is left when a container was replaced."""
    for name in ("cache", "metrics", "incoming"):
        shutil.rmtree(directory / name, ignore_errors=True)
    for path in directory.glob("mezzotint.sqlite3*"):
        path.unlink()
    return directory
