"""24 photographs in one width and in four over HTTP, nothing made yet and with the levels there; many small sources."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyvips
from tests.servers import Server, run, start_server

from bench.figures import WORK, Figure, fresh, paired, seconds
from bench.photographs import photographs

WIDTHS = (150, 400, 800, 1600)
CLIENTS = 4
SMALL, SMALL_WIDTH = 1000, 200


def sizes() -> list[Figure]:
    work = fresh("sizes")
    data = work / "data"
    run(data, "ingest", *map(str, photographs())).check_returncode()
    idents = [path.name for path in sorted((data / "store" / "images").glob("*/*"))]
    count = 0

    def cold(widths: Sequence[int] = WIDTHS) -> float:
        nonlocal count
        count += 1
        return _with_server(data, work / f"cache{count}", idents, widths)

    def warm() -> float:
        nonlocal count
        count += 1
        run(data, "derive", MEZZOTINT_CACHE_DIR=str(work / f"cache{count}")).check_returncode()
        return _with_server(data, work / f"cache{count}", idents, WIDTHS)

    one, floor_one, ratio_one = paired(lambda: cold((400,)), lambda: _floor(work, (400,)))
    a, floor_a, ratio_a = paired(cold, lambda: _floor(work, WIDTHS))
    b, floor_b, ratio_b = paired(warm, lambda: _floor(work, WIDTHS))
    what = f"{len(idents)} photographs, widths {', '.join(map(str, WIDTHS))}, {CLIENTS} clients"
    narrow = f"{len(idents)} photographs, width 400, {CLIENTS} clients: cold"
    return [
        Figure(narrow, f"{one:.2f} s", f"{floor_one:.2f} s", ratio_one, "at most 1.05", ratio_one <= 1.05),
        Figure(f"{what}: cold", f"{a:.2f} s", f"{floor_a:.2f} s", ratio_a, "at most 0.5", ratio_a <= 0.5),
        Figure(f"{what}: levels there", f"{b:.2f} s", f"{floor_b:.2f} s", ratio_b, "at most 0.15", ratio_b <= 0.15),
        _small(work),
    ]


def _small(work: Path) -> Figure:
    """CPU of all processes, in seconds."""
    sources = _small_sources()
    data = work / "small"
    run(data, "ingest", str(sources)).check_returncode()
    idents = [path.name for path in sorted((data / "store" / "images").glob("*/*"))]
    count = 0

    def ours() -> float:
        nonlocal count
        count += 1
        cache = str(work / f"small-cache{count}")
        server = start_server(data, MEZZOTINT_WORKERS="2", MEZZOTINT_CACHE_DIR=cache, MEZZOTINT_MEMORY_CACHE="0")
        try:
            before = _cpu(server)
            with ThreadPoolExecutor(CLIENTS) as clients:
                list(clients.map(lambda part: _ask(server, part, (SMALL_WIDTH,)), [idents[i::8] for i in range(8)]))
            return _cpu(server) - before
        finally:
            server.stop()

    def floor() -> float:
        before = os.times()
        _floor(work, (SMALL_WIDTH,), sorted(sources.glob("*.jpg")))
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system - _START

    taken, least, ratio = paired(ours, floor)
    what = f"{SMALL:,} sources of 800 x 600 to {SMALL_WIDTH}, CPU"
    return Figure(what, f"{taken:.2f} s", f"{least:.2f} s", ratio, "at most 1.25", ratio <= 1.25)


_START = 0.15
"""seconds of CPU that the floor's process takes to start"""


def _small_sources() -> Path:
    folder = WORK / "small"
    if len(list(folder.glob("*.jpg"))) != SMALL:
        folder.mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(photographs()):
            whole = pyvips.Image.thumbnail(str(path), 1000, height=800, crop="centre").copy_memory()
            for i in range(number, SMALL, len(photographs())):
                part = whole.crop(i // len(photographs()) * 4, i % 190, 800, 600)
                part.jpegsave(str(folder / f"{i:04d}.jpg"), Q=85)
    return folder


def _cpu(server: Server) -> float:
    """Seconds of all processes of a server."""
    ticks, pending, seen = 0, [server.process.pid], set[int]()
    while pending:
        pid = pending.pop()
        seen.add(pid)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
        for task in Path(f"/proc/{pid}/task").iterdir():
            pending += [int(child) for child in (task / "children").read_text().split() if int(child) not in seen]
    return ticks / os.sysconf("SC_CLK_TCK")


def _with_server(data: Path, cache: Path, idents: list[str], widths: Sequence[int]) -> float:
    server = start_server(data, MEZZOTINT_WORKERS="2", MEZZOTINT_CACHE_DIR=str(cache), MEZZOTINT_MEMORY_CACHE="0")
    try:
        with ThreadPoolExecutor(CLIENTS) as clients:
            return seconds(lambda: list(clients.map(lambda ident: _ask(server, [ident], widths), idents)))
    finally:
        server.stop()


def _ask(server: Server, idents: Sequence[str], widths: Sequence[int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for ident in idents:
        for width in widths:
            connection.request("GET", f"/images/{ident}-w{width}.jpg")
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
    connection.close()


def _floor(work: Path, widths: Sequence[int], paths: Sequence[Path] | None = None) -> float:
    out = work / "floor"
    out.mkdir(exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "bench.floor",
        str(out),
        ",".join(map(str, widths)),
        *map(str, paths or photographs()),
    ]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
