"""Another cover art cache's directory: what can be told from it is here, and it stays as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.cache import Cache
from mezzotint.sources.coverart.asking import CoverRequest
from mezzotint.sources.coverart.importing import Taken, meant, take_over
from mezzotint.sources.coverart.keeping import Keeping
from mezzotint.sources.remote import How
from mezzotint.wiring import Engine
from tests.archive import Archive
from tests.pictures import jpeg, png
from tests.servers import run
from tests.sources.coverart.covers import covering, get

M, N = "76df3287-6cda-33eb-8e9a-044b5e15ffdd", "ebe78b00-e2f9-48f0-bd6c-7d38a436f289"
FRONT, SMALL, OTHER = jpeg(600, 600, seed=1), jpeg(250, 250, seed=2), jpeg(300, 300, seed=3)


@pytest.mark.parametrize(
    ("path", "asked"),
    {
        f"release/7/76/76d/{M}-front.jpg": CoverRequest("release", M, "front"),
        f"release/7/76/76d/{M}-front-250.jpg": CoverRequest("release", M, "front", 250),
        f"release/7/76/76d/{M}_back_500": CoverRequest("release", M, "back", 500),
        f"release/7/76/76d/{M}-829521842-1200.png": CoverRequest("release", M, "829521842", 1200),
        f"release/7/76/76d/{M}.json": CoverRequest("release", M),
        f"release/7/76/76d/{M}": CoverRequest("release", M),
        f"release/{M}/front-250.jpg": CoverRequest("release", M, "front", 250),
        f"release/{M}/index.json": CoverRequest("release", M),
        f"release-group/7/76/76d/{M}-front-500.jpg": CoverRequest("release-group", M, "front", 500),
        f"mbid-{M}-829521842_thumb250.jpg": CoverRequest("release", M, "829521842", 250),
    }.items(),
)
def test_a_path_says_what_a_file_is(path: str, asked: CoverRequest) -> None:
    assert meant(path) == asked


@pytest.mark.parametrize(
    "path",
    ["README", "release/7/76/76d/nonsense-front.jpg", f"release/{M}-front-300.jpg", f"release/{M}-250.jpg",
     f"release/{M}-side.jpg", f"release-group/{M}-back.jpg", f"release-group/{M}-11.jpg", f"{M.upper()}-front.jpg",
     f"release/{M}-0.jpg", ""],
)  # fmt: skip
def test_a_path_that_says_nothing_is_left_alone(path: str) -> None:
    assert meant(path) is None


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """As the other cache left it, with what people and machines put beside."""
    top = tmp_path / "old"
    front = {"id": "11", "front": True, "back": False, "image": f"http://coverartarchive.org/release/{M}/11.jpg"}
    listing = {"release": f"http://musicbrainz.org/release/{M}", "images": [front]}
    for name, data in {
        f"release/7/76/76d/{M}.json": json.dumps(listing).encode(),
        f"release/7/76/76d/{M}-front.jpg": FRONT,
        f"release/7/76/76d/{M}-front-250.jpg": SMALL,
        f"release/7/76/76d/{M}-back.jpg": b"<html>502",
        f"release-group/e/eb/ebe/{N}-front-500.jpg": OTHER,
        f"release/e/eb/ebe/{N}-12.jpg": png(40, 30),
        f"release/e/eb/ebe/{N}.json": b"{}",
        "notes.txt": b"mine",
        "release/7/76/76d/.tmp123": b"half",
    }.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(data)
    return top


@pytest.fixture
def engine(tmp_path: Path, archive: Archive) -> Iterator[Engine]:
    with covering(tmp_path / "data", archive) as opened:
        yield opened


def files(top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def keeping_of(engine: Engine) -> Keeping:
    return Keeping(engine.cache, engine.bases)


def test_what_can_be_told_is_here_afterwards_and_the_archive_is_not_waited_for(
    engine: Engine, archive: Archive, old: Path
) -> None:
    before = files(old)
    assert take_over(old, keeping_of(engine), really=False) == Taken(4, 1, 0, 1, 2)
    assert cached(engine.cache) == 0
    assert take_over(old, keeping_of(engine)) == Taken(pictures=4, listings=1, here=0, unknown=1, refused=2)
    assert take_over(old, keeping_of(engine)) == Taken(pictures=0, listings=0, here=5, unknown=1, refused=2)
    assert files(old) == before
    archive.behave()
    for path, data, how in (
        (f"/release/{N}/12", png(40, 30), How.HIT),
        (f"/release/{M}/front", FRONT, How.STALE),
        (f"/release/{M}/front-250", SMALL, How.STALE),
        (f"/release-group/{N}/front-500", OTHER, How.STALE),
    ):
        found = get(engine, path)
        assert (found.data, found.how) == (data, how), path
    listing = get(engine, f"/release/{M}").listing
    assert listing is not None and listing["images"][0]["id"] == 11


def cached(cache: Cache) -> int:
    return cache.totals().files


def test_the_command_says_what_it_did_and_does_nothing_on_a_dry_run(tmp_path: Path, old: Path) -> None:
    dry = run(tmp_path / "data", "cover-art", "import", str(old), "--dry-run", "--json")
    assert json.loads(dry.stdout)["pictures"] == 4
    real = run(tmp_path / "data", "cover-art", "import", str(old))
    assert "4 pictures and 1 listings taken over" in real.stderr + real.stdout
    again = run(tmp_path / "data", "cover-art", "import", str(old), "--json")
    assert json.loads(again.stdout) == {"pictures": 0, "listings": 0, "here": 5, "unknown": 1, "refused": 2}
    wrong = run(tmp_path / "data", "cover-art", "import", str(tmp_path / "nowhere"))
    assert wrong.returncode == 2 and "DIR" in wrong.stderr
