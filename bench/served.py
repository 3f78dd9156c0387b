"""What is cached over HTTP against nginx giving the same bytes from disk: one worker each."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from PIL import Image
from tests.servers import Server, start_server

from bench.figures import Figure, fresh, need, paired, shell
from bench.nginx import nginx
from bench.photographs import photographs


@dataclass(frozen=True)
class Case:
    """What is asked for, with which headers, and how much of nginx's rate is aimed at."""

    what: str
    path: str
    target: float
    headers: Mapping[str, str] = field(default_factory=dict)
    held: bool = False
    """the client has it, and says so"""


def served() -> list[Figure]:
    need("nginx", "wrk")
    work = fresh("served")
    server = start_server(work / "data", MEZZOTINT_WORKERS="1")
    root = work / "root"
    root.mkdir()
    try:
        with nginx(work, root) as port:
            return [_against_nginx(case, server, root, port) for case in _cases(server)]
    finally:
        server.stop()


def _cases(server: Server) -> Iterator[Case]:
    ident = server.upload(photographs()[0].read_bytes())
    small, middle, large = (_about(server.http, ident, size) for size in (2_000, 17_000, 200_000))
    yield Case("2 KB", small, 0.85)
    yield Case("17 KB", middle, 0.85)
    yield Case("200 KB", large, 0.7)
    yield Case("304", middle, 0.8, held=True)
    yield Case("Range of 1 KB out of 17 KB", middle, 0.6, {"Range": "bytes=1000-2023"})
    yield Case(".auto of 17 KB", middle.removesuffix(".jpg") + ".auto", 0.8, {"Accept": "image/*"})
    yield Case("base of 300 KB", f"/images/{server.upload(_noise(300_000))}", 0.5)
    yield Case("base of 10 MB", f"/images/{server.upload(_noise(10_000_000))}", 0.7)


def _against_nginx(case: Case, server: Server, root: Path, port: int) -> Figure:
    name = re.sub(r"\W+", "-", case.what) + ".jpg"
    accepted = {key: value for key, value in case.headers.items() if key == "Accept"}
    for _ in range(2):
        ours = server.http.get(case.path, headers=accepted)
    (root / name).write_bytes(ours.content)
    floor_url, our_url = f"http://127.0.0.1:{port}/{name}", f"{server.url}{case.path}"

    def asked(url: str) -> tuple[str, ...]:
        more = {"If-None-Match": httpx.get(url).headers["etag"]} if case.held else {}
        return tuple(f"{key}: {value}" for key, value in {**case.headers, **more}.items())

    ours_asked, floor_asked = asked(our_url), asked(floor_url)
    a, b, ratio = paired(lambda: rate(our_url, 32, *ours_asked), lambda: rate(floor_url, 32, *floor_asked), rounds=3)
    what = f"cached: {case.what}, 1 worker, 32 connections, against nginx"
    return Figure(what, f"{a:,.0f}/s", f"{b:,.0f}/s", ratio, f"at least {case.target}", ratio >= case.target)


def _noise(size: int) -> bytes:
    """A PNG of about so many bytes."""
    side = int((size / 3) ** 0.5)
    buffer = io.BytesIO()
    Image.frombytes("RGB", (side, side), random.Random(size).randbytes(side * side * 3)).save(buffer, "PNG")
    return buffer.getvalue()


def _about(http: httpx.Client, ident: str, size: int) -> str:
    names = [f"/images/{ident}-{width}x{width * 3 // 4}.jpg" for width in range(40, 1600, 40)]
    return min(names, key=lambda name: abs(len(http.get(name).content) - size))


def rate(url: str, connections: int = 32, *headers: str) -> float:
    more = "".join(f" -H '{header}'" for header in headers)
    found = re.search(r"Requests/sec:\s+([0-9.]+)", shell(f"wrk -t1 -c{connections} -d4s{more} '{url}'"))
    assert found is not None
    return float(found[1])
