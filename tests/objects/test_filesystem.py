"""What a directory store leaves on the disk, and what it does not."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mezzotint.errors import NotFound
from mezzotint.objects import DirectoryStore
from tests.waiting import PATIENCE

KEY = "images/" + "ab" * 32

KILLED_WRITER = """
import os, sys
os.environ["MEZZOTINT_FAILPOINT"] = "files.before-place"
from pathlib import Path
from mezzotint.objects import DirectoryStore

DirectoryStore(Path(sys.argv[1])).put(sys.argv[2], b"half" * 100_000)
"""

LIMITED_WRITER = """
import resource, sys
from pathlib import Path
from mezzotint.errors import StorageFull
from mezzotint.objects import DirectoryStore

store = DirectoryStore(Path(sys.argv[1]))
store.put("images/small", b"fits")
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
refused = 0
for write in (store.put, store.put_if_absent):
    try:
        write("images/large", b"x" * 200_000)
    except StorageFull:
        refused += 1
store.put("images/after", b"fits too")
print(refused, [info.key for info in store.list()])
"""


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def python(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


def test_an_object_can_be_verified_with_plain_tools(tmp_path: Path) -> None:
    store, data = DirectoryStore(tmp_path), b"the bytes as they came in"
    ident = hashlib.sha256(data).hexdigest()
    store.put(f"images/{ident}", data)
    path = store.local_path(f"images/{ident}")
    assert path == tmp_path / "images" / ident[:2] / ident
    assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def test_nothing_but_objects_is_left_after_writing(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    body = tmp_path / "body"
    body.write_bytes(b"x")
    store.put(KEY, b"x")
    store.put(KEY, body)
    store.put_if_absent(KEY, b"y")
    store.put_if_absent(KEY + "0", body)
    store.move(KEY, "trash/abc")
    assert files(tmp_path / "store") == [store.local_path(key) for key in (KEY + "0", "trash/abc")]


def test_a_killed_writer_leaves_nothing_that_is_listed_or_found(tmp_path: Path) -> None:
    killed = python(KILLED_WRITER, tmp_path, KEY)
    assert killed.returncode == -9
    assert files(tmp_path), "the writer was killed before it began"
    store = DirectoryStore(tmp_path)
    assert list(store.list()) == []
    with pytest.raises(NotFound):
        store.stat(KEY)
    assert store.put_if_absent(KEY, b"whole") is True
    assert store.read(KEY) == b"whole"


def test_a_killed_writer_leaves_the_object_that_was_there(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put(KEY, b"before")
    assert python(KILLED_WRITER, tmp_path, KEY).returncode == -9
    assert store.read(KEY) == b"before"
    assert [info.key for info in store.list()] == [KEY]


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = python(LIMITED_WRITER, tmp_path)
    assert done.stdout.strip() == "2 ['images/after', 'images/small']", done.stderr
    assert sorted(path.name for path in files(tmp_path)) == ["after", "small"]


def test_no_file_in_the_place_of_an_object_is_ever_half_written(tmp_path: Path) -> None:
    store, size = DirectoryStore(tmp_path), 2_000_000
    seen: set[int] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for path in (tmp_path / "images").rglob("*"):
                if path.is_file():
                    seen.add(path.stat().st_size)

    looker = threading.Thread(target=look)
    looker.start()
    for n in range(20):
        store.put(f"images/{n:064x}", b"x" * size)
    done.set()
    looker.join()
    assert seen == {size}


def test_a_store_is_found_again_by_the_next_process(tmp_path: Path) -> None:
    DirectoryStore(tmp_path).put(KEY, b"kept")
    assert DirectoryStore(tmp_path).read(KEY) == b"kept"


def test_foreign_hidden_files_are_not_listed(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put(KEY, b"x")
    (tmp_path / ".marker").write_text("x")
    (tmp_path / "images" / ".DS_Store").write_text("x")
    assert [info.key for info in store.list()] == [KEY]


def test_no_directory_grows_with_all_objects(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for n in range(64):
        store.put(f"images/{hashlib.sha256(bytes([n])).hexdigest()}", b"")
    assert max(len(os.listdir(shard)) for shard in (tmp_path / "images").iterdir()) < 10


def test_what_somebody_has_put_among_the_objects_is_skipped_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = DirectoryStore(tmp_path / "store")
    store.put(KEY, b"ours")
    for stray in ("README.txt", "images/Thumbs.db", "images/ab/Desktop.ini", "images/ab/.DS_Store", "images/ab"):
        path = tmp_path / "store" / stray
        path.write_bytes(b"theirs") if not path.is_dir() else (path / "ab directory").mkdir()
    assert [info.key for info in store.list()] == [KEY]
    assert [info.key for info in store.list("images/")] == [KEY]
    told = " ".join(caplog.messages)
    assert all(told.count(name) == 1 for name in ("README.txt", "Thumbs.db", "Desktop.ini", ".DS_Store"))


def test_a_way_out_of_the_store_is_no_directory_of_it(tmp_path: Path) -> None:
    """A link that leads nowhere is neither file nor directory."""
    store = DirectoryStore(tmp_path / "store")
    store.put(KEY, b"ours")
    (tmp_path / "store" / "images" / "ab" / "nowhere").symlink_to(tmp_path / "nothing")
    (tmp_path / "store" / "nowhere").symlink_to(tmp_path / "nothing")
    assert [info.key for info in store.list()] == [KEY]
