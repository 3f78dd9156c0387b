"""The journal: what was committed is read back as it was, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mezzotint.errors import JournalBroken, StoreUnavailable
from mezzotint.journal import Head, Journal, Segment
from mezzotint.journal.segment import decode, encode
from mezzotint.names.keys import journal_key
from mezzotint.objects import DirectoryStore, MemoryStore, ObjectInfo, ObjectReader, ObjectStore


def segment(seq: int, transaction: str, after: Head) -> Segment:
    change = {"do": "add", "ident": f"{seq:064x}", "title": "Fjord å 写真"}
    return Segment(seq, transaction, after.fingerprint, "2024-05-06T07:08:09+00:00", "ada", (change,), "a note")


def written(journal: Journal, count: int) -> list[Head]:
    heads = [Head()]
    for seq in range(1, count + 1):
        head = journal.append(segment(seq, f"t{seq}", heads[-1]))
        assert head is not None
        heads.append(head)
    return heads


class Wrapped:
    """A store in front of another, to put faults into."""

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner
        self.creations = 0

    def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
        self.inner.put(key, body, content_type)

    def arbitrates(self) -> bool:
        return self.inner.arbitrates()

    def put_if_absent(self, key: str, body: bytes | Path, content_type: str | None = None) -> bool:
        self.creations += 1
        return self.create(key, body)

    def create(self, key: str, body: bytes | Path) -> bool:
        return self.inner.put_if_absent(key, body)

    def get(self, key: str, start: int = 0, length: int | None = None) -> ObjectReader:
        return self.inner.get(key, start, length)

    def read(self, key: str) -> bytes:
        return self.inner.read(key)

    def stat(self, key: str) -> ObjectInfo:
        return self.inner.stat(key)

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ObjectInfo]:
        return self.inner.list(prefix, start_after)

    def delete(self, key: str) -> None:
        self.inner.delete(key)

    def move(self, source: str, target: str) -> None:
        self.inner.move(source, target)

    def local_path(self, key: str) -> Path | None:
        return self.inner.local_path(key)


class LosesAnswers(Wrapped):
    """The first `lost` conditional creates reach the store or not; nobody hears which."""

    def __init__(self, inner: ObjectStore, *, lost: int = 1, written: bool) -> None:
        super().__init__(inner)
        self.lost, self.written = lost, written

    def create(self, key: str, body: bytes | Path) -> bool:
        if self.creations > self.lost:
            return self.inner.put_if_absent(key, body)
        if self.written:
            self.inner.put_if_absent(key, body)
        raise StoreUnavailable("the connection was lost")


class LosesTheRace(Wrapped):
    """Somebody else's segment gets in, and the answer about ours is lost."""

    def create(self, key: str, body: bytes | Path) -> bool:
        if self.creations == 1:
            self.inner.put_if_absent(key, encode(segment(1, "theirs", Head())))
            raise StoreUnavailable("the connection was lost")
        return self.inner.put_if_absent(key, body)


def test_what_was_appended_is_followed_in_order(tmp_path: Path) -> None:
    journal = Journal(DirectoryStore(tmp_path))
    heads = written(journal, 5)
    again = Journal(DirectoryStore(tmp_path))
    followed = list(again.follow(Head()))
    assert [one.transaction for one, _ in followed] == ["t1", "t2", "t3", "t4", "t5"]
    assert [head for _, head in followed] == heads[1:]
    assert [one.seq for one, _ in again.follow(heads[3])] == [4, 5]
    assert again.read(heads[5]) is None


def test_an_empty_journal_has_nothing_to_follow() -> None:
    assert list(Journal(MemoryStore()).follow(Head())) == []


def test_a_segment_of_another_chain_is_not_followed() -> None:
    store = MemoryStore()
    heads = written(Journal(store), 3)
    store.put(journal_key(3), encode(segment(3, "t3", Head(2, "f" * 64))))
    with pytest.raises(JournalBroken):
        Journal(store).read(heads[2])


def test_a_changed_segment_breaks_the_chain_after_it() -> None:
    store = MemoryStore()
    written(Journal(store), 3)
    one = decode(store.read(journal_key(2)))
    store.put(journal_key(2), encode(replace(one, note="rewritten")))
    with pytest.raises(JournalBroken):
        list(Journal(store).follow(Head()))


def test_a_segment_under_another_number_is_refused() -> None:
    store = MemoryStore()
    written(Journal(store), 2)
    store.put(journal_key(1), store.read(journal_key(2)))
    with pytest.raises(JournalBroken):
        Journal(store).read(Head())


def test_the_second_of_two_with_one_number_is_told_so_and_changes_nothing() -> None:
    store = MemoryStore()
    journal = Journal(store)
    assert journal.append(segment(1, "mine", Head())) is not None
    before = store.read(journal_key(1))
    assert journal.append(segment(1, "theirs", Head())) is None
    assert store.read(journal_key(1)) == before


def test_appending_the_same_transaction_again_is_the_same_commit() -> None:
    journal = Journal(MemoryStore())
    one = segment(1, "mine", Head())
    assert journal.append(one) == journal.append(one) is not None


def test_of_many_committers_exactly_one_wins_each_number(tmp_path: Path) -> None:
    racers, rounds = 6, 8
    barrier = threading.Barrier(racers)
    won: list[list[str]] = [[] for _ in range(rounds)]

    def commit(racer: int) -> None:
        journal, after = Journal(DirectoryStore(tmp_path)), Head()
        for seq in range(1, rounds + 1):
            barrier.wait()
            if journal.append(segment(seq, f"{seq} by {racer}", after)) is not None:
                won[seq - 1].append(f"{seq} by {racer}")
            found = journal.read(after)
            assert found is not None
            after = found[1]

    threads = [threading.Thread(target=commit, args=(racer,)) for racer in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(winners) for winners in won] == [1] * rounds
    kept = [one.transaction for one, _ in Journal(DirectoryStore(tmp_path)).follow(Head())]
    assert [[transaction] for transaction in kept] == won


@pytest.mark.parametrize("reached", [True, False])
@pytest.mark.parametrize("lost", [1, 2])
def test_a_commit_whose_answer_was_lost_is_found_or_repeated(reached: bool, lost: int) -> None:
    store = MemoryStore()
    head = Journal(LosesAnswers(store, lost=lost, written=reached)).append(segment(1, "mine", Head()))
    found = Journal(store).read(Head())
    assert found is not None
    assert found[0].transaction == "mine"
    assert head == found[1]


def test_a_commit_that_lost_its_race_and_its_answer_is_lost() -> None:
    store = MemoryStore()
    assert Journal(LosesTheRace(store)).append(segment(1, "mine", Head())) is None
    assert decode(store.read(journal_key(1))).transaction == "theirs"


@pytest.mark.parametrize("reached", [True, False])
def test_an_outcome_that_stays_unknown_is_neither_won_nor_lost_and_deletes_nothing(reached: bool) -> None:
    store = MemoryStore()
    one = segment(1, "mine", Head())
    with pytest.raises(StoreUnavailable):
        Journal(LosesAnswers(store, lost=1000, written=reached)).append(one)
    assert [info.key for info in store.list()] == ([journal_key(1)] if reached else [])
    assert Journal(store).append(one) is not None
