"""Memory of all server processes after 10,000 mixed renders against after 1,000."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.servers import Server, run, start_server

from bench.figures import Figure, fresh
from bench.photographs import photographs

FORMATS = ("jpg", "jpg", "jpg", "webp", "png")


def memory() -> list[Figure]:
    data = fresh("memory") / "data"
    run(data, "ingest", *map(str, photographs())).check_returncode()
    idents = [path.name for path in sorted((data / "store" / "images").glob("*/*"))]
    server = start_server(data, MEZZOTINT_WORKERS="2", MEZZOTINT_CACHE_MAX_SIZE="200M")
    choose = random.Random(1)
    names = (
        f"{choose.choice(idents)}-{choose.choice(('fit', 'cover'))}"
        f"{choose.randrange(60, 900)}x{choose.randrange(60, 900)}"
        f"{choose.choice(('', '', '-gray', '-rotate90'))}.{choose.choice(FORMATS)}"
        for _ in itertools.count()
    )
    try:
        _render(server, names, 1000)
        early = resident(server.process.pid)
        _render(server, names, 9000)
        late = resident(server.process.pid)
    finally:
        server.stop()
    ratio = late / early
    what = "memory after 10,000 mixed renders against after 1,000"
    return [Figure(what, f"{late / 1e6:.0f} MB", f"{early / 1e6:.0f} MB", ratio, "at most 1.2", ratio <= 1.2)]


def _render(server: Server, names: object, count: int) -> None:
    batch = list(itertools.islice(names, count))  # type: ignore[call-overload]
    with ThreadPoolExecutor(4) as clients:
        for answer in clients.map(lambda name: server.http.get(f"/images/{name}"), batch):
            assert answer.status_code == 200, answer.text


def resident(pid: int) -> int:
    """Bytes of memory that a process and its children hold, shared pages counted once (PSS)."""
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            total += int(line.split()[1]) * 1024
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            total += resident(int(child))
    return total
