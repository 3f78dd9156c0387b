"""Children: what they may not do, and that none of their ends is ours."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from mezzotint.errors import DamagedImage, GivenUp, RendererEnded
from mezzotint.transforms import geometry
from mezzotint.transforms.children import Crew
from mezzotint.transforms.children import crew as crew_module
from mezzotint.transforms.libvips import Source
from mezzotint.transforms.rendering import Renderer
from mezzotint.transforms.stopping import Stop
from tests.pictures import photograph
from tests.transforms.rendering import file_of, rendition, saved
from tests.waiting import PATIENCE, until

CONFINED = """
import os, socket, sys
from mezzotint.transforms.children import confine
if not confine.no_network():
    print("not offered here")
    sys.exit()
for what in (lambda: socket.socket(), lambda: socket.socketpair(), lambda: os.execv("/bin/true", ["true"])):
    try:
        what()
    except OSError as error:
        print(error.errno)
print(sum(range(10)), len(open("/proc/self/status").read()) > 0)
"""


def test_a_child_has_no_network_and_starts_no_other_program() -> None:
    found = subprocess.run([sys.executable, "-c", CONFINED], capture_output=True, text=True, check=True).stdout.split()
    assert found in (["1", "1", "1", "45", "True"], ["not", "offered", "here"])


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew(1)
    yield crew
    crew.close()


def source_of(path: Path, renderer: Renderer, text: str = "-w40.png") -> tuple[Source, geometry.Plan]:
    facts = renderer.header(path, max_pixels=10**9).facts
    stored = geometry.stored(facts)
    plan = geometry.plan(rendition(text, facts), facts, stored)
    return Source(path, stored, facts.format, True), plan


def the_child(crew: Crew) -> int:
    (child,) = crew._idle
    return child._process.pid


def test_one_child_does_one_order_after_the_other_and_is_gone_when_closed(tmp_path: Path, crew: Crew) -> None:
    renderer = Renderer(crew, 1 << 30, 60)
    source, plan = source_of(saved(tmp_path, file_of(photograph(90, 60), "BMP")), renderer)
    pid = the_child(crew)
    for _ in range(3):
        assert renderer.render(source, plan)[:4] == b"\x89PNG"
    assert the_child(crew) == pid
    crew.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_decoder_that_wants_more_memory_than_it_was_granted_is_refused_it(tmp_path: Path, crew: Crew) -> None:
    path = saved(tmp_path, file_of(Image.new("L", (9000, 9000)), "JPEG2000", no_jp2=True))
    little = Renderer(crew, 8 << 20, 60)
    source, plan = source_of(path, little, "-w3000.png")
    with pytest.raises(DamagedImage):
        little.render(source, plan)
    small, plan = source_of(saved(tmp_path, file_of(photograph(90, 60), "BMP")), little)
    assert little.render(small, plan)[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("how", "error"), [(signal.SIGSEGV, DamagedImage), (signal.SIGKILL, RendererEnded), (signal.SIGXCPU, GivenUp)]
)
def test_a_child_that_ends_at_work_costs_its_order_and_nothing_else(
    tmp_path: Path, crew: Crew, how: signal.Signals, error: type[Exception]
) -> None:
    renderer = Renderer(crew, 1 << 30, 60)
    source, plan = source_of(saved(tmp_path, file_of(photograph(90, 60), "BMP")), renderer)
    os.kill(the_child(crew), signal.SIGSTOP)  # so that it is at work when it ends
    pid = the_child(crew)

    def strike() -> None:
        until(lambda: not crew._idle)
        os.kill(pid, how)
        os.kill(pid, signal.SIGCONT)

    striking = threading.Thread(target=strike)
    striking.start()
    with pytest.raises(error):
        renderer.render(source, plan)
    striking.join(PATIENCE)
    assert renderer.render(source, plan)[:4] == b"\x89PNG"


def test_what_nobody_waits_for_is_ended_at_once(tmp_path: Path, crew: Crew) -> None:
    renderer = Renderer(crew, 1 << 30, 60)
    source, plan = source_of(saved(tmp_path, file_of(photograph(90, 60), "BMP")), renderer)
    os.kill(the_child(crew), signal.SIGSTOP)
    stop = Stop()

    def ask() -> None:
        until(lambda: not crew._idle)
        stop.ask(GivenUp("gone"))

    asking = threading.Thread(target=ask)
    asking.start()
    with pytest.raises(GivenUp, match="gone"):
        renderer.render(source, plan, stop)
    asking.join(PATIENCE)
    assert renderer.render(source, plan)[:4] == b"\x89PNG"


def test_a_child_that_died_idle_is_replaced(tmp_path: Path, crew: Crew) -> None:
    renderer = Renderer(crew, 1 << 30, 60)
    path = saved(tmp_path, file_of(photograph(90, 60), "BMP"))
    renderer.header(path, max_pixels=10**9)
    pid = the_child(crew)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert renderer.header(path, max_pixels=10**9).facts.width == 90


def test_what_a_decoder_says_tells_no_path(tmp_path: Path) -> None:
    renderer = Renderer(Crew(1), 1 << 30, 60)
    data = file_of(photograph(90, 60), "JPEG2000")
    with pytest.raises(DamagedImage) as refused:
        renderer.header(saved(tmp_path, data[:60] + bytes(200)), max_pixels=10**9)
    said = str(refused.value)
    assert "/" not in said and "0x" not in said and "fd" not in said
    renderer.close()


def test_a_child_that_leaves_as_an_order_comes_costs_nobody_the_picture(
    tmp_path: Path, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer = Renderer(crew, 1 << 30, 60)
    path = saved(tmp_path, file_of(photograph(90, 60), "BMP"))
    for _ in range(5):
        renderer.header(path, max_pixels=10**9)
        (child,) = crew._idle
        monkeypatch.setattr(child, "lives", lambda: True)
        child._socket.shutdown(socket.SHUT_WR)  # it reads an end, and goes
        assert renderer.header(path, max_pixels=10**9).facts.width == 90


def test_who_waits_for_a_place_can_be_told_to_stop(tmp_path: Path, crew: Crew) -> None:
    renderer = Renderer(crew, 1 << 30, 60)
    source, plan = source_of(saved(tmp_path, file_of(photograph(90, 60), "BMP")), renderer)
    os.kill(the_child(crew), signal.SIGSTOP)
    first, second = Stop(), Stop()
    ended: list[Exception] = []

    def busy() -> None:
        try:
            renderer.render(source, plan, first)
        except GivenUp as error:
            ended.append(error)

    working = threading.Thread(target=busy)
    working.start()
    until(lambda: not crew._idle)
    asking = threading.Timer(0.3, lambda: second.ask(GivenUp("gone")))
    asking.start()
    with pytest.raises(GivenUp, match="gone"):
        renderer.render(source, plan, second)
    assert ended == []
    first.ask(GivenUp("enough"))
    working.join(PATIENCE)
    assert len(ended) == 1


SAID = (b'{"bytes": 9e30}', b'{"bytes": -1}', b'{"bytes": 999999999999}', b"[]", b"{}", b"no JSON")


@pytest.mark.parametrize("said", [b"\xff\xff\xff\xff", *(len(one).to_bytes(4, "big") + one for one in SAID)])
def test_what_a_child_says_is_not_believed(tmp_path: Path, crew: Crew, said: bytes) -> None:
    renderer = Renderer(crew, 1 << 20, 60)
    path = saved(tmp_path, file_of(photograph(90, 60), "BMP"))
    renderer.header(path, max_pixels=10**9)
    (child,) = crew._idle
    ours, theirs = socket.socketpair()
    child._socket.close()
    child._socket = ours
    theirs.sendall(said)
    with suppress(DamagedImage, KeyError):
        renderer.header(path, max_pixels=10**9)
    theirs.close()


def test_a_child_that_hangs_is_given_up(tmp_path: Path, crew: Crew) -> None:
    renderer = Renderer(crew, 1 << 30, 0.1)
    source, plan = source_of(saved(tmp_path, file_of(photograph(90, 60), "BMP")), renderer)
    os.kill(the_child(crew), signal.SIGSTOP)
    with pytest.raises(GivenUp, match="longer than"):
        renderer.render(source, plan)


def test_a_decoder_that_ends_its_process_is_no_child_that_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which would be asked again for ever, or make an error that nobody knows."""
    monkeypatch.setattr(crew_module, "_PROGRAM", [sys.executable, "-c", "pass"])
    with pytest.raises(DamagedImage):
        Renderer(Crew(1), 1 << 30, 60).header(saved(tmp_path, file_of(photograph(9, 6), "BMP")), max_pixels=10**9)
