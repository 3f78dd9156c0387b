"""No space left: 507, what was begun is gone, reading goes on."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests import pictures
from tests.conftest import Server, start_server
from tests.servers import answers
from tests.waiting import until

ROOM = 24 << 20


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of its own, of 24 megabytes."""
    path = tmp_path_factory.mktemp("disk")
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", path], capture_output=True
        ).returncode
    )
    if not mounted:
        pytest.skip("needs the right to mount a tmpfs")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture(scope="module")
def tight(disk: Path) -> Iterator[Server]:
    server = start_server(disk / "data")
    yield server
    server.stop()


def fill(disk: Path, left: int) -> Path:
    filler = disk / "filler"
    status = os.statvfs(disk)
    with suppress(OSError):  # the server may have taken the last of it first
        filler.write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - left)))
    return filler


def files_in(directory: Path) -> set[Path]:
    return {path for path in directory.rglob("*") if path.is_file()} if directory.exists() else set()


def put(server: Server, data: bytes) -> httpx.Response:
    return server.writer.post("/api/images/", files={"file": ("a.jpg", data)})


def test_a_full_disk_is_told_and_reading_goes_on(disk: Path, tight: Server) -> None:
    base = pictures.jpeg(600, 400, seed=500)
    ident = tight.upload(base, title="Before")
    cached = tight.http.get(f"/images/{ident}-300x200.jpg").content
    large = pictures.jpeg(1600, 1200, seed=501, quality=98)
    store, spool = files_in(tight.data / "store"), files_in(tight.data / "incoming")
    filler = fill(disk, len(large) // 2)
    try:
        answer = put(tight, large)
        assert answer.status_code == 507, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 507
        assert (files_in(tight.data / "store"), files_in(tight.data / "incoming")) == (store, spool)
        assert tight.http.get(f"/images/{ident}").content == base
        assert tight.http.get(f"/images/{ident}-300x200.jpg").content == cached
        assert tight.http.get(f"/api/images/{ident}/").json()["title"] == "Before"
        assert [image["ident"] for image in tight.http.get("/api/images/").json()["results"]] == [ident]
    finally:
        filler.unlink()
    assert put(tight, large).status_code == 201
    assert tight.http.get(f"/images/{hashlib.sha256(large).hexdigest()}").content == large


def test_no_room_to_cache_costs_only_the_caching(disk: Path, tight: Server) -> None:
    ident = tight.upload(pictures.jpeg(600, 400, seed=502))
    tight.http.get(f"/images/{ident}-300x200.jpg").raise_for_status()
    filler = fill(disk, 0)
    try:
        for suffix in ("-290x193.png", "-fit200x200.jpg", "-280x187.webp"):
            answer = tight.http.get(f"/images/{ident}{suffix}")
            assert answer.status_code == 200, answer.text
            pictures.opened(answer.content)
        assert tight.http.get(f"/images/{ident}-300x200.jpg").status_code == 200
    finally:
        filler.unlink()
    assert tight.http.get(f"/images/{ident}-290x193.png").status_code == 200


def test_a_disk_without_any_room_is_told_for_metadata_too(disk: Path, tight: Server) -> None:
    ident = tight.upload(pictures.png(seed=503), title="Before")
    filler = fill(disk, 0)
    try:
        answer = tight.writer.patch(f"/api/images/{ident}/", json={"version": 1, "description": "x" * 20_000})
        assert answer.status_code in {503, 507}, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert tight.http.get(f"/images/{ident}").status_code == 200
    finally:
        filler.unlink()
    after = tight.http.get(f"/api/images/{ident}/").json()
    assert (after["title"], after["description"], after["version"]) == ("Before", "", 1)
    changed = {"version": 1, "title": "After"}
    assert tight.writer.patch(f"/api/images/{ident}/", json=changed).json()["title"] == "After"


def test_workers_that_are_killed_on_a_full_disk_come_back(disk: Path, tight: Server) -> None:
    """Figures of new workers are in new files; a page of a mapped file without room on the disk is a SIGBUS."""
    base = pictures.png(seed=504)
    ident = tight.upload(base)
    filler = fill(disk, 0)
    before = tight.workers()
    try:
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert until(lambda: len(now := tight.workers()) == len(before) and not now & before)
        assert until(lambda: answers(tight.url))
        for _ in range(10):
            assert tight.http.get(f"/images/{ident}").content == base
        assert tight.http.get("/metrics").status_code == 200
        assert tight.http.get(f"/images/{ident}-0x0.jpg").status_code == 400
    finally:
        filler.unlink()
    assert tight.upload(pictures.png(seed=505))
    assert "SIGBUS" not in tight.log.read_text()
