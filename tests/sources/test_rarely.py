"""What goes wrong rarely on the way to an origin: it costs one picture or nothing, and is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.errors import InvalidInput, OriginBusy, OriginTimedOut
from mezzotint.host.lanes import Lane
from mezzotint.host.locks import HostLocks
from mezzotint.network import breaker as origins_module
from mezzotint.network.breaker import CircuitBreaker, Standing
from mezzotint.network.client import _Deadline
from mezzotint.network.resolver import Gate, Resolver, system_resolve
from mezzotint.objects import MemoryStore
from mezzotint.sources import notes as notes_module
from mezzotint.sources import records as records_module
from mezzotint.sources.failures import Failure, Failures
from mezzotint.sources.flights import Flights
from mezzotint.sources.notes import Notes
from mezzotint.sources.peers import read_peers
from mezzotint.sources.records import RemoteRecords
from tests.cache.caches import OwnCache, open_cache
from tests.sources.test_records import KEY, RECORD, Clock
from tests.waiting import until


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[OwnCache]:
    opened = open_cache(tmp_path / "cache", 1 << 30)
    yield opened
    opened.close()


def test_a_timeout_that_is_somebody_elses_stays_one() -> None:
    missed: list[int] = []

    async def work(seconds: float, inner: BaseException | None) -> None:
        async with _Deadline(seconds).kept(lambda: missed.append(1)):
            if inner is not None:
                raise inner
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="of the one within"):
        asyncio.run(work(60, TimeoutError("of the one within")))
    assert not missed
    with pytest.raises(OriginTimedOut):
        asyncio.run(work(0.01, None))
    assert missed


def test_whoever_waits_for_a_url_that_another_process_has_gives_up_in_the_end(tmp_path: Path) -> None:
    locks = HostLocks(tmp_path / "locks")

    async def work() -> None:
        flights = Flights(locks, Lane("the cache", 1), patience=0.05)
        with locks.hold("url:a"), pytest.raises(OriginBusy):
            async with flights.alone("a", lambda key: key):
                pass
        async with flights.alone("a", lambda key: key) as seen:
            assert seen == "a"
        await flights.close()

    asyncio.run(work())


def test_a_flight_that_fails_otherwise_than_expected_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def crash() -> None:
        raise ZeroDivisionError("a defect")

    async def work() -> None:
        flights = Flights(HostLocks(tmp_path / "locks"), Lane("the cache", 1), patience=1)
        with pytest.raises(ZeroDivisionError):
            await flights.fly("a", crash)
        await flights.close()

    asyncio.run(work())
    assert "a picture could not be loaded" in caplog.messages


def test_nothing_is_connected_to_that_was_not_checked() -> None:
    async def work() -> None:
        names = Resolver(system_resolve)
        gate = Gate(names)
        gate.begin(lambda host, address: True, "127.0.0.1")
        gate.open_socket((2, 1, 6, "", ("127.0.0.1", 80))).close()
        with pytest.raises(OSError, match="was not checked"):
            gate.open_socket((2, 1, 6, "", ("127.0.0.2", 80)))
        names.close()

    asyncio.run(work())


def test_notes_come_in_handfuls_and_none_is_lost_as_they_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes_module, "_HANDFUL", 3)
    notes = Notes(tmp_path / "notes")
    for n in range(7):
        notes.append({"n": n})
    broken_off = notes.take()
    assert next(broken_off) == [{"n": 0}, {"n": 1}, {"n": 2}]
    broken_off.close()
    found = [[note["n"] for note in handful] for handful in notes.take()]
    assert found == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(notes.take()) == []

    taken: list[Path] = []
    is_current = notes._is_current

    def moved_away(descriptor: int) -> bool:
        """Between opening it and having its lock somebody has taken it."""
        if not taken:
            (tmp_path / "notes" / notes_module._CURRENT).rename(tmp_path / "notes" / "away")
            taken.append(tmp_path)
        return is_current(descriptor)

    monkeypatch.setattr(notes, "_is_current", moved_away)
    notes.append({"n": 7})
    assert taken
    assert {"n": 7} in [note for handful in notes.take() for note in handful]


def test_an_origin_that_answers_is_forgiven_its_failures_and_keeps_its_pause(
    cache: OwnCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = CircuitBreaker(cache.host.facts)
    origins.failed("a.test", "/")
    origins.asked_for_pause("a.test", 60)
    origins.answered("a.test")
    standing = origins.standing("a.test")
    assert (standing.dead, standing.pause > 0) == ((), True)
    monkeypatch.setattr(origins_module, "_REMEMBERED", 3)
    for n in range(10):
        origins.failed(f"{n}.test", "/")
    assert len(origins._memory) <= 3
    origins.close()
    assert CircuitBreaker(cache.host.facts).standing("0.test").dead, "the host has not forgotten it"


def test_what_others_cannot_be_told_of_an_origin_is_said(
    cache: OwnCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    origins = CircuitBreaker(cache.host.facts)

    def fails(key: str, value: str) -> None:
        raise OSError("no disk")

    monkeypatch.setattr(cache.host.facts, "remember", fails)
    origins.failed("a.test", "/")
    until(lambda: any("how an origin behaves" in line for line in caplog.messages))
    assert origins.standing("a.test") != Standing()
    origins.close()


def test_a_peer_has_no_password_in_its_address(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    path.write_text('[{"name": "b", "url": "https://me:secret@b.example"}]')
    with pytest.raises(InvalidInput) as refused:
        read_peers(path)
    assert "secret" not in str(refused.value)


def test_records_on_this_host_that_are_none_of_ours_are_none(
    cache: OwnCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    records = RemoteRecords(MemoryStore(), cache, Failures(cache.host.database), lambda host: True, clock)
    for content in (b"no JSON", b"[" * 100_000, b"[]", b"{}"):
        cache.put(f"{KEY}.json", content)
        assert records.look_again(KEY) is None
    records.fail(KEY, Failure(kind="OriginLacks", reason="gone", until=clock.now + 5))
    monkeypatch.setattr(records_module, "_REMEMBERED", 3)
    for n in range(9):
        records.put(f"{n:064}", RECORD, kept=True)
    assert len(records._memory) <= 3
