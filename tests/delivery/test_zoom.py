"""Parts of a large picture over HTTP, and `mezzotint pyramid`."""

from __future__ import annotations

import hashlib
import io
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from tests import pictures
from tests.conftest import Server
from tests.servers import environment, run
from tests.waiting import until

WIDTH, HEIGHT = 5600, 3800


@pytest.fixture(scope="module")
def large() -> bytes:
    shown = pictures.photograph(WIDTH // 8, HEIGHT // 8, seed=51).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    shown.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def other(large: bytes) -> bytes:
    """The same picture in other bytes."""
    return large[:2] + b"\xff\xfe\x00\x07other" + large[2:]


@pytest.fixture(scope="module")
def zoomed(server: Server, large: bytes) -> str:
    return server.upload(large, title="Large", collection="Closely")


def pyramids(data: Path) -> list[str]:
    return sorted(path.name[:64] for path in (data / "cache").rglob("*-pyramid-jpg.tiles"))


def test_a_tile_is_the_same_under_each_of_its_addresses(server: Server, zoomed: str) -> None:
    paths = [
        f"/iiif/3/{zoomed}/1024,1024,1024,1024/512,512/0/default.jpg",
        f"/iiif/2/{zoomed}/1024,1024,1024,1024/512,/0/default.jpg",
        f"/images/{zoomed}-x1024y1024w1024h1024-512x512.jpg",
    ]
    first = server.http.get(paths[0])
    assert pictures.opened(first.content).size == (512, 512)
    assert first.headers["etag"] == f'"{hashlib.sha256(first.content).hexdigest()}"'
    until(lambda: zoomed in pyramids(server.data))
    for path in paths * 2:
        answer = server.http.get(path)
        assert answer.content == first.content and answer.headers["etag"] == first.headers["etag"]
        held = server.http.get(path, headers={"if-none-match": first.headers["etag"]})
        assert held.status_code == 304 and held.content == b""
        part = server.http.get(path, headers={"range": "bytes=100-199"})
        assert part.status_code == 206 and part.content == first.content[100:200]
        head = server.http.head(path)
        assert int(head.headers["content-length"]) == len(first.content) and head.content == b""
    assert not list((server.data / "cache").rglob(f"{zoomed}-x1024*"))  # kept once


@pytest.mark.parametrize("name", ["-pyramid-jpg.tiles", "-pyramid-exact.tiles", "-level1920.zst"])
def test_what_renditions_are_made_of_is_not_given_out(server: Server, zoomed: str, name: str) -> None:
    assert server.http.get(f"/images/{zoomed}{name}").status_code in {400, 404}


def test_every_tile_of_the_grid_has_the_size_that_info_says(server: Server, zoomed: str) -> None:
    info = server.http.get(f"/iiif/3/{zoomed}/info.json").json()
    tile = info["tiles"][0]
    for scale in tile["scaleFactors"]:
        side = tile["width"] * scale
        for x in range(0, WIDTH, side):
            for y in range(0, HEIGHT, side):
                width, height = min(side, WIDTH - x), min(side, HEIGHT - y)
                size = -(-width // scale), -(-height // scale)
                path = f"/iiif/3/{zoomed}/{x},{y},{width},{height}/{size[0]},{size[1]}/0/default.jpg"
                answer = server.http.get(path)
                assert answer.status_code == 200 and pictures.opened(answer.content).size == size


def test_the_tiles_of_what_is_removed_are_gone(server: Server, large: bytes) -> None:
    ident = server.upload(large[:2] + b"\xff\xfe\x00\x06gone" + large[2:], title="Gone")
    path = f"/iiif/3/{ident}/0,0,512,512/512,512/0/default.jpg"
    assert server.http.get(path).status_code == 200
    until(lambda: ident in pyramids(server.data))
    assert server.http.get(path).status_code == 200
    server.writer.delete(f"/api/images/{ident}/?version=1").raise_for_status()
    until(lambda: server.http.get(path).status_code == 404)
    until(lambda: ident not in pyramids(server.data))
    assert server.http.get(path.replace("0,0,", "512,512,")).status_code == 404


def test_many_crops_by_one_are_bounded_and_others_are_served(serve_here: Callable[..., Server], large: bytes) -> None:
    """Ten thousand of them: beyond its rate whoever asks is told when to come back, and costs nothing."""
    few = serve_here(MEZZOTINT_RENDER_RATE="30/m")
    ident = few.upload(large)
    codes = []
    for number in range(10_000):
        asked = f"/iiif/3/{ident}/{number % 5000},{number // 3},40,40/max/0/default.jpg"
        answer = few.http.get(asked, headers={"x-forwarded-for": "192.0.2.7"})
        codes.append(answer.status_code)
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
    assert codes.count(200) + codes.count(429) == len(codes) and codes.count(200) < 200
    path = f"/iiif/3/{ident}/100,100,300,300/max/0/default.jpg"
    assert few.http.get(path, headers={"x-forwarded-for": "192.0.2.8"}).status_code == 200
    assert few.http.get(path, headers={"x-forwarded-for": "192.0.2.7"}).status_code == 200  # it is there now


def test_pyramids_are_made_ahead(tmp_path: Path, large: bytes, other: bytes) -> None:
    folder, data = tmp_path / "files", tmp_path / "data"
    folder.mkdir()
    for name, file in {"one.jpg": large, "two.jpg": other, "small.png": pictures.png(seed=52)}.items():
        (folder / name).write_bytes(file)
    run(data, "ingest", str(folder / "one.jpg"), str(folder / "small.png"), "--collection", "Some").check_returncode()
    run(data, "ingest", str(folder / "two.jpg")).check_returncode()
    one, two = (hashlib.sha256(file).hexdigest() for file in (large, other))
    would = run(data, "pyramid", "--all", "--dry-run")
    assert "would make 2 pyramids" in would.stdout and pyramids(data) == []
    said = run(data, "pyramid", "--collection", "some")
    assert "1 pyramids made" in said.stdout and pyramids(data) == [one]
    said = run(data, "pyramid", one, two)
    assert "1 pyramids made" in said.stdout and "1 are there already" in said.stdout
    assert pyramids(data) == sorted([one, two])
    none = run(data, "pyramid", "0" * 64)
    assert none.returncode == 1 and "0000" in none.stderr
    for arguments in ([], ["--all", one], ["not-an-ident"], ["--collection", "none"]):
        wrong = run(data, "pyramid", *arguments)
        assert wrong.returncode != 0 and "Traceback" not in wrong.stderr


def test_where_it_is_wanted_they_are_made_as_pictures_come_in(
    serve_here: Callable[..., Server], tmp_path: Path, large: bytes, other: bytes
) -> None:
    ingesting = serve_here(MEZZOTINT_PYRAMIDS="ingest")
    ident = ingesting.upload(large)
    until(lambda: ident in pyramids(ingesting.data))
    (tmp_path / "one.jpg").write_bytes(other)
    said = run(tmp_path / "data", "ingest", str(tmp_path / "one.jpg"), MEZZOTINT_PYRAMIDS="ingest")
    assert said.returncode == 0 and len(pyramids(tmp_path / "data")) == 1


def test_off_is_off(serve_here: Callable[..., Server], large: bytes) -> None:
    plain = serve_here(MEZZOTINT_PYRAMIDS="off")
    ident = plain.upload(large)
    assert plain.http.get(f"/images/{ident}-x0y0w512h512.jpg").status_code == 200
    assert pyramids(plain.data) == [] and list((plain.data / "cache").rglob(f"{ident}-x0y0w512h512.jpg"))


def test_one_that_is_killed_leaves_nothing_that_is_taken_for_whole(tmp_path: Path, large: bytes) -> None:
    data = tmp_path / "data"
    (tmp_path / "one.jpg").write_bytes(large)
    run(data, "ingest", str(tmp_path / "one.jpg")).check_returncode()
    ident = hashlib.sha256(large).hexdigest()
    for _ in range(3):
        making = subprocess.Popen(
            [sys.executable, "-m", "mezzotint.cli", "pyramid", ident], env=environment(data), stdout=subprocess.DEVNULL
        )
        until(partial(_begun_or_done, making, data))
        making.send_signal(signal.SIGKILL)
        making.wait()
    assert run(data, "pyramid", ident).returncode == 0
    assert pyramids(data) == [ident]


def _begun_or_done(making: subprocess.Popen[bytes], data: Path) -> bool:
    return making.poll() is not None or bool(list((data / "cache").rglob("*.part")))
