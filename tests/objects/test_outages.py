"""What stands between a store over the network and its server: outages, lost answers, wrong credentials."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mezzotint.errors import NotFound, StoreRefused, StoreUnavailable
from mezzotint.objects import ObjectStore
from mezzotint.objects.registry import open_store
from mezzotint.settings import Settings
from tests.backends.swift import SwiftCluster
from tests.contracts.stores import KEY, MEGABYTE, OTHER, bare, got, keys, opened
from tests.objects.between import Between
from tests.waiting import IN_TIME

pytestmark = pytest.mark.parametrize("scheme", ["swift", "s3"])


def through(between: Between, scheme: str) -> ObjectStore:
    return open_store(f"{scheme}://{between.swift.new_container()}/some", Settings.read(between.environment()))


def test_a_proxy_that_hangs_or_is_gone_is_unavailable_in_time_and_works_again(
    breakable_swift: SwiftCluster, scheme: str
) -> None:
    container = breakable_swift.new_container()
    store = bare(opened(scheme, breakable_swift, container, MEZZOTINT_STORE_TIMEOUT="1"))
    store.put(KEY, b"kept")
    asked: list[Callable[[], object]] = [
        lambda: store.stat(KEY), lambda: store.put(OTHER, b"x"), lambda: got(store, KEY), lambda: keys(store),
    ]  # fmt: skip
    for end, begin in [
        (breakable_swift.pause, breakable_swift.resume),
        (breakable_swift.kill, breakable_swift.restart),
    ]:
        end()
        for ask in asked:
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match="does not answer"):
                ask()
            assert time.monotonic() - began < IN_TIME
        begin()
        assert store.read(KEY) == b"kept"
        store.put(OTHER, b"afterwards")
        assert keys(store) == [KEY, OTHER]


def test_a_proxy_that_is_back_soon_is_not_noticed(breakable_swift: SwiftCluster, scheme: str) -> None:
    store = opened(scheme, breakable_swift, breakable_swift.new_container(), MEZZOTINT_STORE_TIMEOUT="1")
    store.put(KEY, b"before")
    breakable_swift.pause()
    back = threading.Timer(1.3, breakable_swift.resume)
    back.start()
    try:
        store.put(KEY, b"meanwhile")
        assert back.finished.is_set()
        assert store.read(KEY) == b"meanwhile"
    finally:
        back.join()


def test_a_write_whose_answer_was_lost_is_asked_again(between: Between, scheme: str) -> None:
    store = through(between, scheme)
    store.put(OTHER, b"x")
    for _ in range(2):
        between.unanswered = 1
        store.put(KEY, b"put")
        assert (store.read(KEY), between.unanswered) == (b"put", 0)
    between.unanswered = 1
    assert store.put_if_absent("journal/new", b"mine") is False
    assert store.read("journal/new") == b"mine"


def test_without_retries_a_creation_without_an_answer_is_never_called_a_success(between: Between, scheme: str) -> None:
    """It is unknown, or it is there: False says no more."""
    store = bare(through(between, scheme))
    store.put(OTHER, b"x")
    between.unanswered = 1
    with suppress(StoreUnavailable):
        assert store.put_if_absent(KEY, b"done all the same") is False
    assert between.unanswered == 0
    assert store.read(KEY) == b"done all the same"


def test_an_answer_that_breaks_off_is_taken_up_where_it_stopped(between: Between, scheme: str, tmp_path: Path) -> None:
    store, size = through(between, scheme), 6 * MEGABYTE
    path = tmp_path / "body"
    path.write_bytes(b"".join(n.to_bytes(4, "big") for n in range(size // 4)))
    store.put(KEY, path)
    between.cut = 2
    assert got(store, KEY) == path.read_bytes()
    assert between.cut == 0
    first, second, third = between.ranges
    assert first == ""
    assert 0 < beginning(second) < beginning(third) < size


def beginning(range_header: str) -> int:
    return int(range_header.removeprefix("bytes=").partition("-")[0])


def test_without_retries_an_answer_that_breaks_off_is_no_object(between: Between, scheme: str) -> None:
    store = bare(through(between, scheme))
    store.put(KEY, b"whole" * MEGABYTE)
    between.cut = 1
    with pytest.raises(StoreUnavailable):
        got(store, KEY)
    assert got(store, KEY) == b"whole" * MEGABYTE


def test_wrong_credentials_are_said_to_be_wrong(swift: SwiftCluster, scheme: str) -> None:
    wrong = {"ST_KEY": "wrong", "AWS_SECRET_ACCESS_KEY": "wrong"}
    store = bare(opened(scheme, swift, swift.new_container(), **wrong))
    asked: list[Callable[[], object]] = [
        lambda: store.stat(KEY), lambda: store.get(KEY), lambda: store.put(KEY, b"x"), lambda: keys(store),
        lambda: store.put_if_absent(KEY, b"x"), lambda: store.delete(KEY), lambda: store.move(KEY, OTHER),
    ]  # fmt: skip
    for ask in asked:
        with pytest.raises(StoreUnavailable, match="refuses the credentials"):
            ask()


def test_a_container_that_is_missing_is_no_object_that_is_missing(swift: SwiftCluster, scheme: str) -> None:
    """Reading finds nothing, or S3 says why. Writing makes it (Swift) or says that it is missing, never NotFound."""
    store = bare(opened(scheme, swift, f"never-{uuid.uuid4().hex}"))
    for ask in (store.stat, lambda key: store.get(key, 3, 4)):
        with pytest.raises(NotFound):
            ask(KEY)
    for read in (lambda key: store.get(key), lambda key: store.read(key)):
        with pytest.raises(StoreRefused if scheme == "s3" else NotFound):
            read(KEY)
    for write in (store.put, store.put_if_absent):
        if scheme == "s3":
            with pytest.raises(StoreUnavailable, match="no such bucket"):
                write(KEY, b"x")
        else:
            write(KEY, b"x")
            assert store.read(KEY) == b"x"
