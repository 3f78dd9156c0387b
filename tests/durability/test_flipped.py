"""One flipped byte in a base: it is never given out, it is found, and it heals."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mezzotint.names import Ident, base_key, trash_key
from mezzotint.names.keys import damaged_key
from mezzotint.objects import DirectoryStore, ObjectStore
from mezzotint.objects.registry import open_store
from mezzotint.settings import Settings
from tests import pictures
from tests.backends.swift import SwiftCluster
from tests.conftest import Server, run, start_server

GIVEN = {200, 206, 304}
KEPT = frozenset({"-fit50x50.jpg", "-fit50x50.png"})
_never_asked_for = itertools.count(20)


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def flip(path: Path) -> None:
    """In place, and by its times nobody sees it."""
    status = path.stat()
    with open(path, "r+b") as file:
        file.write(flipped(path.read_bytes()))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns


def every_way(server: Server, ident: str) -> Iterator[httpx.Response]:
    """To ask for a base, or for what would be made of it."""
    path = f"/images/{ident}"
    yield server.http.get(path)
    yield server.http.head(path)
    for part in ("bytes=0-9", "bytes=-10", "bytes=5-"):
        yield server.http.get(path, headers={"range": part})
    yield server.http.get(path, headers={"if-none-match": f'"{ident}"'})
    yield server.http.head(path, headers={"if-none-match": f'W/"{ident}", "x"'})
    yield server.http.get(path, headers={"range": "bytes=0-9", "if-range": f'"{ident}"'})
    for derivative in sorted(KEPT):
        yield server.http.get(f"{path}{derivative}", headers={"range": "bytes=0-9"})
    yield server.http.get(f"{path}-fit{next(_never_asked_for)}x300.webp")


def assert_never_given(server: Server, ident: str, kept: frozenset[str] = frozenset()) -> None:
    """`kept`: what was made of it while it was right, which still is."""
    for answer in every_way(server, ident):
        if answer.request.url.path.removeprefix(f"/images/{ident}") in kept:
            continue
        assert answer.status_code not in GIVEN, (answer.request.method, answer.request.url, answer.request.headers)
        assert "immutable" not in answer.headers.get("cache-control", "")


def assert_given(server: Server, data: bytes) -> None:
    assert server.http.get(f"/images/{hashlib.sha256(data).hexdigest()}").raise_for_status().content == data


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("flipped") / "data", MEZZOTINT_MEMORY_CACHE="0")
    yield server
    server.stop()


def local(server: Server, ident: str) -> Path:
    return DirectoryStore(server.data / "store").local_path(base_key(Ident(ident)))


def test_a_flipped_base_is_never_given_and_is_mended_by_uploading_it_again(here: Server) -> None:
    new, read = pictures.jpeg(300, 200, seed=900), pictures.jpeg(300, 200, seed=901)
    idents = [here.upload(data) for data in (new, read)]
    for answer in every_way(here, idents[1]):
        assert answer.status_code in GIVEN
    for ident in idents:
        flip(local(here, ident))
    assert_never_given(here, idents[0])
    assert_never_given(here, idents[1], kept=KEPT)
    found = run(here.data, "verify")
    assert found.returncode == 1
    for ident, data in zip(idents, (new, read), strict=True):
        assert f"damaged  {ident}" in found.stdout
        assert not local(here, ident).exists()
        assert DirectoryStore(here.data / "store").local_path(damaged_key(Ident(ident))).exists()
        assert here.http.get(f"/images/{ident}").status_code == 404
        assert here.upload(data) == ident
        assert_given(here, data)
        assert here.http.get(f"/images/{ident}-fit30x30.jpg").status_code == 200


def test_what_memory_has_is_right_until_the_damage_is_found(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data")
    data = pictures.jpeg(300, 200, seed=908)
    ident = server.upload(data)
    for _ in range(2):
        assert_given(server, data)
    flip(local(server, ident))
    assert_given(server, data)
    assert run(server.data, "verify").returncode == 1
    assert_never_given(server, ident)
    assert server.upload(data) == ident
    assert_given(server, data)
    server.stop()


def test_uploading_heals_what_nobody_has_verified(here: Server) -> None:
    data = pictures.jpeg(300, 200, seed=903)
    ident = here.upload(data)
    flip(local(here, ident))
    assert here.upload(data) == ident
    assert_given(here, data)


def test_a_right_copy_in_the_trash_mends_and_a_damaged_one_does_not(here: Server) -> None:
    right, wrong = pictures.jpeg(300, 200, seed=904), pictures.jpeg(300, 200, seed=905)
    mended, damaged = here.upload(right), here.upload(wrong)
    store = DirectoryStore(here.data / "store")
    for ident, data in ((mended, right), (damaged, flipped(wrong))):
        flip(local(here, ident))
        store.put(trash_key(Ident(ident)), data)
    found = run(here.data, "verify")
    assert found.returncode == 1
    assert ["mended", mended] in [line.split() for line in found.stdout.splitlines()]
    assert ["damaged", damaged] in [line.split() for line in found.stdout.splitlines()]
    assert_given(here, right)
    assert_never_given(here, damaged)
    assert here.upload(wrong) == damaged
    assert_given(here, wrong)


@pytest.fixture(scope="module")
def far(swift: SwiftCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, ObjectStore]]:
    """A server whose bases lie in S3, and that store."""
    variables = swift.environment() | {"MEZZOTINT_STORE": f"s3://{swift.new_container()}/here"}
    variables["MEZZOTINT_MEMORY_CACHE"] = "0"
    server = start_server(tmp_path_factory.mktemp("far") / "data", **variables)
    settings = Settings.read(variables)
    yield server, open_store(settings.store_url, settings)
    server.stop()


def copies(server: Server, data: bytes) -> list[Path]:
    """This host's own copies of a base."""
    files = (path for path in (server.data / "cache").rglob("*") if path.is_file())
    return [path for path in files if path.stat().st_size >= len(data) and data in path.read_bytes()]


def test_a_flipped_base_far_away_is_never_given(far: tuple[Server, ObjectStore], swift: SwiftCluster) -> None:
    server, store = far
    variables = swift.environment() | {"MEZZOTINT_STORE": server.settings.store_url}
    data = pictures.jpeg(300, 200, seed=906)
    ident = server.upload(data)
    store.put(base_key(Ident(ident)), flipped(data), "image/jpeg")
    assert_never_given(server, ident)
    found = run(server.data, "verify", **variables)
    assert (found.returncode, found.stdout.count(ident)) == (1, 1), found.stdout + found.stderr
    assert_never_given(server, ident)
    assert server.upload(data) == ident
    assert_given(server, data)


def test_a_flipped_copy_on_this_host_is_never_given(far: tuple[Server, ObjectStore]) -> None:
    """It is fetched again; where what it is a copy of is damaged too, nothing is given."""
    server, store = far
    data = pictures.jpeg(300, 200, seed=907)
    ident = server.upload(data)
    assert_given(server, data)
    (copy,) = copies(server, data)
    flip(copy)
    for answer in every_way(server, ident):
        assert answer.status_code in GIVEN
    assert_given(server, data)
    (copy,) = copies(server, data)
    flip(copy)
    store.put(base_key(Ident(ident)), flipped(data), "image/jpeg")
    assert_never_given(server, ident, kept=KEPT)
    assert server.upload(data) == ident
    assert_given(server, data)
