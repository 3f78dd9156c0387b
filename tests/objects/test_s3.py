"""What is S3's own: servers that call themselves so and differ, and large objects in parts."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from mezzotint.errors import StoreUnavailable
from mezzotint.objects import ObjectStore
from mezzotint.objects.registry import open_store
from mezzotint.settings import Settings
from tests.backends.swift import SwiftCluster
from tests.contracts.stores import KEY, MEGABYTE, keys, opened
from tests.objects.between import Between
from tests.waiting import PATIENCE

LARGE_READER_AND_WRITER = """
import re, sys
from pathlib import Path
from mezzotint.settings import Settings
from mezzotint.objects.registry import open_store

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) << 10

store, body = open_store(sys.argv[1], Settings.read()), Path(sys.argv[2])
store.put("images/warm", b"x" * (1 << 20))
store.read("images/warm")
before = peak()
store.put("images/put", body)
store.put_if_absent("images/put-if-absent", body)
written = peak()
with store.get("images/put") as reader:
    received = sum(len(chunk) for chunk in reader.chunks())
print(received, written - before, peak() - written)
"""


def through(between: Between) -> ObjectStore:
    container = between.swift.new_container()
    return open_store(f"s3://{container}/some", Settings.read(between.environment()))


def test_a_server_that_ignores_conditions_does_not_arbitrate(between: Between) -> None:
    between.overwrites = True
    store = through(between)
    assert store.arbitrates() is False
    assert keys(store) == []


def test_a_server_that_lets_two_racers_win_does_not_arbitrate(swift: SwiftCluster) -> None:
    """Swift's own s3api does: it looks at the condition before the body has come, and not again."""
    store = opened("s3", swift, swift.new_container())
    assert store.arbitrates() is False
    assert keys(store) == []


def test_a_server_that_keeps_conditions_arbitrates(between: Between) -> None:
    between.one_by_one = True
    store = through(between)
    assert store.arbitrates() is True
    assert keys(store) == []
    between.one_by_one, between.overwrites = False, True
    assert store.arbitrates() is True, "it was tried out more than once"


def test_an_answer_lost_as_the_server_is_tried_out_leaves_nothing_behind(between: Between) -> None:
    between.one_by_one, between.unanswered = True, 1
    store = through(between)
    assert store.arbitrates() is True
    assert between.unanswered == 0
    assert keys(store) == []


def test_where_conditions_are_ignored_what_is_there_stays(between: Between) -> None:
    between.overwrites = True
    store = through(between)
    assert store.put_if_absent(KEY, b"first") is True
    assert store.put_if_absent(KEY, b"second") is False
    assert store.read(KEY) == b"first"


def test_qualification_without_a_bucket_is_no_answer(swift: SwiftCluster) -> None:
    store = opened("s3", swift, f"never-{uuid.uuid4().hex}")
    with pytest.raises(StoreUnavailable, match="no such bucket"):
        store._store.arbitrates()  # type: ignore[attr-defined]


@pytest.mark.parametrize("scheme", ["s3", "swift"])
def test_a_large_object_goes_through_little_memory(swift: SwiftCluster, tmp_path: Path, scheme: str) -> None:
    """Python's own account would not see what obstore takes: a process of its own is measured."""
    size = 80 * MEGABYTE
    body = tmp_path / "large"
    with body.open("wb") as stream:
        stream.truncate(size)
    command = [sys.executable, "-c", LARGE_READER_AND_WRITER, f"{scheme}://{swift.new_container()}", str(body)]
    done = subprocess.run(
        command, env=swift.environment(), capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path
    )
    assert done.stdout, done.stderr
    received, writing, reading = map(int, done.stdout.split())
    assert received == size
    assert writing < 60 * MEGABYTE
    assert reading < 20 * MEGABYTE
