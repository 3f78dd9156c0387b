"""`mezzotint derive` and `mezzotint doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import pictures
from tests.servers import run

LARGE, SMALL = pictures.jpeg(3000, 2000, seed=4001), pictures.png(60, 40, seed=4002)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("deriving")
    for name, picture in (("large.jpg", LARGE), ("small.png", SMALL)):
        (directory / name).write_bytes(picture)
    run(directory / "data", "ingest", str(directory / "large.jpg"), str(directory / "small.png")).check_returncode()
    return directory / "data"


def cached(data: Path) -> list[str]:
    return sorted(
        path.name[64:] for path in (data / "cache" / "native").rglob("*") if path.is_file() and "-" in path.name
    )


def test_levels_and_renditions_are_made_ahead_and_once(data: Path) -> None:
    would = run(data, "derive", "-r", "w50.webp", "--dry-run")
    assert would.returncode == 0 and "2 bases, 1 renditions of each and its levels" in would.stdout
    assert cached(data) == []
    made = run(data, "derive", "-r", "w50.webp", "-r", ".jpg", "--no-levels")
    assert made.returncode == 0 and made.stdout.startswith("4 made for 2 bases"), made.stdout + made.stderr
    made = run(data, "derive", "-r", "w50.webp")
    assert made.stdout.startswith(("1 made", "2 made")), made.stdout
    assert {"-level1920.zst", "-level960.zst"} <= set(cached(data))
    again = run(data, "derive", "-r", "w50.webp", "-r", ".jpg")
    assert again.stdout.startswith("0 made for 2 bases; 0 could not be")


def test_what_cannot_be_made_is_told_and_the_rest_is_made(data: Path) -> None:
    large = run(data, "derive", "-r", "x100y0w100h50-50x25.jpg")
    assert large.returncode == 1
    assert large.stdout.startswith("1 made for 2 bases; 1 could not be")
    assert "region: lies outside the picture" in large.stderr
    assert run(data, "derive", "ab" * 32).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["-r", "w50.auto"], "a format by its name"), (["-r", "nonsense"], "limit"), (["nonsense"], "")],
)
def test_what_is_no_rendition_or_ident_is_refused_in_words(data: Path, arguments: list[str], said: str) -> None:
    refused = run(data, "derive", *arguments)
    assert refused.returncode == 2
    assert said in refused.stderr and "Traceback" not in refused.stderr


def test_the_doctor_says_what_is_installed(data: Path) -> None:
    found = json.loads(run(data, "doctor", "--json").stdout)
    assert "missing" not in found["libraries"].values()
    assert [name for name, one in found["formats"].items() if not one["read"]] == ["ppm", "ico", "pdf"]
    assert [name for name, one in found["formats"].items() if not one["written"]] == ["heic", "svg"]
    assert "jp2" not in found["accepted"] and "heic" in found["accepted"]
    shown = run(data, "doctor", MEZZOTINT_FORMATS="jpg jp2").stdout
    assert "libvips" in shown and "switched off" in shown


def test_a_format_that_is_none_ends_the_start(data: Path) -> None:
    refused = run(data, "doctor", MEZZOTINT_FORMATS="jpg docx")
    assert refused.returncode == 2 and "MEZZOTINT_FORMATS" in refused.stderr
