"""24 photographs in four widths over HTTP: nothing made yet, and with the levels there."""

from __future__ import annotations

import http.client
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.servers import Server, run, start_server

from bench.figures import Figure, fresh, paired, seconds
from bench.photographs import photographs

WIDTHS = (150, 400, 800, 1600)
CLIENTS = 4


def sizes() -> list[Figure]:
    work = fresh("sizes")
    data = work / "data"
    run(data, "ingest", *map(str, photographs())).check_returncode()
    idents = [path.name for path in sorted((data / "store" / "images").glob("*/*"))]
    count = 0

    def cold() -> float:
        nonlocal count
        count += 1
        return _with_server(data, work / f"cache{count}", idents)

    def warm() -> float:
        for path in (work / f"cache{count}" / "native").rglob("*.jpg"):
            if path.suffix == ".jpg":
                path.unlink()
        return _with_server(data, work / f"cache{count}", idents)

    a, floor_a, ratio_a = paired(cold, lambda: _floor(work))
    b, floor_b, ratio_b = paired(warm, lambda: _floor(work))
    what = f"{len(idents)} photographs, widths {', '.join(map(str, WIDTHS))}, {CLIENTS} clients"
    return [
        Figure(f"{what}: cold", f"{a:.2f} s", f"{floor_a:.2f} s", ratio_a, "at most 0.5", ratio_a <= 0.5),
        Figure(f"{what}: levels there", f"{b:.2f} s", f"{floor_b:.2f} s", ratio_b, "at most 0.17", ratio_b <= 0.17),
    ]


def _with_server(data: Path, cache: Path, idents: list[str]) -> float:
    server = start_server(data, MEZZOTINT_WORKERS="2", MEZZOTINT_CACHE_DIR=str(cache), MEZZOTINT_MEMORY_CACHE="0")
    try:
        with ThreadPoolExecutor(CLIENTS) as clients:
            return seconds(lambda: list(clients.map(lambda ident: _all_widths(server, ident), idents)))
    finally:
        server.stop()


def _all_widths(server: Server, ident: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for width in WIDTHS:
        connection.request("GET", f"/images/{ident}-w{width}.jpg")
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
    connection.close()


def _floor(work: Path) -> float:
    out = work / "floor"
    out.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "bench.floor", str(out), ",".join(map(str, WIDTHS)), *map(str, photographs())]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
