"""What a power cut leaves, where nothing was synced: files without their bytes, an index in pieces."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mezzotint.cache import Cache, Cleaner
from mezzotint.host import boots, database
from tests.cache.caches import (
    assert_holds,
    counted,
    database_of,
    file_of,
    held,
    ident_of,
    name_of,
    name_of_any_kind,
    open_cache,
)
from tests.cache.caches import settled as settled_caches
from tests.cache.indexes import Indexes

CONTENTS = {name_of_any_kind(n): b"%d " % n * (n + 1) for n in range(12)}
WHOLE = {name: data for n, (name, data) in enumerate(CONTENTS.items()) if n >= 8}
CUT = {name: data for name, data in CONTENTS.items() if name not in WHOLE}


@pytest.fixture
def directory(open_index: Indexes, tmp_path: Path) -> Path:
    """Of a cache that holds CONTENTS and whose process has ended."""
    cache = open_cache(tmp_path / "cache", open_index=open_index)
    settled_caches([cache])
    for name, data in CONTENTS.items():
        cache.put(name, data)
    cache.close()
    return cache.directory


def settled(directory: Path, open_index: Indexes) -> Cache:
    """The cache that begins there, complete."""
    cache = open_cache(directory, open_index=open_index)
    settled_caches([cache])
    return cache


@pytest.mark.parametrize("length", [0, 1])
def test_files_that_were_cut_short_are_misses_and_a_rescan_removes_them(
    open_index: Indexes, directory: Path, length: int
) -> None:
    cache = settled(directory, open_index)
    for name in CUT:
        os.truncate(file_of(cache, name), length)
    assert [name for name in CUT if cache.open(name) is not None] == []
    assert [name for name in WHOLE if held(cache, name) != WHOLE[name]] == []
    cache.rescan()
    assert_holds(cache, WHOLE)
    cache.close()


@pytest.mark.parametrize("counts", ["opened", "rescanned"])
def test_files_that_only_a_lost_index_knew_are_misses_if_the_machine_went_down_as_they_were_written(
    open_index: Indexes, directory: Path, counts: str
) -> None:
    host = directory.with_name("cache-host")
    shutil.rmtree(directory / ".control")
    shutil.rmtree(host)
    host.mkdir()
    (host / "boot-before").touch()
    cache = open_cache(directory, open_index=open_index)
    for name in WHOLE:
        os.utime(file_of(cache, name), (then := time.time() - 3600, then))
    for name in CUT:
        os.truncate(file_of(cache, name), 1)
    if counts == "opened":
        assert [name for name in CUT if cache.open(name) is not None] == []
    settled_caches([cache])
    assert_holds(cache, WHOLE)
    cache.close()


def test_files_of_the_right_size_whose_bytes_may_be_missing_are_misses_after_the_machine_went_down(
    open_index: Indexes, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = directory.with_name("cache-host")
    before = open_cache(directory, open_index=open_index)
    for name in WHOLE:
        os.utime(file_of(before, name), (then := time.time() - 3600, then))
    before.close()
    (host / f"boot-{boots.boot_id()}").rename(host / "boot-before")
    monkeypatch.setattr(boots, "boot_id", lambda: "now")
    monkeypatch.setattr(database, "boot_id", lambda: "now")
    for path in directory.glob("*/.known-*"):  # as Redis says by itself where it was on that machine
        path.rmdir()
    cache = open_cache(directory, open_index=open_index)
    assert [name for name in CUT if cache.open(name) is not None] == []
    new = {name_of(200): b"new"}
    settled_caches([cache])
    cache.put(name_of(200), b"new")
    assert_holds(cache, WHOLE | new)
    cache.close()


def test_files_that_were_cut_short_can_be_put_again(open_index: Indexes, directory: Path) -> None:
    cache = settled(directory, open_index)
    for name, data in CUT.items():
        os.truncate(file_of(cache, name), 0)
        cache.put(name, data)
    assert_holds(cache, CONTENTS)
    cache.close()


def test_files_without_bytes_are_misses_where_the_index_was_lost_too(open_index: Indexes, directory: Path) -> None:
    shutil.rmtree(directory / ".control")
    shutil.rmtree(directory.with_name("cache-host"))
    cache = open_cache(directory, open_index=open_index)
    for name in CUT:
        os.truncate(file_of(cache, name), 0)
    assert [name for name in CUT if cache.open(name) is not None] == []
    assert [name for name in WHOLE if held(cache, name) != WHOLE[name]] == []
    assert cache.look()
    cache.complete()
    assert_holds(cache, WHOLE)
    cache.close()


@pytest.mark.parametrize("length", [0, 3])
def test_any_file_of_the_host_may_be_cut_short(open_index: Indexes, directory: Path, length: int) -> None:
    host = directory.with_name("cache-host")
    kept = [path for where in (host, directory / ".control") for path in where.iterdir()]
    assert {"host.sqlite3", "generation", "locks"} <= {path.name for path in kept}
    for path in kept:
        os.truncate(path, length)
        cache = settled(directory, open_index)
        assert_holds(cache, CONTENTS)
        before = cache.generation.now()
        cache.purge(ident_of(100))
        assert cache.generation.now() != before
        cache.close()


PUT = """
open_cache(Path(sys.argv[1]), 1_000_000, open_index).put(sys.argv[2], b"put")
"""


@pytest.mark.parametrize(("moment", "files"), [("before-place", len(CONTENTS)), ("after-place", len(CONTENTS) + 1)])
def test_a_put_that_was_killed_leaves_no_file_that_is_not_counted(
    open_index: Indexes, directory: Path, moment: str, files: int
) -> None:
    process = open_index.process(PUT, directory, name_of(100), MEZZOTINT_FAILPOINT=f"files.{moment}")
    assert (process.communicate()[1], process.returncode) == ("", -signal.SIGKILL)
    cache = settled(directory, open_index)
    assert (counted(cache).files, cache.totals().files) == (files, len(CONTENTS) + 1)
    cache.rescan()
    assert cache.totals() == counted(cache)
    cache.close()


def _cut(path: Path, share: float) -> None:
    os.truncate(path, int(path.stat().st_size * share))


def _blank(path: Path, begin: int) -> None:
    """Pages that were never written: zeros from here on."""
    size = path.stat().st_size
    os.truncate(path, min(begin, size))
    os.truncate(path, size)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "index gone": lambda index: index.unlink(),
    "index empty": lambda index: _cut(index, 0),
    "index cut in half": lambda index: _cut(index, 0.5),
    "index blank": lambda index: _blank(index, 0),
    "index blank after its first page": lambda index: _blank(index, 4096),
    "index blank at its end": lambda index: _blank(index, index.stat().st_size - 16384),
}
LOSSES: dict[str, Callable[[Path], None]] = {
    "log gone": lambda index: index.with_name(index.name + "-wal").unlink(),
    "log empty": lambda index: _cut(index.with_name(index.name + "-wal"), 0),
    "log cut in half": lambda index: _cut(index.with_name(index.name + "-wal"), 0.5),
    "log blank": lambda index: _blank(index.with_name(index.name + "-wal"), 0),
    "log blank after its beginning": lambda index: _blank(index.with_name(index.name + "-wal"), 20000),
}
"""which SQLite takes for an earlier state"""


@pytest.mark.parametrize("damage", DAMAGES | LOSSES)
def test_an_index_of_sqlite_in_pieces_is_made_again(tmp_path: Path, damage: str) -> None:
    """Nothing fails with it, and the files that are there are found; where the last changes are lost, by a rescan."""
    cache = open_cache(tmp_path / "cache", max_size=10**9)
    contents = {name_of_any_kind(n): b"%d " % n * 3 for n in range(400)}
    for n, (name, data) in enumerate(contents.items()):
        cache.put(name, data)
        if n == 300:  # what comes later is in SQLite's log alone
            cache.close()
            cache = open_cache(tmp_path / "cache", max_size=10**9)
    files, aside = database_of(cache), tmp_path / "aside"
    aside.mkdir()
    for path in files:
        shutil.copy(path, aside)
    cache.close()
    for path in files:
        path.unlink(missing_ok=True)
    (DAMAGES | LOSSES)[damage](aside / "host.sqlite3")
    for path in files[:2]:  # the third is memory that they share
        if (aside / path.name).exists():
            shutil.copy(aside / path.name, path)

    again = open_cache(tmp_path / "cache", max_size=10**9)
    again.purge(ident_of(0))
    del contents[name_of_any_kind(0)]
    again.put(name_of(1000), b"put")
    contents[name_of(1000)] = b"put"
    again.flush()
    again.totals()
    Cleaner(again).clean()
    settled_caches([again, again])
    if damage in LOSSES:
        again.rescan()
    assert_holds(again, contents)
    again.close()


def test_what_an_earlier_release_left_is_counted_and_its_index_removed(open_index: Indexes, directory: Path) -> None:
    for path in directory.glob("*/.known-*"):
        path.rmdir()
    shutil.rmtree(directory.with_name("cache-host"))
    for name in ("index.sqlite3", "index.sqlite3-wal", "index.sqlite3.lock"):
        (directory / ".control" / name).touch()
    (directory / "native" / ".id-0").mkdir()
    cache = settled(directory, open_index)
    assert_holds(cache, CONTENTS)
    assert {path.name for path in (directory / ".control").iterdir()} <= {"locks", "name"}
    assert [path.name[:7] for path in (directory / "native").glob(".*")] == [".known-"]
    cache.close()
