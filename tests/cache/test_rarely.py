"""What befalls a cache rarely: it is told once, and the cache goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.cache import Cache
from mezzotint.cache.cleaner import Cleaner, Housekeeping
from mezzotint.cache.hits import Hits
from mezzotint.errors import StorageFull
from mezzotint.host.locks import HostLocks
from tests.cache.caches import assert_holds, file_of, held, is_complete, name_of, open_cache
from tests.waiting import until


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    opened = open_cache(tmp_path / "cache")
    yield opened
    opened.close()


def test_patience_for_a_lock_has_an_end(tmp_path: Path) -> None:
    locks = HostLocks(tmp_path / "control" / "locks")
    with locks.hold("a"), pytest.raises(TimeoutError, match="the lock a is held"), locks.hold("a", patience=0):
        pass


def test_a_log_of_hits_that_cannot_be_read_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "hits.log").mkdir()
    hits, locks = Hits(tmp_path / "hits.log"), HostLocks(tmp_path / "locks")
    assert [hits.take(locks) for _ in range(3)] == [{}, {}, {}]
    assert len([line for line in caplog.messages if "what nginx has sent does not count" in line]) == 1


def test_housekeeping_that_fails_is_told_and_goes_on(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([OSError("no"), OSError("never")])
    housekeeping, cleaned = Housekeeping(Cleaner(cache), 0.01), []

    def clean() -> None:
        for error in failures:
            raise error
        cleaned.append(1)

    monkeypatch.setattr(housekeeping._cleaner, "clean", clean)
    housekeeping.start()
    try:
        until(lambda: cleaned)
    finally:
        housekeeping.stop()


def test_completing_ends_with_housekeeping_and_is_done_later(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(5):
        cache.put(name_of(n), b"x")
    housekeeping, counted = Housekeeping(Cleaner(cache), 60), []
    complete = cache.complete

    def stopped_half_way(progress: object) -> None:
        def count(number: int) -> None:
            counted.append(number)
            housekeeping._stopped = number == 2
            progress(number)  # type: ignore[operator]

        complete(count)

    cache.ledger.stamps.remove()
    monkeypatch.setattr(cache, "complete", stopped_half_way)
    housekeeping._complete()
    assert counted == [1, 2]
    assert not is_complete(cache)
    monkeypatch.setattr(cache, "complete", complete)
    cache.complete()
    assert_holds(cache, {name_of(n): b"x" for n in range(5)})


def test_completing_that_fails_is_told(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(progress: object) -> None:
        raise OSError("no such disk")

    monkeypatch.setattr(cache, "complete", fails)
    Housekeeping(Cleaner(cache), 60)._complete()
    assert any("could not be completed" in line for line in caplog.messages)


def test_a_file_is_seen_once_it_was_opened_as_it_is_now(cache: Cache) -> None:
    other = open_cache(cache.directory)  # another process
    cache.put(name_of(1), b"one")
    assert other.open(name_of(1), seen_only=True) is None
    assert held(other, name_of(1)) == b"one"
    for one in (cache, other):
        found = one.open(name_of(1), seen_only=True)
        assert found is not None and found.read() == b"one"
    file_of(cache, name_of(1)).write_bytes(b"two")
    assert other.open(name_of(1), seen_only=True) is None
    file_of(cache, name_of(1)).unlink()
    assert other.open(name_of(1), seen_only=True) is None
    other.close()


def test_a_cache_whose_directory_cannot_be_made_again_is_full(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "cache").rename(tmp_path / "away")
    (tmp_path / "cache").symlink_to(tmp_path / "a disk that is not there")
    with pytest.raises(StorageFull, match="is being removed"):
        cache.put(name_of(1), b"one")
