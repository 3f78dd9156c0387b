"""Deep zoom into a picture of 200 megapixels: tiles against iipsrv and nginx, pyramids against `vips tiffsave`."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pyvips
from tests.backends.processes import lasting_port
from tests.servers import Server, run, start_server

from bench.figures import Figure, fresh, need, paired, seconds, shell
from bench.memory import resident
from bench.nginx import nginx
from bench.photographs import photographs

WIDTH, HEIGHT, TILE = 16384, 12208, 512
COUNT, VIEWERS = 2000, 50
IIPSRV = "/usr/lib/iipimage-server/iipsrv.fcgi"
_SCRIPT = """
local ffi = require("ffi")
ffi.cdef[[ struct now { long seconds, nanoseconds; }; int clock_gettime(int clock, struct now *now); ]]
local function now()
    local read = ffi.new("struct now")
    ffi.C.clock_gettime(1, read)
    return tonumber(read.seconds) + tonumber(read.nanoseconds) / 1e9
end
local paths, at, had, began, all = {}, 0, 0, 0, {}
for line in io.lines("%s") do paths[#paths + 1] = line end
function request()
    if at == 0 then began = now() end
    at = at + 1
    return wrk.format("GET", paths[(at - 1) %% #paths + 1])
end
function response()
    had = had + 1
    if had == #paths then
        rate = had / (now() - began)
        wrk.thread:stop()
    end
end
function setup(thread) all[1] = thread end
function done(summary, latency, requests)
    local wrong = summary.errors.status + summary.errors.read
    io.write(string.format("RESULT %%f %%f %%d\\n", all[1]:get("rate"),
        latency:percentile(99) / 1000, wrong))
end
"""
_IIPSRV = """
worker_processes 1; daemon off; pid {work}/iip.pid; error_log {work}/iip.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000;
    client_body_temp_path {work}/i1; proxy_temp_path {work}/i2; fastcgi_temp_path {work}/i3;
    uwsgi_temp_path {work}/i4; scgi_temp_path {work}/i5;
    upstream iip {{ server 127.0.0.1:{behind}; keepalive 32; }}
    server {{
        listen 127.0.0.1:{port};
        location ~ ^/iiif/(.*)$ {{
            fastcgi_pass iip; fastcgi_keep_conn on;
            fastcgi_param QUERY_STRING IIIF=$1; fastcgi_param REQUEST_METHOD GET;
            fastcgi_param SERVER_PROTOCOL HTTP/1.1; fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param HTTP_HOST $host;
        }}
    }}
}}
"""


def zoom() -> list[Figure]:
    need("nginx", "wrk", IIPSRV)
    work = fresh("zoom")
    big = picture(work / "big.jpg")
    figures = [_made(work, big), _first(work, big)]
    server = start_server(work / "data", MEZZOTINT_WORKERS="1", MEZZOTINT_RENDER_RATE="none")
    try:
        ident = server.upload(big.read_bytes())
        run(work / "data", "pyramid", ident).check_returncode()
        figures += _tiles(work, server, ident, big)
        figures.append(_viewers(work, server))
    finally:
        server.stop()
    return figures


def picture(path: Path, seed: int = 0, side: int = 4) -> Path:
    """So many photographs beside and below each other."""
    chosen = random.Random(seed).choices(photographs(), k=side * side)
    parts = [
        pyvips.Image.thumbnail(str(one), WIDTH // 4, height=HEIGHT // 4, crop="centre", size="both") for one in chosen
    ]
    pyvips.Image.arrayjoin(parts, across=side).jpegsave(str(path), Q=92)
    return path


def addresses(count: int, seed: int = 1) -> list[str]:
    """Random tiles of the grid, of the scales 1, 2, 4 and 8, as often as a viewer wants them: as often each."""
    choose, found = random.Random(seed), []
    for _ in range(count):
        scale = choose.choice((1, 2, 4, 8))
        side = TILE * scale
        x, y = choose.randrange(-(-WIDTH // side)) * side, choose.randrange(-(-HEIGHT // side)) * side
        width, height = min(side, WIDTH - x), min(side, HEIGHT - y)
        found.append(f"{x},{y},{width},{height}/{-(-width // scale)},{-(-height // scale)}/0/default.jpg")
    return found


def ask(work: Path, root: str, paths: Sequence[str], connections: int = 8) -> tuple[float, float]:
    """How many a second, and the 99th percentile in milliseconds, of each of these once."""
    (work / "paths").write_text("\n".join(paths))
    (work / "ask.lua").write_text(_SCRIPT % (work / "paths"))
    said = shell(f"wrk -t1 -c{connections} -d9s -s {work / 'ask.lua'} {root}")
    rate, p99, wrong = next(line.split()[1:] for line in said.splitlines() if line.startswith("RESULT"))
    assert int(wrong) == 0, said
    return float(rate), float(p99)


def _tiles(work: Path, server: Server, ident: str, big: Path) -> list[Figure]:
    """A restart before each round: what a process has in memory is of no use."""
    root = work / "root"
    root.mkdir()
    tiff = root / "big.tif"
    _python(_tiffsave(big, tiff))
    late: list[tuple[float, float]] = []
    seeds = iter(range(100))
    with iipsrv(work, root) as peer:

        def theirs() -> float:
            paths = [f"/iiif/big.tif/{one}" for one in addresses(COUNT, seed)]
            rate, p99 = ask(work, f"http://127.0.0.1:{peer}", paths)
            late.append((0.0, p99))
            return rate

        def ours() -> float:
            paths = [f"/iiif/3/{ident}/{one}" for one in addresses(COUNT, seed)]
            rate, p99 = ask(work, server.url, paths)
            late[-1] = (p99, late[-1][1])
            return rate

        rounds = []
        for _ in range(3):
            seed = next(seeds)
            rounds.append(paired(ours, theirs, rounds=1))
    a, b, ratio = sorted(rounds, key=lambda one: one[2])[1]
    tail = sorted(mine / peers for mine, peers in late)[1]
    said = f"{COUNT:,} random tiles of 200 MP, pyramid there, 1 worker, 8 connections"
    figures = [
        Figure(f"{said}, against iipsrv", f"{a:,.0f}/s", f"{b:,.0f}/s", ratio, "at least 3", ratio >= 3),
        Figure(f"{said}: p99", f"{late[1][0]:.2f} ms", f"{late[1][1]:.2f} ms", tail, "at most 1", tail <= 1),
    ]
    same = addresses(200)
    for number, one in enumerate(same):
        (root / f"{number}.jpg").write_bytes(server.http.get(f"/iiif/3/{ident}/{one}").content)
    with nginx(work, root) as port:
        a, b, ratio = paired(
            lambda: ask(work, server.url, [f"/iiif/3/{ident}/{one}" for one in same] * 50)[0],
            lambda: ask(work, f"http://127.0.0.1:{port}", [f"/{number}.jpg" for number in range(len(same))] * 50)[0],
        )
    what = "the same tiles a second time, against nginx and files"
    return [*figures, Figure(what, f"{a:,.0f}/s", f"{b:,.0f}/s", ratio, "at least 0.4", ratio >= 0.4)]


def _made(work: Path, big: Path) -> Figure:
    """Both in processes of their own; ours with Python's start, and reading and hashing the base."""
    data = work / "making"
    run(data, "ingest", str(big)).check_returncode()

    def ours() -> float:
        for old in (data / "cache").rglob("*.tiles"):
            old.unlink()
        return seconds(lambda: run(data, "pyramid", "--all").check_returncode())

    program = _tiffsave(big, work / "peer.tif")
    ours()
    idle = seconds(lambda: run(data, "pyramid", "--all").check_returncode())
    start = seconds(lambda: _python("import pyvips"))
    a, b, ratio = paired(lambda: ours() - idle, lambda: seconds(lambda: _python(program)) - start)
    what = "a pyramid of 200 MP, against tiffsave with tiles and layers of the same libvips"
    return Figure(what, f"{a:.2f} s", f"{b:.2f} s", ratio, "at most 1.3", ratio <= 1.3)


def _tiffsave(big: Path, into: Path) -> str:
    return (
        f"import pyvips; pyvips.Image.new_from_file({str(big)!r}, access='sequential').tiffsave({str(into)!r}, "
        f"pyramid=True, tile=True, tile_width={TILE}, tile_height={TILE}, compression='jpeg', Q=80)"
    )


def _python(program: str) -> None:
    subprocess.run([os.sys.executable, "-c", program], check=True)  # type: ignore[attr-defined]


def _first(work: Path, big: Path) -> Figure:
    """The last tile of the full size, of a base that nothing was made of, and decoding it."""
    server = start_server(work / "first", MEZZOTINT_WORKERS="1")
    x, y = WIDTH // TILE * TILE - TILE, HEIGHT // TILE * TILE
    try:
        ident = server.upload(big.read_bytes())
        address = f"/iiif/3/{ident}/{x},{y},{TILE},{HEIGHT - y}/{TILE},{HEIGHT - y}/0/default.jpg"

        def ours() -> float:
            while list((work / "first").rglob("*.part")):
                time.sleep(0.1)
            time.sleep(2)
            server.http.get("/health")
            for old in (work / "first" / "cache").rglob(f"{ident}*"):
                old.unlink()
            return seconds(lambda: server.http.get(address + f"?{time.time()}").raise_for_status())

        decode = lambda: pyvips.Image.new_from_file(str(big), access="sequential").avg()  # noqa: E731
        a, b, ratio = paired(ours, lambda: seconds(decode))
    finally:
        server.stop()
    what = "the first tile, at the bottom, of 200 MP with nothing made, against decoding it"
    return Figure(what, f"{a:.2f} s", f"{b:.2f} s", ratio, "at most 1.2", ratio <= 1.2)


def _viewers(work: Path, server: Server) -> Figure:
    """Each asks for info.json and the twelve tiles of its first screen, six at once, until it has them."""
    idents = []
    for number in range(VIEWERS):
        idents.append(server.upload(picture(work / "one.jpg", seed=number + 10).read_bytes()))
    before, most, codes = resident(server.process.pid), [0], []

    def view(ident: str) -> None:
        with httpx.Client(base_url=server.url, timeout=600, limits=httpx.Limits(max_connections=6)) as client:
            codes.append(client.get(f"/iiif/3/{ident}/info.json").status_code)
            with ThreadPoolExecutor(6) as tiles:
                list(tiles.map(lambda at: tile(client, ident, *at), [(x, y) for x in range(4) for y in range(3)]))

    def tile(client: httpx.Client, ident: str, x: int, y: int) -> None:
        side = TILE * 8
        width, height = min(side, WIDTH - x * side), min(side, HEIGHT - y * side)
        path = f"/iiif/3/{ident}/{x * side},{y * side},{width},{height}/{width // 8},{height // 8}/0/default.jpg"
        while True:
            answer = client.get(path)
            codes.append(answer.status_code)
            if answer.status_code in {200, 404, 500}:
                return
            assert answer.status_code not in {429, 503} or "retry-after" in answer.headers
            time.sleep(min(5.0, float(answer.headers.get("retry-after", "1"))))

    started = time.perf_counter()
    with ThreadPoolExecutor(VIEWERS) as viewers:
        waiting = [viewers.submit(view, ident) for ident in idents]
        while not all(one.done() for one in waiting):
            most[0] = max(most[0], resident(server.process.pid))
            time.sleep(0.5)
        for one in waiting:
            one.result()
    took = time.perf_counter() - started
    print("    ", json.dumps({str(code): codes.count(code) for code in sorted(set(codes))}), f"{took:.0f} s")
    good = not set(codes) - {200, 429, 503}
    what = f"{VIEWERS} viewers opening {VIEWERS} pictures of 200 MP at once, in {took:.0f} s: memory, against before"
    ratio = most[0] / before
    return Figure(what, f"{most[0] / 1e6:.0f} MB", f"{before / 1e6:.0f} MB", ratio, "bounded, no 5xx but 503", good)


@contextmanager
def iipsrv(work: Path, root: Path) -> Iterator[int]:
    behind, port = lasting_port(), lasting_port()
    settings = {
        "FILESYSTEM_PREFIX": f"{root}/",
        "VERBOSITY": "0",
        "JPEG_QUALITY": "80",
        "LOGFILE": str(work / "iipsrv.log"),
    }
    peer = subprocess.Popen([IIPSRV, "--bind", f"127.0.0.1:{behind}"], env=os.environ | settings)
    (work / "iip.conf").write_text(_IIPSRV.format(work=work, behind=behind, port=port))
    front = subprocess.Popen(["nginx", "-p", str(work), "-e", str(work / "iip.log"), "-c", str(work / "iip.conf")])
    try:
        time.sleep(1)
        yield port
    finally:
        for process in (front, peer):
            process.terminate()
            process.wait()
