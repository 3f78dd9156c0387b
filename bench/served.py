"""A cached derivative over HTTP against nginx giving the same file from disk: one worker each."""

from __future__ import annotations

import re

import httpx
from tests.servers import start_server

from bench.figures import Figure, fresh, need, paired, shell
from bench.nginx import nginx
from bench.photographs import photographs


def served() -> list[Figure]:
    need("nginx", "wrk")
    work = fresh("served")
    server = start_server(work / "data")
    ident = server.upload(photographs()[0].read_bytes())
    name = _about_17_kb(server.http, ident)
    root = work / "root"
    root.mkdir()
    (root / "picture.jpg").write_bytes(server.http.get(name).content)
    try:
        with nginx(work, root) as port:
            floor_url, our_url = f"http://127.0.0.1:{port}/picture.jpg", f"{server.url}{name}"
            assert httpx.get(floor_url).content == httpx.get(our_url).content
            a, b, ratio = paired(lambda: rate(our_url), lambda: rate(floor_url), rounds=5)
    finally:
        server.stop()
    size = (root / "picture.jpg").stat().st_size // 1000
    what = f"a cached {size} KB derivative, 1 worker, 32 connections, against nginx"
    return [Figure(what, f"{a:,.0f}/s", f"{b:,.0f}/s", ratio, "at least 0.45", ratio >= 0.45)]


def _about_17_kb(http: httpx.Client, ident: str) -> str:
    names = [f"/images/{ident}-{width}x{width * 3 // 4}.jpg" for width in range(120, 1200, 20)]
    return min(names, key=lambda name: abs(len(http.get(name).content) - 17_000))


def rate(url: str, connections: int = 32) -> float:
    found = re.search(r"Requests/sec:\s+([0-9.]+)", shell(f"wrk -t1 -c{connections} -d4s '{url}'"))
    assert found is not None
    return float(found[1])
