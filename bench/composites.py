"""A document from its origin to the last registered page, against what the existing handler does one after the other:
fetch, pdf2image with three threads to files, eight upload threads, the posts."""

from __future__ import annotations

import io
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import requests
from pdf2image import convert_from_path
from PIL import Image
from pypdf import PdfReader, PdfWriter
from tests.backends.aws import Aws
from tests.composites.dlcs import KEY, Dlcs
from tests.documents import anything, pdf, request, scan_page
from tests.origin import Origin
from tests.servers import Server, rows, start_server

from bench.figures import Figure, fresh, need, paired
from bench.photographs import photographs
from mezzotint.site.prepare import django_setup

CUSTOMER = 99
DPI, RENDERERS, UPLOADS, BATCH = 500, 3, 8, 100
PAGES = 100
_TEXT = Path("/usr/share/doc/bash/bashref.pdf")
_LOOK = 0.02
_SAID = "SELECT pages_done, status, error FROM composites_member WHERE id = '{id}'"
"""asked of the database: the server has enough to do"""


def composites() -> list[Figure]:
    need("pdftoppm")
    directory = fresh("composites")
    with _world(directory) as world, _serving(world) as server:
        text, scans = text_document(PAGES), scanned_document(PAGES)
        figures = []
        firsts: list[float] = []
        for what, data, target in (("of text", text, 0.6), ("of scans", scans, 0.4)):
            url = world.document(data, f"/{len(data)}.pdf")
            ours, theirs, ratio = paired(
                lambda url=url: _ours(world, server, url, firsts),  # type: ignore[misc]
                lambda url=url: _sequence(world, url),  # type: ignore[misc]
            )
            named = f"a document of {PAGES} pages {what} at {DPI} DPI, from its origin to the last registered page"
            figures.append(
                Figure(named, f"{ours:.1f} s", f"{theirs:.1f} s", ratio, f"at most {target}", ratio <= target)
            )
            if not figures[1:]:
                first = sorted(firsts)[len(firsts) // 2]
                figures.append(
                    Figure(
                        "until its first page is in S3", f"{first:.2f} s", f"{theirs:.1f} s", first / theirs,
                        "at most 0.1", first / theirs <= 0.1,
                    )
                )  # fmt: skip
    small = partial(scanned_document, width=1450, height=2067)
    return [*figures, *_growth("of text", text_document), *_growth("of small scans", small)]


def text_document(pages: int) -> bytes:
    """Real text where bash's manual is here, over and over."""
    source, writer = PdfReader(_TEXT), PdfWriter()
    for number in range(pages):
        writer.add_page(source.pages[10 + number % (len(source.pages) - 20)])
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def scanned_document(pages: int, width: int = 2914, height: int = 4134) -> bytes:
    """Photographs as scans, of A5 at the DPI that is asked for, a JPEG each."""
    scans = []
    for path in sorted(photographs())[:10]:
        with Image.open(path) as image:
            out = io.BytesIO()
            image.convert("RGB").resize((width, height)).save(out, "JPEG", quality=85)
            scans.append(out.getvalue())
    return pdf([scan_page(width, height, DPI, data=_remarked(scans[page % len(scans)], page)) for page in range(pages)])


def _remarked(jpeg: bytes, number: int) -> bytes:
    """With a remark in it: no two scans are the same."""
    return jpeg[:2] + b"\xff\xfe\x08\x02" + b"%8d" % number * 256 + jpeg[2:]


@contextmanager
def _world(directory: Path) -> Iterator[Any]:
    django_setup()  # which the next line needs
    from tests.composites.world import World

    aws = Aws.start(directory / "aws", os.getpid())
    try:
        with Dlcs() as dlcs, Origin() as origin:
            yield World(directory, aws, dlcs, origin, aws.new_bucket())
    finally:
        aws.stop()


@contextmanager
def _serving(world: Any) -> Iterator[Server]:
    variables = world.variables(
        PDF_RASTERIZER_DPI=str(DPI), PDF_RASTERIZER_THREAD_COUNT=str(RENDERERS), DLCS_BATCH_SIZE=str(BATCH)
    )
    server = start_server(world.directory / "data", **variables)
    try:
        yield server
    finally:
        server.stop()


def _ours(world: Any, server: Server, url: str, firsts: list[float]) -> float:
    begun = time.perf_counter()
    member = asked(server, url)
    first = 0.0
    while True:
        [(pages, status, error)] = rows(server.data, _SAID.format(id=member.rpartition("/")[2].replace("-", "")))
        if pages and not first:
            first = time.perf_counter() - begun
            firsts.append(first)
        if status in {"COMPLETED", "ERROR"}:
            assert status == "COMPLETED", error
            return time.perf_counter() - begun
        time.sleep(_LOOK)


def asked(server: Server, url: str) -> str:
    body = request(anything(origin=url, id=f"{time.time_ns()}-{{}}"))
    answer = server.http.post(f"/customers/{CUSTOMER}/queue", json=body, headers={"Authorization": KEY})
    answer.raise_for_status()
    return str(answer.json()["members"][0]["id"]).removeprefix("http://localhost:8000")


def _sequence(world: Any, url: str) -> float:
    """One step after the other."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=world.directory) as place:
        path = Path(place, "source.pdf")
        with requests.get(url, stream=True, timeout=60) as response, open(path, "wb") as stream:
            for chunk in response.iter_content(8192):
                stream.write(chunk)
        files = convert_from_path(
            path, dpi=DPI, fmt="jpg", thread_count=RENDERERS, output_folder=place, output_file="image-", paths_only=True
        )
        client = boto3.Session("key", "secret", region_name="eu-west-1").client("s3", endpoint_url=world.aws.url)
        prefix = f"composites/{time.time_ns()}"
        keys = [f"{prefix}/{Path(str(file)).name}" for file in files]
        with ThreadPoolExecutor(UPLOADS) as threads:
            list(threads.map(lambda one: client.upload_file(str(one[0]), world.bucket, one[1]), zip(files, keys)))  # noqa: B905
        for start in range(0, len(keys), BATCH):
            members = [
                {"id": key, "space": 7, "origin": key, "mediaType": "image/jpeg", "family": "I"}
                for key in keys[start : start + BATCH]
            ]
            answer = requests.post(
                f"{world.dlcs.root}/customers/{CUSTOMER}/queue",
                json={"member": members},
                headers={"Authorization": KEY},
                timeout=60,
            )
            answer.raise_for_status()
    return time.perf_counter() - begun


def _growth(what: str, document: Callable[[int], bytes]) -> list[Figure]:
    """Memory of the whole tree, and scratch, at their most."""
    peaks = {}
    for pages in (100, 1000):
        directory, data = fresh(f"composites-{pages}"), document(pages)
        with _world(directory) as world, _serving(world) as server:
            url = world.document(data, "/a.pdf")
            with _watched(server, directory / "scratch", len(data)) as peak:
                for _ in range(1000 // pages):  # as many pages each time
                    _ours(world, server, url, [])
            peaks[pages] = peak()
            assert rows(server.data, "SELECT COUNT(*) FROM composites_page")[0][0] == 1000
    figures = []
    for number, named in enumerate(("memory", "scratch, beside the document itself")):
        small, large = peaks[100][number], peaks[1000][number]
        ratio = large / small
        figures.append(
            Figure(
                f"{named} at its peak, 1,000 pages {what} against 100", f"{large >> 20} MB", f"{small >> 20} MB", ratio,
                "at most 1.1", ratio <= 1.1,
            )
        )  # fmt: skip
    return figures


@contextmanager
def _watched(server: Server, scratch: Path, document: int) -> Iterator[Callable[[], tuple[int, int]]]:
    most, over = [0, 0], threading.Event()

    def watch() -> None:
        for turn in itertools.count():
            if over.wait(0.005):
                break
            if turn % 10 == 0:
                most[0] = max(most[0], _memory(server.process.pid))
            most[1] = max(most[1], sum(map(_size, scratch.rglob("*.jpg"))))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: (most[0], most[1])
    finally:
        over.set()
        thread.join()


def _size(path: Path) -> int:
    """0 where it is gone by now."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _memory(session: int) -> int:
    """Proportional set size of all processes of a session, in bytes."""
    total = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(entry.name)) == session:
                line = next(one for one in (entry / "smaps_rollup").read_text().splitlines() if one.startswith("Pss:"))
                total += int(line.split()[1]) << 10
        except (OSError, StopIteration, ValueError):
            continue
    return total
