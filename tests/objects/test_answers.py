"""What servers answer rarely, as errors of ours."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import BinaryIO

import pytest
from swiftclient.exceptions import ClientException

from mezzotint.errors import NotFound, StorageFull, StoreUnavailable
from mezzotint.host.files import remove_abandoned
from mezzotint.objects import DirectoryStore, ObjectStore
from mezzotint.objects.registry import open_store
from mezzotint.objects.s3 import S3Reader
from mezzotint.objects.swift import SwiftReader, _answering
from mezzotint.settings import Settings
from tests.backends.swift import SwiftCluster
from tests.contracts.stores import KEY, bare, keys
from tests.objects.between import Between


def through(between: Between, scheme: str) -> ObjectStore:
    store = open_store(f"{scheme}://{between.swift.new_container()}/some", Settings.read(between.environment()))
    return bare(store)


@pytest.mark.parametrize("scheme", ["swift", "s3"])
def test_a_server_without_room_says_so(between: Between, scheme: str) -> None:
    store = through(between, scheme)
    between.says = 507
    for put in (store.put, store.put_if_absent):
        with pytest.raises(StorageFull):
            put(KEY, b"too much")


def test_a_key_with_digits_in_it_says_nothing_of_room(between: Between) -> None:
    store = through(between, "s3")
    between.says = 503
    with pytest.raises(StoreUnavailable):
        store.put("images/a507", b"x")


@pytest.mark.parametrize("scheme", ["swift", "s3"])
def test_a_server_that_fails_leaves_it_open_whether_it_is_there(between: Between, scheme: str) -> None:
    store = through(between, scheme)
    between.says = 503
    for put in (store.put, store.put_if_absent):
        with pytest.raises(StoreUnavailable):
            put(KEY, b"never stored")
    between.says = 0
    with pytest.raises(NotFound):
        store.stat(KEY)


def test_swift_keeps_the_later_body(between: Between) -> None:
    """202: another one, of a later time, is there already."""
    store = through(between, "swift")
    between.says = 202
    with pytest.raises(StoreUnavailable, match="another body of a later time"):
        store.put(KEY, b"the earlier")


def test_a_container_that_is_not_there_has_nothing_in_it(swift: SwiftCluster) -> None:
    store = open_store("swift://never-made/some", Settings.read(swift.environment()))
    assert keys(store) == []


def test_an_object_that_is_replaced_as_it_is_opened_is_unavailable(
    between: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = through(between, "swift")
    store.put(KEY, b"the first body")
    before = store.stat(KEY)
    store.put(KEY, b"the second one")
    monkeypatch.setattr(store, "stat", lambda key: before)
    with pytest.raises(StoreUnavailable, match="was replaced"):
        store.get(KEY, 2, 5)


@pytest.mark.parametrize("scheme", ["swift", "s3"])
def test_what_lies_elsewhere_has_no_path_here(swift: SwiftCluster, scheme: str) -> None:
    store = open_store(f"{scheme}://{swift.new_container()}", Settings.read(swift.environment()))
    assert store.local_path(KEY) is None


@pytest.mark.parametrize(
    "reader",
    [S3Reader(iter([b"ab"]), 5, "v", 5), SwiftReader(io.BytesIO(b"ab"), 5, "v", 5, lambda whole: None)],
    ids=["s3", "swift"],
)
def test_an_object_that_ends_early_is_told(reader: S3Reader) -> None:
    chunks = reader.chunks()
    assert next(chunks) == b"ab"
    with pytest.raises(StoreUnavailable):
        next(chunks)


def test_a_file_that_becomes_shorter_as_it_is_read_is_told(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    store.put(KEY, b"x" * (3 << 20))
    with store.get(KEY) as reader:
        chunks = reader.chunks()
        next(chunks)
        os.truncate(store.local_path(KEY), 2)
        with pytest.raises(StoreUnavailable, match="has become shorter"):
            next(chunks)


def test_a_disk_that_fails_says_nothing_of_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(tmp_path / "store")
    store.put(KEY, b"kept")
    with store.get(KEY) as reader:
        monkeypatch.setattr(reader, "_stream", Failing(reader._stream))
        with pytest.raises(StoreUnavailable, match="cannot be read"):
            next(reader.chunks())
    store.local_path(KEY).unlink()
    store.local_path(KEY).mkdir()
    with pytest.raises(StoreUnavailable, match="the store does not answer"):
        store.read(KEY)


class Failing:
    """A file on a disk that fails."""

    def __init__(self, stream: BinaryIO) -> None:
        self.close = stream.close

    def read(self, count: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_body_on_another_disk_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(tmp_path / "store")
    with open("/dev/shm/" + os.urandom(8).hex(), "wb") as stream:
        body = Path(stream.name)
        stream.write(b"elsewhere")
    try:
        assert body.stat().st_dev != store.root.stat().st_dev
        store.put(KEY, body)
        assert (store.read(KEY), body.read_bytes()) == (b"elsewhere", b"elsewhere")
    finally:
        body.unlink()


def test_what_killed_writers_left_goes_after_a_day(tmp_path: Path) -> None:
    for name, age in ((".old.part", 90_000), (".new.part", 10), ("old.jpg", 90_000)):
        (tmp_path / name).write_bytes(b"x")
        then = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (then, then))
    remove_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".new.part", "old.jpg"}


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("3", 3.0), ("0", 0.0), ("", 0.0), ("soon", 0.0), ("-1", 0.0), ("9" * 400, 0.0), ("\u0663", 0.0)],
)
def test_a_pause_that_swift_asks_for_is_known(said: str, seconds: float) -> None:
    refusal = ClientException("busy", http_status=503, http_response_headers={"retry-after": said})
    with pytest.raises(StoreUnavailable) as told, _answering(KEY):
        raise refusal
    assert told.value.pause == seconds
