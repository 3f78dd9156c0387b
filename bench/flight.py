"""100 clients that ask for the same uncached picture at once: how many times the base is decoded."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
from tests.servers import Server, start_server

from bench.figures import Figure, fresh
from bench.photographs import photographs

CLIENTS = 100


def flight() -> list[Figure]:
    server = start_server(fresh("flight") / "data", MEZZOTINT_WORKERS="2")
    try:
        ident = server.upload(photographs()[1].read_bytes())
        before = decodes(server)
        gate = threading.Barrier(CLIENTS)

        def ask(_: int) -> int:
            with httpx.Client(base_url=server.url, timeout=60) as client:
                gate.wait()
                return client.get(f"/images/{ident}-w777.jpg").status_code

        with ThreadPoolExecutor(CLIENTS) as clients:
            codes = list(clients.map(ask, range(CLIENTS)))
        made = decodes(server) - before
    finally:
        server.stop()
    good = codes.count(200)
    what = f"{CLIENTS} clients asking for the same uncached picture at once: decodes ({good} of them served)"
    return [Figure(what, f"{made:.0f}", "1", made, "exactly 1", made == 1 and good == CLIENTS)]


def decodes(server: Server) -> float:
    """Base decodes over all workers; their counts reach /metrics within a second."""
    for line in server.http.get("/metrics").text.splitlines():
        if line.startswith("mezzotint_base_decodes_total "):
            return float(line.split()[1])
    return 0.0
