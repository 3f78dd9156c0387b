"""Segments and checkpoints that are cut off or damaged anywhere: refused, and never half believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import zstandard
from django.db import DatabaseError

from mezzotint.errors import JournalBroken
from mezzotint.journal import Change, Checkpoint, Head, Journal, Segment
from mezzotint.journal.checkpoint import CheckpointReader
from mezzotint.journal.segment import decode, encode
from mezzotint.names.keys import LATEST_KEY, journal_key
from mezzotint.objects import DirectoryStore, MemoryStore, ObjectReader
from tests.durability.directories import copied, lose_database, put_database
from tests.durability.oracle import check_directory, look, rows, started

SCHEMA = {"auth": "0012", "contenttypes": "0002", "repository": "0003_durable"}
IMAGES = tuple(
    {"put": "image", "ident": f"{n:064x}", "title": f"Fjord å 写真 {n}", "tags": ["a", str(n)], "version": 1}
    for n in range(6)
)


def segment() -> bytes:
    return encode(Segment(7, "t7", "ab" * 32, "2026-01-01T00:00:00+00:00", "ada", IMAGES, "a note", 2, SCHEMA))


def checkpoint() -> bytes:
    store = MemoryStore()
    head = Checkpoint(7, "ab" * 32, "2026-01-01T00:00:00+00:00", 2, SCHEMA)
    return store.read(Journal(store).keep_checkpoint(head, IMAGES).key)


class Pieces(ObjectReader):
    """An object as it arrives over a bad line: a few bytes at a time."""

    version = ""

    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step, self.size = data, step, len(data)

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, self.size, self._step):
            yield self._data[start : start + self._step]

    def close(self) -> None:
        pass

    def __enter__(self) -> Pieces:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def read_segment(data: bytes) -> object:
    return decode(data)


def read_checkpoint(data: bytes) -> tuple[Checkpoint, list[Change]]:
    reader = CheckpointReader(Pieces(data, 1 << 20))
    return reader.head, list(reader.rows())


def read_checkpoint_in_pieces(data: bytes) -> tuple[Checkpoint, list[Change]]:
    reader = CheckpointReader(Pieces(data, 5))
    return reader.head, list(reader.rows())


KINDS = [
    pytest.param(segment, read_segment, id="segment"),
    pytest.param(checkpoint, read_checkpoint, id="checkpoint"),
    pytest.param(checkpoint, read_checkpoint_in_pieces, id="checkpoint-in-pieces"),
]


@pytest.mark.parametrize(("make", "read"), KINDS)
def test_what_is_cut_off_at_any_byte_is_refused(make: Callable[[], bytes], read: Callable[[bytes], object]) -> None:
    data = make()
    assert read(data) == read(data)
    for length in range(len(data)):
        with pytest.raises(JournalBroken):
            read(data[:length])


@pytest.mark.parametrize(("make", "read"), KINDS)
def test_what_has_any_bit_flipped_is_refused_or_says_the_very_same(
    make: Callable[[], bytes], read: Callable[[bytes], object]
) -> None:
    """Some bits of a Zstandard frame say nothing about its content; its hash is another, which the chain finds."""
    data = make()
    whole, accepted = read(data), 0
    for at in range(len(data)):
        for bit in range(8):
            try:
                found = read(data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :])
            except JournalBroken:
                continue
            assert found == whole
            accepted += 1
    assert accepted < len(data) * 8 / 20


def test_any_bit_flipped_in_a_segment_breaks_the_chain() -> None:
    store = MemoryStore()
    journal, after = Journal(store), Head()
    for seq in (1, 2):
        head = journal.append(Segment(seq, f"t{seq}", after.fingerprint, "2026-01-01T00:00:00+00:00", "ada", IMAGES))
        assert head is not None
        after = head
    data = store.read(journal_key(1))
    for at in range(len(data)):
        for bit in range(8):
            store.put(journal_key(1), data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :])
            with pytest.raises(JournalBroken):
                list(journal.follow(Head()))


@pytest.mark.parametrize("tail", [b"\0", b"more", b"\x28\xb5\x2f\xfd"])
@pytest.mark.parametrize(("make", "read"), KINDS)
def test_what_has_something_after_it_is_refused(
    make: Callable[[], bytes], read: Callable[[bytes], object], tail: bytes
) -> None:
    with pytest.raises(JournalBroken):
        read(make() + tail)


def test_a_checkpoint_that_was_cut_off_or_changed_before_it_was_packed_is_refused() -> None:
    text = zstandard.ZstdDecompressor().decompressobj().decompress(checkpoint())
    lines = text.splitlines(keepends=True)
    swapped = [lines[0], lines[2], lines[1], *lines[3:]]
    wrong = [text[:length] for length in range(len(text))]
    wrong += [b"".join(lines[:at] + lines[at + 1 :]) for at in range(len(lines))]
    wrong += [b"".join(swapped), text.replace(b"Fjord", b"Fjell"), text + lines[-1], text + b"{}\n"]
    for data in wrong:
        with pytest.raises(JournalBroken):
            read_checkpoint(zstandard.ZstdCompressor(write_checksum=True).compress(data))


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def emptied(data: bytes) -> bytes:
    return b""


def flipped(data: bytes) -> bytes:
    return data[:-2] + bytes([data[-2] ^ 1]) + data[-1:]


def make_commits(count: int) -> None:
    """Collections, and a checkpoint after each."""
    from mezzotint.repository import services
    from mezzotint.repository.models import Snapshot
    from mezzotint.repository.upkeep import checkpointing

    for n in range(count):
        services.at_once("ada", partial(services.put_collection, slug=f"shelf-{n}", fields={}))
        checkpointing.make(Snapshot.objects.create(by="ada"))


@pytest.mark.parametrize("spoil", [emptied, flipped])
def test_a_restore_passes_over_a_damaged_checkpoint_and_ends_in_the_same_state(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    data = tmp_path / "data"
    with started(data):
        make_commits(2)
        state, everything = look(), rows()
    journal = Journal(DirectoryStore(data / "store"))
    newest, *_ = [info.key for info in journal.checkpoints()]
    path = DirectoryStore(data / "store").local_path(newest)
    path.write_bytes(spoil(path.read_bytes()))
    lose_database(data)
    with started(data):
        assert rows() == everything
    check_directory(data, [state])


def test_a_torn_or_wrong_hint_hides_no_checkpoint() -> None:
    store = MemoryStore()
    journal = Journal(store)
    kept = journal.keep_checkpoint(Checkpoint(7, "ab" * 32, "2026-01-01T00:00:00+00:00", 2, SCHEMA), IMAGES)
    whole = store.read(LATEST_KEY)
    elsewhere = b'{"checkpoint": "journal/checkpoint-00000000000000000009-' + b"a" * 32 + b'.jsonl.zst"}'
    for hint in [whole[:length] for length in range(len(whole))] + [b"[]", b"7", b"\xff\xfe", elsewhere]:
        store.put(LATEST_KEY, hint)
        assert journal.checkpoints() == [kept]


@pytest.mark.parametrize("spoil", [cut, flipped])
def test_a_damaged_segment_stops_everything_and_is_told(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    """What comes after it cannot be known: to go on would be to lose it."""
    from mezzotint.errors import MezzotintError
    from mezzotint.repository import services
    from mezzotint.site.prepare import prepare

    data = tmp_path / "data"
    with started(data):
        make_commits(1)
        before = look()
    copied(data, tmp_path / "behind")
    with started(data):
        services.at_once("ada", lambda session: services.put_collection(session, "last", {}))
        after = look()
    journal = Journal(DirectoryStore(data / "store"))
    last = journal.last(0)
    path = DirectoryStore(data / "store").local_path(journal_key(last))
    whole = path.read_bytes()
    path.write_bytes(spoil(whole))
    for lost in (False, True):
        lose_database(data)
        if not lost:
            put_database(tmp_path / "behind", data)
        with started(data, ready=False):
            assert "journal" in str(prepare().alarm)
            assert lost or look() == before
            with pytest.raises((MezzotintError, DatabaseError)):
                services.at_once("ada", lambda session: services.put_collection(session, "more", {}))
    assert journal.last(0) == last
    path.write_bytes(whole)
    check_directory(data, [after])
