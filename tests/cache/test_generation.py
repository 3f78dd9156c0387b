"""The generation: processes share it, and it may be removed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.cache.generation import Generation
from tests.waiting import PATIENCE

LOOK = """
import os, sys, threading
from pathlib import Path
from mezzotint.cache.generation import Generation

path, failures = Path(sys.argv[1]), set()
generation = Generation(path)
print(len(os.listdir("/proc/self/fd")))

def look(barrier):
    barrier.wait()
    try:
        generation.look()
        generation.now()
    except Exception as failure:
        failures.add(repr(failure))

for _ in range(200):
    path.unlink()
    threads = [threading.Thread(target=look, args=(barrier,)) for barrier in [threading.Barrier(4)] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(len(os.listdir("/proc/self/fd")), *failures, sep="\\n")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control" / "generation"


@pytest.fixture
def generation(path: Path) -> Iterator[Generation]:
    opened = Generation(path)
    yield opened
    opened.close()


def test_a_generation_that_was_removed_begins_as_none_that_there_was(generation: Generation, path: Path) -> None:
    seen = {generation.now()}
    for _ in range(5):
        path.unlink()
        generation.look()
        seen.add(generation.now())
        generation.advance()
        seen.add(generation.now())
    assert len(seen) == 11


def test_those_that_look_share_the_one_that_is_there(generation: Generation, path: Path) -> None:
    other = Generation(path)
    path.unlink()
    for one in (generation, other):
        one.look()
    assert generation.now() == other.now()
    before = generation.now()
    other.advance()
    assert generation.now() == other.now() != before
    other.close()


@pytest.mark.parametrize("length", [0, 3, 7])
def test_a_generation_that_was_cut_short_goes_on(path: Path, length: int) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\1" * length)
    generation = Generation(path)
    before = generation.now()
    generation.advance()
    assert len(before) == 8
    assert generation.now() != before
    generation.close()


def test_looking_leaves_no_descriptor_open(generation: Generation, path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        path.unlink()
        generation.look()
    assert len(os.listdir("/proc/self/fd")) == before


def test_threads_that_look_together_close_what_is_theirs_only(path: Path) -> None:
    """In a process of its own, whose descriptors are nobody else's."""
    done = subprocess.run([sys.executable, "-c", LOOK, path], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stderr == ""
    before, after, *failures = done.stdout.splitlines()
    assert failures == []
    assert before == after
