"""Pictures by URL: a hit, lists, origins that hang, and many who ask for one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
from tests.origin import Origin
from tests.pictures import jpeg
from tests.servers import PROGRAM, environment, start_server

from bench.figures import WORK, Figure, fresh, need, paired, seconds
from bench.memory import resident
from bench.nginx import nginx
from bench.photographs import photographs
from bench.served import rate

URLS, HOSTS, LIMIT, HANGING = 10_000, 50, 8, 5
OPEN = {"MEZZOTINT_FETCH_ALLOW": "127.0.0.0/8", "MEZZOTINT_FETCH_PORTS": "*"}
_SIZE = 50_000
_CLIENTS = 500


def get_image() -> list[Figure]:
    """The same derivative, resized before, against nginx giving it as a file."""
    need("nginx", "wrk")
    work = fresh("get_image")
    origin = work / "origin"
    origin.mkdir()
    shutil.copy(photographs()[0], origin / "picture.jpg")
    with ExitStack() as stack:
        port = stack.enter_context(nginx(work, origin))
        server = start_server(work / "data", **OPEN)
        stack.callback(server.stop)
        address = quote(f"http://127.0.0.1:{port}/picture.jpg", safe="")
        widths = range(120, 800, 20)
        paths = [f"/get_image?url={address}&resize_width={width}" for width in widths]
        sizes = {path: len(server.writer.get(path).raise_for_status().content) for path in paths}
        path = min(paths, key=lambda path: abs(sizes[path] - 17_000))
        (origin / "resized.jpg").write_bytes(server.http.get(path).content)
        ours, floor = f"{server.url}{path}", f"http://127.0.0.1:{port}/resized.jpg"
        a, b, ratio = paired(lambda: rate(ours), lambda: rate(floor), rounds=5)
    what = f"get_image of a picture that is here, {sizes[path] // 1000} KB, 1 worker, 32 connections, against nginx"
    return [Figure(what, f"{a:,.0f}/s", f"{b:,.0f}/s", ratio, "at least 0.35", ratio >= 0.35)]


def prefetch() -> list[Figure]:
    """A list of URLs over 50 hosts, against a bare aiohttp loop with the same limits; and with hosts that hang."""
    work = fresh("prefetch")
    hosts = [f"127.0.1.{number}" for number in range(1, HOSTS + 1)]
    with nginx(work, _pictures(), hosts) as port:
        urls = [f"http://{hosts[number % HOSTS]}:{port}/{number:05d}.jpg" for number in range(URLS)]
        memory: list[float] = []
        a, b, ratio = paired(lambda: URLS / _ours(work, urls, memory), lambda: URLS / _bare(work, urls))
        others = [url for number, url in enumerate(urls) if number % HOSTS >= HANGING]
        hung = [f"127.0.2.{number}" for number in range(1, HANGING + 1)]
        with _hanging(hung) as dead:
            mixed = [
                f"http://{hung[number % HOSTS]}:{dead}/{number:05d}.jpg" if number % HOSTS < HANGING else url
                for number, url in enumerate(urls)
            ]
            c, d, slower = paired(
                lambda: _until(work, mixed, len(others)), lambda: _until(work, others, len(others)), rounds=2
            )
    what = f"{URLS:,} URLs of 50 KB over {HOSTS} hosts, against a bare aiohttp loop that downloads to disk"
    hang = f"{URLS:,} URLs of which {HANGING} hosts hang: the others, against a list without them"
    return [
        Figure(what, f"{a:,.0f}/s", f"{b:,.0f}/s", ratio, "at least 0.6", ratio >= 0.6),
        Figure(hang, f"{c:.1f} s", f"{d:.1f} s", slower, "at most 1.2", slower <= 1.2),
        Figure("memory of the loading process meanwhile", f"{max(memory) / 1e6:.0f} MB", "-", 1.0, "stated", True),
    ]


def herd() -> list[Figure]:
    """Many clients ask for one URL that nobody has yet."""
    with Origin() as origin:
        url = origin.picture("/one.jpg", jpeg(1200, 900), delay=0.2)
        server = start_server(fresh("herd") / "data", MEZZOTINT_WORKERS="2", **OPEN)
        try:
            path = f"/get_image?url={quote(url, safe='')}&resize_width=300"
            codes = asyncio.run(_all_at_once(server.url + path, dict(server.writer.headers)))
        finally:
            server.stop()
        asked = origin.asked["/one.jpg"]
    good = codes.count(200)
    what = f"{_CLIENTS} clients asking for one uncached URL: requests at its origin ({good} of them served)"
    return [Figure(what, str(asked), "1", asked, "exactly 1", asked == 1 and good == _CLIENTS)]


async def _all_at_once(url: str, headers: dict[str, str]) -> list[int]:
    limits = httpx.Limits(max_connections=_CLIENTS)
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=60) as client:
        answers = await asyncio.gather(*(client.get(url) for _ in range(_CLIENTS)))
    return [answer.status_code for answer in answers]


def _pictures() -> Path:
    """URLS different JPEGs of about 50 KB."""
    folder = WORK / "fifty"
    if not (folder / f"{URLS - 1:05d}.jpg").exists():
        folder.mkdir(parents=True, exist_ok=True)
        data = next(d for d in (jpeg(w, w * 3 // 4, quality=90) for w in range(200, 2000, 20)) if len(d) >= _SIZE)
        for number in range(URLS):
            comment = f"{number:05d}".encode()
            (folder / f"{number:05d}.jpg").write_bytes(data[:2] + b"\xff\xfe\x00\x07" + comment + data[2:])
    return folder


def _ours(work: Path, urls: Sequence[str], memory: list[float]) -> float:
    """The whole program, from its start to its end."""
    data, listed = _empty(work), work / "urls"
    listed.write_text("\n".join(urls))
    (data / "max_downloads.json").write_text(json.dumps({"*": LIMIT}))
    command: list[str | Path] = [PROGRAM, "prefetch", str(listed), "--json"]
    process = subprocess.Popen(
        command, env=environment(data, **OPEN), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    watched = threading.Event()

    def watch() -> None:
        while not watched.wait(0.5):
            memory.append(resident(process.pid))

    watcher = threading.Thread(target=watch)

    def run() -> None:
        watcher.start()
        said = json.loads(process.communicate()[0])
        assert said["counts"]["done"] == len(urls), said["counts"]

    try:
        return seconds(run)
    finally:
        watched.set()
        watcher.join()


def _bare(work: Path, urls: Sequence[str]) -> float:
    """As a program of its own, too."""
    listed, target = work / "urls", work / "downloads"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    listed.write_text("\n".join(urls))
    command = [sys.executable, str(Path(__file__).with_name("bare.py")), str(listed), str(target), str(LIMIT)]
    return seconds(lambda: subprocess.run(command, check=True))


def _until(work: Path, urls: Sequence[str], count: int) -> float:
    """Seconds until `count` of them are loaded, whatever becomes of the others."""
    from tests.servers import rows

    data, listed = _empty(work), work / "urls"
    listed.write_text("\n".join(urls))
    command: list[str | Path] = [PROGRAM, "prefetch", str(listed)]
    process = subprocess.Popen(
        command,
        env=environment(data, **OPEN),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    done = "SELECT COUNT(*) FROM imagecloud_prefetchitem WHERE state = 'done'"

    def wait() -> None:
        pause = threading.Event()
        while not (data / "mezzotint.sqlite3").exists() or not _count(data, done, rows) >= count:
            assert process.poll() in {None, 0}
            pause.wait(0.2)

    try:
        return seconds(wait)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its own workers too
        process.wait()


def _count(data: Path, query: str, rows: object) -> int:
    import sqlite3

    try:
        return int(rows(data, query)[0][0])  # type: ignore[operator]
    except sqlite3.OperationalError:
        return 0  # its tables are not there yet


def _empty(work: Path) -> Path:
    data = work / "data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    return data


@contextmanager
def _hanging(hosts: Sequence[str]) -> Iterator[int]:
    """Hosts that take a connection and never say anything."""
    with ExitStack() as stack:
        port = 0
        for host in hosts:
            listener = stack.enter_context(socket.socket())
            listener.bind((host, port))
            listener.listen(1024)
            port = listener.getsockname()[1]
        yield port
