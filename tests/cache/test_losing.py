"""What is lost while several look at it: the cache goes on, and says where something is missed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mezzotint.cache.places import KINDS
from mezzotint.cache.stamps import Stamps
from tests.cache.caches import assert_holds, held, is_complete, name_of, open_cache, settled


def at_once(count: int, work: Callable[[], object]) -> list[BaseException]:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_a_cache_goes_on_while_its_whole_directory_is_removed(tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "cache")
    done = threading.Event()
    removals = 0

    def use() -> None:
        while removals < 60:
            cache.put(name_of(1), b"one")
            assert held(cache, name_of(1)) in (None, b"one")
            settled([cache])

    def remove() -> None:
        nonlocal removals
        while not done.wait(0.01):
            shutil.rmtree(tmp_path / "cache", ignore_errors=True)
            removals += 1

    removing = threading.Thread(target=remove)
    removing.start()
    failures = at_once(2, use)
    done.set()
    removing.join()
    assert failures == []
    settled([cache] * 2)
    cache.put(name_of(1), b"one")
    assert_holds(cache, {name_of(1): b"one"})
    cache.close()


def test_stamps_agree_with_the_index_that_has_gone_through_all_files(tmp_path: Path) -> None:
    stamps, other = Stamps(tmp_path), Stamps(tmp_path)
    assert not stamps.agree("index") and not stamps.agree("")
    token = stamps.begin()
    assert not stamps.agree("index") and not stamps.agree("")
    stamps.end(token, "index")
    assert stamps.agree("index") and other.agree("index") and not other.agree("another")


def test_what_is_missed_while_the_files_are_gone_through_is_not_known_after(tmp_path: Path) -> None:
    stamps, other = Stamps(tmp_path), Stamps(tmp_path)
    token = stamps.begin()
    other.remove()
    stamps.end(token, "index")
    assert not stamps.agree("index")
    one, two = stamps.begin(), other.begin()
    stamps.end(one, "index")
    assert not stamps.agree("index"), "somebody else has begun"
    other.end(two, "")
    assert not stamps.agree("index"), "an index that is out of reach knows nothing"
    other.end(two, "index")
    assert stamps.agree("index")


@pytest.mark.parametrize("kind", KINDS)
def test_the_stamp_goes_with_the_directory(tmp_path: Path, kind: str) -> None:
    stamps = Stamps(tmp_path)
    stamps.end(stamps.begin(), "index")
    shutil.rmtree(tmp_path / kind)
    assert not stamps.agree("index")


def test_an_index_that_became_another_while_the_cache_was_open_is_completed(tmp_path: Path) -> None:
    """What this process told the one before is not in it."""
    one, other = open_cache(tmp_path / "cache"), open_cache(tmp_path / "cache")
    settled([one, other])
    for path in (tmp_path / "cache-host").glob("host.sqlite3*"):
        path.unlink()
    settled([other])
    assert is_complete(other)
    one.put(name_of(1), b"one")
    settled([one, other])
    for cache in (one, other):
        assert_holds(cache, {name_of(1): b"one"})
        cache.close()
