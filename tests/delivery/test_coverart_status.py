"""`/health`, `/cache-status`, and the directory that a person looks into."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.archive import Art
from tests.backends.redis import Redis
from tests.delivery.covers import BOOKLET, FRONT, Covers, ServeCovers
from tests.pictures import jpeg
from tests.waiting import until

FIELDS = {
    "status",
    "cached_files",
    "release_files",
    "release_group_files",
    "cache_size_bytes",
    "cache_size_mb",
    "cache_limit_mb",
    "cache_usage_percent",
    "cache_dir",
    "cache_index_type",
    "redis_available",
}


def files(directory: Path, kind: str = "") -> list[Path]:
    """What the cache holds, without what it needs for itself."""
    found = (path for path in (directory / kind).rglob("*") if path.is_file())
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(directory).parts)]


def test_a_server_is_healthy_and_says_where_its_cache_is(covers: Covers) -> None:
    answer = covers.http.get("/health")
    assert answer.status_code == 200
    assert (
        answer.json().items()
        >= {
            "status": "healthy",
            "cache_dir": str(covers.server.settings.cache),
        }.items()
    )


@pytest.mark.parametrize("path", ["/health", "/cache-status"])
def test_both_are_for_everybody_and_never_kept(covers: Covers, path: str) -> None:
    got, head, options = covers.http.get(path), covers.http.head(path), covers.http.options(path)
    assert (got.status_code, head.status_code, head.content) == (200, 200, b"")
    assert options.status_code in {200, 204}
    assert options.headers["allow"] == "GET, HEAD, OPTIONS"
    for answer in (got, head):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
    for answer in (got, head, options):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_empty_cache_says_so(serve_covers: ServeCovers, tmp_path: Path) -> None:
    covers = serve_covers(COVER_ART_CACHE_DIR=str(tmp_path / "elsewhere"), COVER_ART_CACHE_MAX_SIZE="50")
    assert covers.http.get("/cache-status").json() == {
        "status": "running",
        "cached_files": 0,
        "release_files": 0,
        "release_group_files": 0,
        "cache_size_bytes": 0,
        "cache_size_mb": 0,
        "cache_limit_mb": 50,
        "cache_usage_percent": 0,
        "cache_dir": str(tmp_path / "elsewhere"),
        "cache_index_type": "sqlite",
        "redis_available": False,
    }
    assert covers.http.get("/health").json()["cache_dir"] == str(tmp_path / "elsewhere")


def test_the_status_is_what_is_in_the_directory(serve_covers: ServeCovers, tmp_path: Path) -> None:
    directory = tmp_path / "elsewhere"
    covers = serve_covers(COVER_ART_CACHE_DIR=str(directory), COVER_ART_CACHE_MAX_SIZE="50")
    release = covers.release()
    group = covers.archive.release_group(release)
    for name in ("", "/front", "/front-250", "/12", "/13", "/13-500", "/15"):
        covers.http.get(f"/release/{release}{name}").raise_for_status()
    covers.http.get(f"/release-group/{group}").raise_for_status()
    covers.http.get(f"/release-group/{group}/front").raise_for_status()
    covers.http.get(f"/release/{release}/99")
    ident = covers.server.upload(jpeg(200, 200, seed=9))
    covers.http.get(f"/images/{ident}-100x100.jpg").raise_for_status()

    status = covers.http.get("/cache-status").json()
    assert status.keys() == FIELDS
    there = files(directory)
    size = sum(path.stat().st_size for path in there)
    assert (status["cached_files"], status["cache_size_bytes"]) == (len(there), size)
    assert status["release_files"] == len(files(directory, "release")) == 8
    assert status["release_group_files"] == len(files(directory, "release-group")) == 2
    assert status["cache_size_mb"] == pytest.approx(size / 2**20, abs=0.01)
    assert status["cache_usage_percent"] == pytest.approx(size / (50 * 2**20) * 100, abs=0.01)
    assert not (tmp_path / "data" / "cache").exists()


def test_the_directory_is_deep_and_its_names_are_plain(serve_covers: ServeCovers, tmp_path: Path) -> None:
    directory = tmp_path / "elsewhere"
    covers = serve_covers(COVER_ART_CACHE_DIR=str(directory))
    release = covers.release()
    group = covers.archive.release_group(release)
    for path in (f"/release/{release}", f"/release/{release}/11", f"/release/{release}/12", f"/release/{release}/13"):
        covers.http.get(path).raise_for_status()
    covers.http.get(f"/release/{release}/14-500").raise_for_status()
    covers.http.get(f"/release-group/{group}").raise_for_status()
    covers.http.get(f"/release-group/{group}/front").raise_for_status()

    at = f"release/{release[0]}/{release[:2]}/{release[:3]}/{release}"
    of_group = f"release-group/{group[0]}/{group[:2]}/{group[:3]}/{group}"
    names = {f"{at}{ending}" for ending in (".json", "-11.jpg", "-12.png", "-13.pdf", "-14-500.jpg")}
    names |= {f"{of_group}.json", f"{of_group}-front.json"}
    assert {str(path.relative_to(directory)) for path in files(directory)} == names
    for id, ending in ((11, "jpg"), (12, "png"), (13, "pdf")):
        assert (directory / f"{at}-{id}.{ending}").read_bytes() == covers.archive.original(release, id)
    assert json.loads((directory / f"{of_group}.json").read_bytes())["document"]["release"].endswith(release)
    found = subprocess.run(["find", directory, "-name", f"{release}*"], capture_output=True, text=True, check=True)
    assert len(found.stdout.splitlines()) == 5


def test_a_cache_stays_within_what_it_may_be(serve_covers: ServeCovers) -> None:
    covers = serve_covers(COVER_ART_CACHE_MAX_SIZE="1")
    directory = covers.server.settings.cache
    pictures = [jpeg(700, 700, seed=seed) for seed in range(18)]
    releases = [covers.archive.release(images=[Art(11, data)]) for data in pictures]
    assert sum(map(len, pictures)) > 2 << 20
    for release, data in zip(releases, pictures, strict=True):
        assert covers.http.get(f"/release/{release}/11").content == data

    def agreed() -> bool:
        size = int(covers.http.get("/cache-status").json()["cache_size_bytes"])
        return 0 < size <= 0.95 * 2**20 and size == sum(path.stat().st_size for path in files(directory))

    assert until(agreed)
    for release, data in zip(releases, pictures, strict=True):
        assert covers.http.get(f"/release/{release}/11").content == data


def test_what_is_removed_from_the_directory_is_had_again(serve_covers: ServeCovers) -> None:
    covers = serve_covers()
    release, directory = covers.release(), covers.server.settings.cache
    paths = {f"/release/{release}/front": FRONT, f"/release/{release}/13": BOOKLET}
    for _ in range(2):
        for path, data in paths.items():
            for _ in range(3):
                assert covers.http.get(path).content == data
        subprocess.run(f"rm -rf {directory}/* {directory}/.[!.]*", shell=True, check=True)
    assert covers.http.get(f"/release/{release}").json()["images"]
    until(lambda: covers.http.get("/cache-status").json()["release_files"] == len(files(directory, "release")))
    assert covers.http.get("/cache-status").json()["release_files"] == len(files(directory, "release")) > 0


def test_with_redis_the_status_says_so(serve_covers: ServeCovers, redis: Redis) -> None:
    covers = serve_covers(REDIS_URL=redis.database())
    assert covers.http.get(f"/release/{covers.release()}/front").content == FRONT
    status = covers.http.get("/cache-status").json()
    assert (status["cache_index_type"], status["redis_available"]) == ("redis", True)
    assert status["release_files"] == len(files(covers.server.settings.cache, "release")) == 2
