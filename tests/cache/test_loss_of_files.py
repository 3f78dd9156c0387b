"""Files, the index's file, or all of it removed at run time, by whoever: nothing fails, and in the end all agree."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mezzotint.cache.places import KINDS
from mezzotint.cache.rescanning import rescan
from tests.cache.caches import assert_holds, counted, held, name_of, name_of_any_kind, open_cache, settled
from tests.cache.indexes import Indexes

STORM = """
import hashlib, json, random, threading, traceback
from mezzotint.cache.places import KINDS, name_at

cache = open_cache(Path(sys.argv[1]), 10**9, open_index)
stop, failures = threading.Event(), set()

def step(what, name):
    if what < 4:
        cache.put(name, name.encode())
    elif what < 8:
        found = cache.open(name)
        assert found is None or found.read() == name.encode()
    elif what == 8:
        cache.flush()
        cache.totals()
    elif cache.look():
        cache.complete()

def work(seed):
    choose = random.Random(seed)
    while not stop.is_set():
        try:
            group = hashlib.sha256(b"%d" % choose.randrange(12)).hexdigest()
            step(choose.randrange(10), f"{group}-{choose.randrange(1, 5)}x1.jpg")
        except BaseException as failure:
            where = traceback.extract_tb(failure.__traceback__)[-1]
            failures.add(f"{failure!r} in {where.name}: {where.line}")

def tell(**said):
    print(json.dumps(said), flush=True)

threads = [threading.Thread(target=work, args=(sys.argv[2] + which,)) for which in "ab"]
for thread in threads:
    thread.start()
tell()
for line in sys.stdin:
    match line.strip():
        case "stop":
            stop.set()
            for thread in threads:
                thread.join()
            tell(failures=sorted(failures))
        case "settle":
            if cache.look():
                cache.complete()
            tell()
        case "count":
            there = [str(p.relative_to(cache.directory)) for k in KINDS for p in (cache.directory / k).rglob("*.jpg")]
            opened = [cache.open(name_at(path)) for path in there]
            whole = sum(found is not None and found.read() == found.name.encode() for found in opened)
            tell(whole=whole, files=cache.totals().files, bytes=cache.totals().bytes)
cache.close()
"""


def remove(*paths: Path) -> None:
    """As `rm -rf` does: what others make meanwhile may stay."""
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            path.unlink()


def everything(directory: Path) -> None:
    remove(*directory.iterdir())


def control(directory: Path) -> None:
    remove(directory / ".control")


def pictures(directory: Path) -> None:
    remove(*(directory / kind for kind in KINDS))


def index_file(directory: Path) -> None:
    remove(*directory.with_name(f"{directory.name}-host").glob("host.sqlite3*"))


REMOVALS = [everything, control, pictures, index_file]


@pytest.mark.parametrize("removal", REMOVALS)
def test_a_cache_goes_on_after(open_index: Indexes, tmp_path: Path, removal: Callable[[Path], None]) -> None:
    cache, contents = open_cache(tmp_path / "cache", open_index=open_index), dict[str, bytes]()
    for turn in range(10):
        for n in range(6):
            name = name_of_any_kind(turn * 6 + n)
            cache.put(name, b"x" * (n + 1))
            contents[name] = b"x" * (n + 1)
        removal(cache.directory)
        if removal in {everything, pictures}:
            contents.clear()
        assert [name for name in contents if held(cache, name) != contents[name]] == []
        settled([cache])
        assert_holds(cache, contents)
    cache.close()


def test_a_removal_that_goes_on_is_noticed_in_the_end(open_index: Indexes, tmp_path: Path) -> None:
    """It has listed what it removes, so that it leaves the new directories' stamps, and takes files that were kept
    before it came to them: a rescan that has mended something does not say that all is known."""
    one, another = (open_cache(tmp_path / "cache", open_index=open_index) for _ in range(2))
    contents = {name_of_any_kind(n): b"x" * (n + 1) for n in range(8)}
    everything(one.directory)
    for name, data in contents.items():
        one.put(name, data)
    going = list(contents)[:3]

    def remove_one(count: int) -> None:
        """One of those that were seen already, as the files are gone through."""
        if count == 5 and going:
            name = going.pop()
            (one.directory / one.path_of(name)).unlink()
            del contents[name]

    while going:
        assert not rescan(one.ledger, remove_one)
        assert one.look()
    assert rescan(one.ledger, remove_one)
    settled((one, another))
    for cache in (one, another):
        assert_holds(cache, contents)
        assert not cache.look()
        cache.close()


def test_a_new_cache_is_complete_and_stays_so(open_index: Indexes, tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "cache", open_index=open_index)
    settled([cache])
    assert not cache.look()
    cache.put(name_of(1), b"one")
    assert not cache.look()
    cache.close()


ORDERS = list(itertools.permutations(["one puts", "one looks", "another looks", "a third begins"]))


@pytest.mark.parametrize("removal", REMOVALS)
def test_processes_agree_after_in_whatever_order_they_go_on(
    open_index: Indexes, tmp_path: Path, removal: Callable[[Path], None]
) -> None:
    def agree(order: tuple[str, ...], directory: Path) -> bool:
        one, another = caches = [open_cache(directory, open_index=open_index) for _ in range(2)]
        before = {name_of_any_kind(n): b"before" for n in range(5)}
        for name, data in before.items():
            one.put(name, data)
        removal(directory)
        contents = {} if removal in {everything, pictures} else before
        for step in order:
            match step:
                case "one puts":
                    one.put(name_of(11), b"one")
                case "one looks":
                    settled([one])
                case "another looks":
                    settled([another])
                case "a third begins":
                    caches.append(open_cache(directory, open_index=open_index))
                    caches[2].put(name_of(13), b"a third")
        settled(caches * 2)
        try:
            for cache in caches:
                assert_holds(cache, contents | {name_of(11): b"one", name_of(13): b"a third"})
        except AssertionError:
            return False
        finally:
            for cache in caches:
                cache.close()
        return True

    assert [order for n, order in enumerate(ORDERS) if not agree(order, tmp_path / f"{n}")] == []


@pytest.mark.parametrize("removal", REMOVALS)
def test_processes_go_on_and_agree_after_a_storm_of(
    open_index: Indexes, tmp_path: Path, removal: Callable[[Path], None]
) -> None:
    processes = [open_index.process(STORM, tmp_path / "cache", f"{n}") for n in range(3)]

    def ask(process: subprocess.Popen[str], what: str = "") -> dict[str, Any]:
        assert process.stdin is not None and process.stdout is not None
        if what:
            process.stdin.write(what + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        told: dict[str, Any] = json.loads(line)
        return told

    try:
        for process in processes:
            ask(process)
        for _ in range(30):
            removal(tmp_path / "cache")
            time.sleep(0.05)
        failures = {failure for process in processes for failure in ask(process, "stop")["failures"]}
        cache = open_cache(tmp_path / "cache", open_index=open_index)
        cache.rescan()  # a removal that was held up goes on behind a look that found all well: nothing else tells that
        for process in processes * 2:
            ask(process, "settle")
        found = [ask(process, "count") for process in processes]
        errors = [process.communicate()[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [line for error in errors for line in error.splitlines() if "begun anew" not in line] == []
    exact = counted(cache)
    cache.close()
    assert found == [{"whole": exact.files, "files": exact.files, "bytes": exact.bytes}] * 3
    assert failures == set()
