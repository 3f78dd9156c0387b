"""What all processes of a host have together: never more than there is, at once free when a holder is killed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mezzotint.errors import GivenUp
from mezzotint.host.allowance import PARTS, Allowance
from tests.waiting import PATIENCE

HOLDER = """
import sys
from pathlib import Path
from mezzotint.host.allowance import Allowance
with Allowance(Path(sys.argv[1]), 1000).hold(900, lambda: None):
    print("held", flush=True)
    sys.stdin.read()
"""


def patient() -> None:
    """Waits on."""


def impatient() -> None:
    raise GivenUp("it is taken")


def test_what_is_there_can_be_held_and_no_more(tmp_path: Path) -> None:
    allowance = Allowance(tmp_path / "some", 1000)
    with allowance.hold(400, impatient), allowance.hold(590, impatient):
        with pytest.raises(GivenUp), allowance.hold(100, impatient):
            pass
        with Allowance(tmp_path / "other", 1000).hold(1000, impatient):
            pass
    with allowance.hold(1000, impatient):
        pass
    with allowance.hold(5000, impatient):
        pass


def test_each_amount_takes_at_least_its_share(tmp_path: Path) -> None:
    allowance = Allowance(tmp_path / "some", 1 << 30)
    held = [allowance.hold(amount, impatient) for amount in (0, 1, (1 << 30) // PARTS + 1)]
    for one in held:
        one.__enter__()
    with pytest.raises(GivenUp), allowance.hold((1 << 30) - 3 * (1 << 30) // PARTS, impatient):
        pass
    with allowance.hold((1 << 30) - 4 * (1 << 30) // PARTS, impatient):
        pass
    for one in held:
        one.__exit__(None, None, None)


def test_together_they_never_hold_more(tmp_path: Path) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def work(amount: int) -> None:
        nonlocal now, most
        for _ in range(10):
            with Allowance(tmp_path / "some", 1000).hold(amount, patient):
                with lock:
                    now += amount
                    most = max(most, now)
                with lock:
                    now -= amount

    threads = [threading.Thread(target=work, args=[amount]) for amount in (100, 300, 500, 700, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert most == 1000


def test_who_wants_much_is_not_overtaken(tmp_path: Path) -> None:
    allowance, order = Allowance(tmp_path / "some", 1000), list[str]()

    def work(name: str, amount: int, check: Callable[[], None]) -> None:
        with allowance.hold(amount, check):
            order.append(name)

    waits = {"much": threading.Event(), "little": threading.Event()}
    with allowance.hold(500, patient):
        much = threading.Thread(target=work, args=["much", 900, waits["much"].set])
        much.start()
        assert waits["much"].wait(PATIENCE)
        little = threading.Thread(target=work, args=["little", 10, waits["little"].set])
        little.start()
        assert waits["little"].wait(PATIENCE)
        assert order == []
    much.join(PATIENCE)
    little.join(PATIENCE)
    assert order == ["much", "little"]


def test_what_a_killed_process_held_is_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "some")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        allowance = Allowance(tmp_path / "some", 1000)
        with pytest.raises(GivenUp), allowance.hold(200, impatient):
            pass
        holder.kill()
        holder.wait(PATIENCE)
        with allowance.hold(200, impatient):
            pass
