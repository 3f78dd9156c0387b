"""Files appear whole, or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mezzotint.errors import StorageFull
from mezzotint.host.files import (
    full_is_told,
    make_directory,
    open_shared,
    place,
    sync,
    temporary,
    version_of,
    while_removed,
)
from tests.waiting import PATIENCE

KILLED = """
import os, signal, sys
from pathlib import Path
from mezzotint.host.files import temporary
with temporary(Path(sys.argv[1])) as (part, stream):
    stream.write(b"half" * 100_000)
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""

LIMITED = """
import resource, sys
from pathlib import Path
from mezzotint.errors import StorageFull
from mezzotint.host.files import place, sync, temporary
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
path = Path(sys.argv[1])
try:
    with temporary(path.parent) as (part, stream):
        stream.write(b"x" * int(sys.argv[2]))
        sync(stream)
        place(part, path)
except StorageFull:
    print("full")
"""


def write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """As every file is written: aside, synced where that matters, then given its name."""
    with temporary(path.parent, durable=durable) as (part, stream):
        stream.write(data)
        if durable:
            sync(stream)
        stream.flush()
        place(part, path, durable=durable)


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced_as_a_whole(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "new" / "below" / "file"
    write(path, b"first", durable=durable)
    write(path, b"second", durable=durable)
    assert path.read_bytes() == b"second"
    assert [one.name for one in path.parent.iterdir()] == ["file"]


def test_readers_see_one_whole_content_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [letter * 200_000 for letter in (b"a", b"b", b"c")]
    write(path, contents[0], durable=False)
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            for content in contents:
                write(path, content, durable=False)

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        assert all(path.read_bytes() in contents for _ in range(100))
    finally:
        stop.set()
        writer.join()


def test_a_temporary_file_is_gone_afterwards(tmp_path: Path) -> None:
    with temporary(tmp_path / "new") as (part, stream):
        stream.write(b"x")
        assert part.exists()
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(ZeroDivisionError), temporary(tmp_path / "new") as (part, stream):
        raise ZeroDivisionError
    assert list((tmp_path / "new").iterdir()) == []


def test_a_killed_writer_leaves_only_a_hidden_part(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=PATIENCE).returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")


@pytest.mark.parametrize("size", [10_001, 500_000])
def test_a_full_disk_leaves_the_old_file_and_no_part(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    command = [sys.executable, "-c", LIMITED, str(path), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.strip() == "full", done.stderr
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_every_spelling_of_no_space_is_one_error(number: int) -> None:
    with pytest.raises(StorageFull, match="a picture"), full_is_told("a picture"):
        raise OSError(number, os.strerror(number))


def test_other_failures_are_not_taken_for_a_full_disk() -> None:
    with pytest.raises(PermissionError), full_is_told("a picture"):
        raise PermissionError(errno.EACCES, "denied")


def test_placing_only_where_nothing_is_keeps_what_is_there(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "deep" / "target"
    source.write_bytes(b"new")
    assert place(source, target, only_if_absent=True) is True
    source.unlink()
    source.write_bytes(b"newer")
    assert place(source, target, only_if_absent=True) is False
    assert target.read_bytes() == b"new"
    assert place(source, target) is True
    assert target.read_bytes() == b"newer"


def test_of_many_racers_exactly_one_places(tmp_path: Path) -> None:
    barrier, won = threading.Barrier(8), list[int]()

    def race(racer: int) -> None:
        source = tmp_path / f"source{racer}"
        source.write_bytes(str(racer).encode())
        barrier.wait()
        if place(source, tmp_path / "target", only_if_absent=True):
            won.append(racer)

    threads = [threading.Thread(target=race, args=(racer,)) for racer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "target").read_bytes() == str(won[0]).encode()
    assert len(won) == 1


def test_directories_are_made_by_many_at_once(tmp_path: Path) -> None:
    barrier, failures = threading.Barrier(8), list[BaseException]()

    def make() -> None:
        barrier.wait()
        try:
            make_directory(tmp_path / "a" / "b" / "c")
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_a_file_in_the_way_of_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(OSError):
        make_directory(tmp_path / "a" / "b")


def test_what_was_synced_is_on_the_disk_for_others(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as stream:
        stream.write(b"buffered")
        sync(stream)
        assert (tmp_path / "file").read_bytes() == b"buffered"


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "host").symlink_to(tmp_path / "a disk that is not there")
    with pytest.raises(FileNotFoundError):
        open_shared(tmp_path / "host" / "locks")


def test_what_is_removed_a_few_times_is_done_in_the_end() -> None:
    tries = iter([False] * 5 + [True])

    def work() -> str:
        if not next(tries):
            raise FileNotFoundError
        return "done"

    assert while_removed(work) == "done"


def test_the_version_of_a_file_changes_with_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    before = version_of(path.stat())
    assert version_of(path.stat()) == before
    path.write_bytes(b"two")
    os.utime(path, (0, 0))
    assert version_of(path.stat()) != before
