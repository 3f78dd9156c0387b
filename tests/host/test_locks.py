"""Locks between processes that die with their holder."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mezzotint.host.locks import HostLocks
from tests.waiting import PATIENCE

HOLD = """
import sys, time
from pathlib import Path
from mezzotint.host.locks import HostLocks
with HostLocks(Path(sys.argv[1])).hold(sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""

COUNT = """
import sys
from pathlib import Path
from mezzotint.host.locks import HostLocks
locks, counter = HostLocks(Path(sys.argv[1])), Path(sys.argv[2])
for _ in range(40):
    with locks.hold("counter"):
        counter.write_text(str(int(counter.read_text()) + 1))
"""


@pytest.fixture
def locks(tmp_path: Path) -> HostLocks:
    return HostLocks(tmp_path / "control" / "locks")


@contextmanager
def held_elsewhere(tmp_path: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it is killed."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "control" / "locks"), name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def free(locks: HostLocks, name: str) -> bool:
    with locks.attempt(name) as mine:
        return mine


def test_a_lock_is_free_again_after_it_was_held(locks: HostLocks) -> None:
    with locks.hold("a") as waited:
        assert waited is False
        assert not free(locks, "a")
    assert free(locks, "a")


def test_locks_of_other_names_are_free(locks: HostLocks) -> None:
    with locks.hold("a"):
        assert all(free(locks, f"name {n}") for n in range(100))


def test_a_lock_is_released_when_the_work_under_it_fails(locks: HostLocks) -> None:
    with pytest.raises(ZeroDivisionError), locks.hold("a"):
        raise ZeroDivisionError
    assert free(locks, "a")


def test_an_attempt_that_failed_takes_nothing_from_the_holder(locks: HostLocks) -> None:
    with locks.hold("a"):
        for _ in range(3):
            assert not free(locks, "a")


def test_a_lock_keeps_other_processes_out(locks: HostLocks, tmp_path: Path) -> None:
    with held_elsewhere(tmp_path, "a"):
        assert not free(locks, "a")
        assert free(locks, "b")


def test_a_lock_is_released_when_its_holder_is_killed(locks: HostLocks, tmp_path: Path) -> None:
    with held_elsewhere(tmp_path, "a") as process:
        assert not free(locks, "a")
        process.kill()
        process.wait()
        assert free(locks, "a")


def test_whoever_waits_goes_on_when_the_holder_is_killed(tmp_path: Path) -> None:
    waiting, waited = threading.Event(), list[bool]()

    class Telling(HostLocks):
        """Tells when the lock was found taken."""

        @staticmethod
        def _try(descriptor: int, name: str) -> bool:
            mine = HostLocks._try(descriptor, name)
            if not mine:
                waiting.set()
            return mine

    def wait() -> None:
        with Telling(tmp_path / "control" / "locks").hold("a") as behind:
            waited.append(behind)

    with held_elsewhere(tmp_path, "a") as process:
        waiter = threading.Thread(target=wait)
        waiter.start()
        assert waiting.wait(PATIENCE)
        assert waited == []
        process.kill()
        waiter.join(PATIENCE)
    assert waited == [True]


def test_whoever_sleeps_has_it_when_the_holder_is_killed(locks: HostLocks, tmp_path: Path) -> None:
    has = threading.Event()

    def sleep() -> None:
        with locks.sleep_until_held("a"):
            assert not free(locks, "a")
            has.set()

    with held_elsewhere(tmp_path, "a") as process:
        sleeper = threading.Thread(target=sleep)
        sleeper.start()
        assert not has.wait(0.2)
        process.kill()
        sleeper.join(PATIENCE)
    assert has.is_set()
    assert free(locks, "a")


def test_threads_exclude_each_other(locks: HostLocks, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")

    def count() -> None:
        for _ in range(20):
            with locks.hold("counter"):
                counter.write_text(str(int(counter.read_text()) + 1))

    threads = [threading.Thread(target=count) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "100"


def test_processes_exclude_each_other(locks: HostLocks, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", COUNT, str(tmp_path / "control" / "locks"), str(counter)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(PATIENCE) for process in processes] == [0, 0, 0]
    assert counter.read_text() == "120"


def test_locks_leave_one_file_however_many_there_were(locks: HostLocks, tmp_path: Path) -> None:
    for n in range(50):
        with locks.hold(f"name {n}"):
            pass
    assert [path.name for path in (tmp_path / "control").iterdir()] == ["locks"]
