"""Names close to each other, objects moved onto themselves, copies that were begun: each store keeps them apart."""

from __future__ import annotations

import io
from pathlib import Path

import obstore
import pytest

from mezzotint.objects import DirectoryStore, MemoryStore, ObjectStore, copying
from mezzotint.objects.copying import copy
from mezzotint.objects.registry import open_store
from mezzotint.objects.swift import SwiftReader
from mezzotint.settings import Settings
from tests.backends.swift import SwiftCluster
from tests.contracts.stores import bare, got, keys, opened
from tests.objects.test_copying import contents, fill, put_base


@pytest.fixture(params=["directory", "memory", "swift"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "directory":
        return DirectoryStore(tmp_path / "store")
    if request.param == "memory":
        return MemoryStore()
    swift: SwiftCluster = request.getfixturevalue("swift")
    return opened("swift", swift, swift.new_container())


def test_what_is_moved_to_where_it_is_stays(store: ObjectStore) -> None:
    store.put("images/abc", b"one")
    store.move("images/abc", "images/abc")
    assert (keys(store), got(store, "images/abc")) == (["images/abc"], b"one")


def test_what_somebody_else_has_put_close_to_a_prefix_is_not_listed(swift: SwiftCluster) -> None:
    """By a name that no key of ours has."""
    store = opened("s3", swift, swift.new_container())
    for key in ("images/abc", "images/abd", "images/acc"):
        store.put(key, b"x")
    obstore.put(bare(store)._bucket, "images/aa~z", b"x")  # type: ignore[attr-defined]
    assert [info.key for info in store.list("images/ab")] == ["images/abc", "images/abd"]
    assert [info.key for info in store.list("images/ab", "images/abc")] == ["images/abd"]


def test_a_reader_gives_its_connection_back_once() -> None:
    given_back = list[bool]()
    reader = SwiftReader(io.BytesIO(b"ab"), 2, "v", 2, given_back.append)
    assert list(reader.chunks()) == [b"ab"]
    for _ in range(2):
        reader.close()
    assert given_back == [True]
    with SwiftReader(io.BytesIO(b"ab"), 2, "v", 2, given_back.append):
        pass
    assert given_back == [True, False], "what was not read to its end is of no use"


def test_an_object_of_another_size_is_copied_again(tmp_path: Path) -> None:
    source, target = fill(MemoryStore()), MemoryStore()
    key = put_base(source, b"a base that was copied before")
    target.put(key, b"a base that")
    report = copy(source, target, tmp_path / "spool", lambda key, path: "image/jpeg")
    assert contents(target) == contents(source)
    assert (report.there, report.damaged) == (0, [])


def test_a_source_that_never_rests_is_copied_so_often_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_ROUNDS", 3)
    source, target = fill(MemoryStore()), MemoryStore()
    added = list[str]()

    def busy(key: str, path: Path) -> str:
        """As each object is copied another one comes."""
        if len(added) < 1000:
            added.append(put_base(source, b"meanwhile %d" % len(added)))
        return "image/jpeg"

    copy(source, target, tmp_path / "spool", busy)
    assert 3 <= len(added) < 1000
    assert set(contents(target)) <= set(contents(source))


def test_an_s3_of_amazons_needs_no_address() -> None:
    given = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
    assert open_store("s3://bucket/prefix", Settings.read(given)).local_path("images/abc") is None
