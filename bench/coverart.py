"""Covers: hits with nginx and without, misses, and the cleaner."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.archive import Archive, Art
from tests.backends.nginx import Nginx
from tests.backends.processes import lasting_port
from tests.backends.redis import Redis
from tests.cache.caches import OpenIndex, in_sqlite
from tests.cache.indexes import Indexes
from tests.pictures import jpeg
from tests.servers import Server, run, start_server

from bench.cleaner import filled
from bench.cloud import OPEN
from bench.figures import Figure, fresh, need, paired, seconds
from bench.nginx import nginx
from bench.served import rate
from mezzotint.cache import Cache, Cleaner

CONNECTIONS = 64
RELEASES, AT_ONCE, DELAY = 1_000, 32, 0.1
SMALL, LARGE, SIZE, ROUNDS = 100_000, 1_000_000, 12_000, 5
GIGABYTE = 1 << 30


def covers() -> list[Figure]:
    """A thumbnail that is here, by the three roads, against nginx giving it as a file: one worker each."""
    need("nginx", "wrk")
    work = fresh("covers")
    root = work / "root"
    root.mkdir()
    with ExitStack() as stack:
        archive = stack.enter_context(Archive())
        server = stack.enter_context(_server(work, archive))
        front = stack.enter_context(_behind_nginx(work, server))
        mbid = archive.release(images=[Art(1, jpeg(360, 300, quality=90))])
        by_id, by_front = f"/release/{mbid}/1-500", f"/release/{mbid}/front-500"
        for path in (by_id, by_front, by_front):
            body = server.http.get(path).content
        (root / "picture.jpg").write_bytes(body)
        floor = f"http://127.0.0.1:{stack.enter_context(nginx(work, root))}/picture.jpg"
        roads = [
            ("through nginx, from disk (try_files)", front + by_id, 0.95),
            ("through nginx, by X-Accel-Redirect", front + by_front, 0.25),
            ("without nginx", server.url + by_front, 0.40),
        ]
        return [_against(f"a {len(body) // 1000} KB cover {what}", url, floor, goal) for what, url, goal in roads]


def _against(what: str, ours: str, floor: str, goal: float) -> Figure:
    a, b, ratio = paired(lambda: rate(ours, CONNECTIONS), lambda: rate(floor, CONNECTIONS), rounds=5)
    what = f"{what}, {CONNECTIONS} connections, against nginx giving the same file"
    return Figure(what, f"{a:,.0f}/s", f"{b:,.0f}/s", ratio, f"at least {goal:.2f}", ratio >= goal)


def covers_missed() -> list[Figure]:
    """Covers that nobody has yet, against the same client asking the archive itself, whose hosts take DELAY each."""
    work = fresh("covers-missed")
    data = jpeg(600, 600, quality=80)
    with Archive() as archive:
        mbids = [archive.release(images=[Art(number, data)]) for number in range(1, RELEASES + 1)]
        paths = [f"/release/{mbid}/front" for mbid in mbids]
        archive.delay = DELAY

        def ours() -> float:
            shutil.rmtree(work / "data", ignore_errors=True)
            with _server(work, archive) as server:
                return _saved(work, [server.url + path for path in paths])

        a, b, ratio = paired(ours, lambda: _saved(work, [archive.url + path for path in paths]))
    what = f"{RELEASES:,} covers of {len(data) // 1000} KB that are not here, {AT_ONCE} at once, 3 hops of {DELAY:g} s"
    return [Figure(what, f"{a:.1f} s", f"{b:.1f} s", ratio, "at most 1.15", ratio <= 1.15)]


def covers_cleaned() -> list[Figure]:
    """The cleaner, over both indexes."""
    figures = [_cleaned("SQLite", in_sqlite)]
    need("redis-server")
    server = Redis.start(fresh("redis"))
    try:
        figures.append(_cleaned("Redis", Indexes(server.url)))
    finally:
        server.stop()
    return figures


def _cleaned(name: str, index: OpenIndex) -> Figure:
    caches = [filled(f"covers-{name}-{count}", count, SIZE, index) for count in (LARGE, SMALL)]
    each = GIGABYTE // ROUNDS
    pairs = [[_clean(cache, each) for cache in caches] for _ in range(ROUNDS)]
    a, b = (sum(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(large / small for large, small in pairs)
    for cache in caches:
        cache.close()
        shutil.rmtree(cache.directory)
    what = f"cleaning 1 GB out of {LARGE:,} files of {SIZE // 1000} KB against out of {SMALL:,}, index in {name}"
    return Figure(what, f"{a:.1f} s", f"{b:.1f} s", ratio, "at most 1.5", ratio <= 1.5)


def _clean(cache: Cache, count: int) -> float:
    target = cache.totals().bytes - count
    taken = seconds(lambda: Cleaner(cache).clean_to(target))
    assert cache.totals().bytes <= target
    return taken


def _saved(work: Path, urls: Sequence[str]) -> float:
    """Seconds of a program of its own that saves them all."""
    listed, target = work / "urls", work / "saved"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    listed.write_text("\n".join(urls))
    command = [sys.executable, str(Path(__file__).with_name("following.py")), str(listed), str(target), str(AT_ONCE)]
    taken = seconds(lambda: subprocess.run(command, check=True))
    assert len(list(target.iterdir())) == len(urls)
    return taken


@contextmanager
def _server(work: Path, archive: Archive) -> Iterator[Server]:
    data = work / "data"
    data.mkdir()
    (data / "max_downloads.json").write_text(json.dumps({"*": AT_ONCE}))
    server = start_server(data, MEZZOTINT_COVER_ART_UPSTREAM=archive.url, **OPEN)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def _behind_nginx(work: Path, server: Server) -> Iterator[str]:
    """With one worker, as the peer has."""
    port = lasting_port()
    bind = f"127.0.0.1:{server.port}"
    made = run(server.data, "nginx-config", "--listen", f"127.0.0.1:{port}", MEZZOTINT_BIND=bind)
    assert made.returncode == 0, made.stderr
    running = Nginx.start(work / "front", made.stdout.replace("worker_processes auto", "worker_processes 1"), port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.stop()
