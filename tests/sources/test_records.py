"""Remote records: there and back, and what only looks like one."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint.errors import (
    MezzotintError,
    NotAnImage,
    OriginBusy,
    OriginError,
    OriginFailed,
    OriginLacks,
    OriginTimedOut,
)
from mezzotint.names import Ident
from mezzotint.objects import DirectoryStore, MemoryStore, ObjectStore
from mezzotint.sources.failures import MOST, Failure, Failures
from mezzotint.sources.records import RemoteRecord, RemoteRecords
from tests.cache.caches import OwnCache, open_cache

KEY, OTHER = "ab" * 32, "cd" * 32
RECORD = RemoteRecord("http://a.test/b", Ident("12" * 32), 1.5, 2.5, 3.5, '"e"', "then", "peer:b")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[OwnCache]:
    opened = open_cache(tmp_path / "cache", 1 << 30)
    yield opened
    opened.close()


@pytest.fixture(params=["near", "far"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return DirectoryStore(tmp_path / "store") if request.param == "near" else MemoryStore()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def process(store: ObjectStore, cache: OwnCache, clock: Clock) -> RemoteRecords:
    """As another process of the host sees them: with nothing in its memory."""
    return RemoteRecords(store, cache, Failures(cache.host.database), lambda host: host == "kept.test", clock)


@pytest.fixture
def records(store: ObjectStore, cache: OwnCache, clock: Clock) -> RemoteRecords:
    return process(store, cache, clock)


def test_a_record_is_the_same_there_and_back() -> None:
    assert RemoteRecord.from_json(RECORD.to_json()) == RECORD
    assert RemoteRecord.from_json(RECORD.to_json().decode()) == RECORD
    RECORD.to_json().decode("ascii")  # it goes into a header
    assert b"\n" not in RECORD.to_json()


@given(st.builds(RemoteRecord, url=st.text(), ident=st.just(RECORD.ident), fetched=st.floats(0, 1e11),
                 checked=st.floats(0, 1e11), expires=st.floats(0, 1e11), etag=st.text(), last_modified=st.text(),
                 via=st.text()))  # fmt: skip
def test_any_record_is_the_same_there_and_back(record: RemoteRecord) -> None:
    assert RemoteRecord.from_json(record.to_json()) == record
    assert record.to_json().isascii()


def changed(**members: Any) -> bytes:
    """The record with other members; without those that are None."""
    whole = json.loads(RECORD.to_json()) | members
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


JUNK = [
    b"", b"{", b"\xff\xfe", b"null", b"1", b'"x"', b"[]", b"{}", b'{"format": 1}', b"[" * 100_000, b'{"a":' * 5000,
    RECORD.to_json()[:-1], RECORD.to_json() + b"x", b"1" * 10_000,
    changed(format=2), changed(format="1"), changed(format=None), changed(unheard_of=1), changed(url=None),
    changed(url=1), changed(ident=None), changed(ident=1), changed(ident="../../etc/passwd"), changed(ident="12" * 31),
    changed(ident="AB" * 32), changed(ident="12" * 32 + "\n"), changed(ident=["12" * 32]), changed(fetched=None),
    changed(fetched="1"), changed(checked=True), changed(expires=[]), changed(expires={}), changed(etag=1),
    changed(last_modified=False), changed(via=["origin"]),
]  # fmt: skip


@pytest.mark.parametrize("data", JUNK, ids=lambda data: data[:60].decode("latin-1"))
def test_junk_is_no_record(data: bytes, records: RemoteRecords, store: ObjectStore) -> None:
    assert RemoteRecord.from_json(data) is None
    assert RemoteRecord.from_json(data.decode("latin-1")) is None
    store.put(f"remote/{KEY}.json", data)
    assert records.find(KEY) is None
    records.put(KEY, RECORD, kept=True)
    assert records.look_again(KEY) == RECORD


@pytest.mark.parametrize(
    ("member", "number"),
    [("fetched", math.nan), ("checked", math.inf), ("expires", math.nan), ("expires", math.inf), ("expires", -math.inf),
     ("expires", 10**400)],
    ids=lambda value: f"{value:.8}" if isinstance(value, str) else "" if isinstance(value, int) else str(value),
)  # fmt: skip
def test_what_is_no_moment_is_no_record(member: str, number: float) -> None:
    assert RemoteRecord.from_json(changed(**{member: number})) is None


@pytest.mark.parametrize("kept", [True, False])
def test_what_was_put_is_found_by_all_processes(
    records: RemoteRecords, store: ObjectStore, cache: OwnCache, clock: Clock, kept: bool
) -> None:
    assert records.find(KEY) is None
    records.put(KEY, RECORD, kept=kept)
    assert records.find(KEY) == records.look_again(KEY) == RECORD
    assert process(store, cache, clock).find(KEY) == RECORD
    assert records.find(OTHER) is None
    assert records.is_kept(KEY) == kept
    assert [info.key for info in store.list()] == ([f"remote/{KEY}.json"] if kept else [])


def test_what_is_kept_is_in_the_store_and_what_is_cached_goes_with_the_cache(
    records: RemoteRecords, store: ObjectStore, cache: OwnCache, clock: Clock
) -> None:
    records.put(KEY, RECORD, kept=True)
    records.put(OTHER, RECORD, kept=False)
    cache.purge(KEY)
    cache.purge(OTHER)
    assert process(store, cache, clock).find(KEY) == RECORD
    assert process(store, cache, clock).find(OTHER) is None
    assert records.find(OTHER) is None  # its memory goes with the cache too


def test_a_change_by_another_process_is_seen_within_a_second_or_so(
    records: RemoteRecords, store: ObjectStore, cache: OwnCache, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.put(KEY, RECORD, kept=True)
    assert records.find(KEY) == RECORD
    newer = dataclasses.replace(RECORD, ident=Ident("34" * 32))
    process(store, cache, clock).put(KEY, newer, kept=True)
    assert records.look_again(KEY) == newer
    process(store, cache, clock).put(KEY, RECORD, kept=True)
    before = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: before + 1.5)
    assert records.find(KEY) == RECORD


def test_a_record_that_another_host_deleted_is_gone_within_a_minute(
    records: RemoteRecords, store: ObjectStore, cache: OwnCache, clock: Clock
) -> None:
    records.put(KEY, RECORD, kept=True)
    store.delete(f"remote/{KEY}.json")
    clock.now += 60
    assert process(store, cache, clock).find(KEY) is None
    assert process(store, cache, clock).find(KEY) is None


@pytest.mark.parametrize("kept", [True, False])
def test_what_was_deleted_is_gone_everywhere(
    records: RemoteRecords, store: ObjectStore, cache: OwnCache, clock: Clock, kept: bool
) -> None:
    other = process(store, cache, clock)
    records.put(KEY, RECORD, kept=kept)
    records.fail(KEY, Failure.of(OriginFailed("why"), clock.now + 60))
    records.put(OTHER, RECORD, kept=kept)
    assert other.find(KEY) == RECORD
    assert records.delete(KEY) is True
    assert records.find(KEY) is None
    assert other.find(KEY) is None
    assert list(store.list(f"remote/{KEY}")) == []
    assert records.failure(KEY) is None
    assert records.delete(KEY) is False
    assert records.find(OTHER) == RECORD


@pytest.mark.parametrize("error", [OriginLacks(410), OriginFailed("why", again=True), OriginTimedOut("why")])
def test_a_failure_is_heeded_until_its_time_is_over(
    records: RemoteRecords, store: ObjectStore, cache: OwnCache, clock: Clock, error: OriginError
) -> None:
    assert records.failure(KEY) is None
    records.fail(KEY, Failure.of(error, clock.now + 60))
    clock.now += 59
    failure = process(store, cache, clock).failure(KEY)
    assert failure is not None
    again = failure.error(clock.now)
    assert type(again) is type(error)
    assert isinstance(again, OriginError)
    assert (again.reason, str(again)) == (error.reason, str(error))
    assert records.failure(OTHER) is None
    clock.now += 2
    assert records.failure(KEY) is None
    assert list(store.list()) == []


def test_a_pause_that_is_remembered_says_how_much_of_it_is_left(records: RemoteRecords, clock: Clock) -> None:
    records.fail(KEY, Failure.of(OriginBusy("a.test", 60), clock.now + 60))
    clock.now += 20
    failure = records.failure(KEY)
    assert failure is not None
    error = failure.error(clock.now)
    assert isinstance(error, OriginBusy)
    assert error.retry_after == 40


@pytest.mark.parametrize("error", [NotAnImage("file", "is none"), MezzotintError("x" * 5000)])
def test_any_other_failure_is_one_of_the_origin(records: RemoteRecords, clock: Clock, error: MezzotintError) -> None:
    records.fail(KEY, Failure.of(error, clock.now + 60))
    failure = records.failure(KEY)
    assert failure is not None
    assert type(failure.error(clock.now)) is OriginFailed
    assert len(failure.reason) <= 500


def test_the_last_failures_are_remembered_in_bounded_room_and_in_no_file(
    records: RemoteRecords, cache: OwnCache, clock: Clock
) -> None:
    failure = Failure.of(OriginFailed("x" * 500), clock.now + 60)
    failures = [(f"{n:064x}", failure.kind, failure.reason, failure.until) for n in range(MOST)]
    for n in (0, 1):
        records.fail(f"first-{n}", failure)
    cache.host.database.change("INSERT INTO failures (key, kind, reason, until) VALUES (?, ?, ?, ?)", failures[2:])
    assert records.failure("first-0") == records.failure("first-1") == failure
    records.fail("first-1", failure)
    assert records.failure("first-0") is None
    records.fail("last", failure)
    assert (records.failure("first-1"), records.failure("last")) == (failure, failure)
    assert len(cache.host.database.query("SELECT key FROM failures")) <= MOST
    assert cache.totals().files == 0


def test_a_failure_that_is_forgotten_where_there_is_none_writes_nothing(
    records: RemoteRecords, cache: OwnCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache.host.database, "change", None)
    records.forget_failure(KEY)


def test_what_succeeds_ends_a_failure_and_what_fails_ends_no_record(records: RemoteRecords, clock: Clock) -> None:
    records.put(KEY, RECORD, kept=True)
    records.fail(KEY, Failure.of(OriginFailed("why"), clock.now + 60))
    assert records.look_again(KEY) == RECORD
    assert records.failure(KEY) is not None
    records.put(KEY, RECORD, kept=True)
    assert records.failure(KEY) is None


@pytest.mark.parametrize("junk", [b"", b"[]", b"{}", b'{"kind": 1}', b'{"record": 1}'])
def test_junk_in_the_cache_is_nothing(records: RemoteRecords, cache: OwnCache, junk: bytes) -> None:
    cache.put(f"{KEY}.json", junk)
    assert records.find(KEY) is None
    assert records.failure(KEY) is None
