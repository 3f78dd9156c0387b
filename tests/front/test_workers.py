"""The process that forks workers: it replaces the dead, gives up where none gets ready, and ends with all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.backends.processes import children
from tests.waiting import PATIENCE, until

PROGRAM = """
import errno, os, signal, sys, time
from mezzotint.front.workers import Workers, listen
kind = sys.argv[1]
if kind == "no room":
    fork, asked = os.fork, []
    def scarce():
        asked.append(1)
        if len(asked) in {3, 4}:  # two workers; then twice there is no room for a third
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        return fork()
    os.fork = scarce
def work(listening, ready):
    if kind == "never ready":
        sys.exit(3)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if kind == "stubborn" else lambda *it: sys.exit(0))
    ready()
    print("ready", flush=True)
    while True:
        time.sleep(60)
sys.exit(Workers(listen("127.0.0.1", 0, 2), work, finish=0.5 if kind == "stubborn" else 60, patience=0.5).run())
"""


def begun(kind: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen([sys.executable, "-c", PROGRAM, kind], stdout=output, stderr=output)


def ready(log: Path, count: int) -> None:
    until(lambda: log.read_text().count("ready") >= count)


def test_workers_that_never_get_ready_end_it(tmp_path: Path) -> None:
    process = begun("never ready", tmp_path / "log")
    assert process.wait(PATIENCE) == 1
    assert "workers end before they are ready, again and again" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("kind", ["as usual", "no room"])
def test_those_that_are_killed_are_replaced_as_often_as_that_happens(tmp_path: Path, kind: str) -> None:
    log = tmp_path / "log"
    process = begun(kind, log)
    for round_ in range(6):
        ready(log, 2 + round_)
        until(lambda: len(children(process.pid)) == 2)
        victim = min(children(process.pid))
        os.kill(victim, signal.SIGKILL)
        until(partial(is_gone, victim, process.pid))
    ready(log, 8)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert ("a worker cannot be begun" in log.read_text()) == (kind == "no room")


def is_gone(pid: int, parent: int) -> bool:
    return pid not in children(parent)


ENDS = [("stubborn", signal.SIGTERM), ("stubborn", signal.SIGINT), ("as usual", signal.SIGINT)]


@pytest.mark.parametrize(("kind", "number"), ENDS)
def test_it_ends_with_all_of_them(tmp_path: Path, kind: str, number: int) -> None:
    log = tmp_path / "log"
    process = begun(kind, log)
    ready(log, 2)
    workers = children(process.pid)
    process.send_signal(number)
    assert process.wait(PATIENCE) == 0
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
