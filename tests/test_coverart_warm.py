"""`mezzotint cover-art warm`: what is on the list is here before anybody asks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import pictures
from tests.archive import Archive, Art, faults
from tests.archive.thumbnails import comment
from tests.conftest import PROGRAM, Server, environment, run
from tests.imagecloud.nodes import OPEN
from tests.servers import rows
from tests.waiting import PATIENCE, until

SIZES = ("", "-250", "-500", "-1200")
FRONTS = tuple(f"/front{size}" for size in SIZES)


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as started:
        yield started


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def releases(archive: Archive, count: int) -> list[str]:
    back = Art(2, pictures.jpeg(40, 30), front=False, back=True)
    return [archive.release(images=[Art(1, pictures.jpeg(300, 280, seed=seed)), back]) for seed in range(count)]


def reaching(archive: Archive) -> dict[str, str]:
    return OPEN | {"MEZZOTINT_COVER_ART_UPSTREAM": archive.url}


def warm(
    data: Path, archive: Archive, lines: Iterable[str], *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    file = data.parent / "mbids.txt"
    file.write_text("\n".join(lines) + "\n")
    return run(data, "cover-art", "warm", str(file), *arguments, **(reaching(archive) | more))


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return dict(json.loads(done.stdout))


def hits(server: Server, paths: Iterable[str]) -> dict[str, bytes]:
    """What each of these is, asked when nothing can be fetched any more."""
    answers = {path: server.http.get(path) for path in paths}
    seen = {path: (answer.status_code, answer.headers.get("x-cache-status")) for path, answer in answers.items()}
    assert seen == dict.fromkeys(answers, (200, "HIT"))
    return {path: answer.content for path, answer in answers.items()}


def test_it_explains_itself(data: Path, archive: Archive) -> None:
    shown = run(data, "cover-art", "warm", "--help", COLUMNS="200", TERM="dumb")
    assert shown.returncode == 0
    for word in ("MBID", "release-group", "standard input", "--size", "--no-wait", "--json"):
        assert word in shown.stdout


def test_what_was_warmed_is_here_when_the_archive_is_gone(data: Path, serve: Callable[..., Server]) -> None:
    with Archive() as archive:
        found = releases(archive, 4)
        group = archive.release_group(found[3])
        lines = [
            "# the favourites",
            "",
            found[0],
            f"  release/{found[1]}  ",
            f"https://musicbrainz.org/release/{found[2]}/",
            f"http://musicbrainz.org/release-group/{group}\r",
        ]
        done = warm(data, archive, lines)
        assert done.returncode == 0, done.stderr
        assert "20 loaded" in done.stdout
        variables = reaching(archive)
        fronts = {mbid: archive.original(mbid, 1) for mbid in found}
    server = serve(data, **variables)
    for mbid in found[:3]:
        given = hits(server, [f"/release/{mbid}/front{size}" for size in SIZES])
        assert given[f"/release/{mbid}/front"] == fronts[mbid]
        assert [pictures.opened(picture).size for picture in given.values()] == [(300, 280), (250, 233)] + [
            (300, 280)
        ] * 2
    assert hits(server, [f"/release-group/{group}/front"]) == {f"/release-group/{group}/front": fronts[found[3]]}
    listings = hits(server, [f"/release/{mbid}" for mbid in found[:3]] + [f"/release-group/{group}"])
    assert all(json.loads(listing)["images"][0]["id"] == 1 for listing in listings.values())
    hits(server, [f"/release/{mbid}/1" for mbid in found])


def test_each_cover_and_listing_is_fetched_once(data: Path, archive: Archive) -> None:
    found = releases(archive, 3)
    assert warm(data, archive, [*found, *found]).returncode == 0
    assert set(archive.asked_on("127.0.0.1").values()) == {1}
    assert set(archive.asked_on("127.0.0.1")) == {f"/release/{mbid}{end}" for mbid in found for end in ("", *FRONTS)}
    archive.forget()
    again = warm(data, archive, found, "--json")
    assert (again.returncode, told(again)["counts"]["done"]) == (0, 15)
    assert not archive.asked, "it is here and good"


@pytest.mark.parametrize(
    ("sizes", "asked"), [(["500"], {500: "thumb500"}), (["250", "1200"], {250: "thumb250", 1200: "thumb1200"})]
)
def test_a_size_is_the_archives_own_thumbnail(
    data: Path, serve: Callable[..., Server], sizes: list[str], asked: dict[int, str]
) -> None:
    with Archive() as archive:
        (mbid,) = releases(archive, 1)
        done = warm(data, archive, [mbid], *[word for size in sizes for word in ("--size", size)])
        assert done.returncode == 0, done.stderr
        variables = reaching(archive)
        thumbnails = {f"/release/{mbid}/front-{size}": archive.thumbnail(mbid, 1, size) for size in asked}
    server = serve(data, **variables)
    given = hits(server, thumbnails)
    assert given == thumbnails
    assert [comment(picture) for picture in given.values()] == list(asked.values())
    assert server.http.get(f"/release/{mbid}/front").status_code in (502, 504), "the original was not asked for"


def test_a_size_and_the_original(data: Path, archive: Archive) -> None:
    (mbid,) = releases(archive, 1)
    assert warm(data, archive, [mbid], "--size", "original", "--size", "500").returncode == 0
    names = {path.name for path in (data / "cache" / "release").rglob("*.jpg")}
    assert names == {f"{mbid}-1.jpg", f"{mbid}-1-500.jpg"}


def test_a_size_that_there_is_not_is_refused(data: Path, archive: Archive) -> None:
    (mbid,) = releases(archive, 1)
    done = warm(data, archive, [mbid], "--size", "600")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "600" in done.stderr
    assert not archive.asked


def test_a_line_that_names_nothing_is_told_and_the_others_are_loaded(data: Path, archive: Archive) -> None:
    (mbid,) = releases(archive, 1)
    bad = [
        "not-an-mbid",
        mbid[:-1],
        f"artist/{mbid}",
        f"https://musicbrainz.org/release/{mbid}/discids",
        f"{mbid} {mbid}",
        "[bold]x[/]",
        "é" * 40,
    ]
    done = warm(data, archive, [*bad, mbid], "--json", COLUMNS="400")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [line for line in bad if f"left out  {line}" not in done.stderr] == []
    assert (told(done)["invalid"], told(done)["queued"]) == (len(bad), 5)
    assert told(done)["counts"] == {"waiting": 0, "running": 0, "done": 5, "dead": 0}
    assert (data / "cache" / "release" / mbid[0] / mbid[:2] / mbid[:3] / f"{mbid}-1.jpg").exists()


def test_what_the_archive_lacks_or_refuses_is_told(data: Path, archive: Archive) -> None:
    good, broken = releases(archive, 2)
    lacking = "00000000-0000-4000-8000-000000000000"
    archive.misbehave(f"/release/{broken}/front", faults.html())
    done = warm(data, archive, [good, lacking, broken], "--size", "original", COLUMNS="400")
    assert done.returncode == 1
    assert "3 loaded" in done.stdout
    told_so = "".join(done.stderr.split())
    assert f"/release/{lacking}" in told_so
    assert f"/release/{lacking}/front" in told_so
    assert "Traceback" not in done.stderr


def test_standard_input_is_read(data: Path, archive: Archive) -> None:
    (mbid,) = releases(archive, 1)
    done = subprocess.run(
        [PROGRAM, "cover-art", "warm", "-", "--json"],
        env=environment(data, **reaching(archive)),
        cwd=data.parent,
        input=f"# from a pipe\n{mbid}\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert told(done)["counts"]["done"] == 5


def test_without_waiting_serve_loads_them(data: Path, archive: Archive, serve: Callable[..., Server]) -> None:
    found = releases(archive, 3)
    done = warm(data, archive, found, "--no-wait", "--json")
    assert (done.returncode, told(done)["queued"], told(done)["counts"]) == (0, 15, {})
    assert not archive.asked
    server = serve(data, **reaching(archive))
    states = "SELECT state, COUNT(*) FROM imagecloud_prefetchitem GROUP BY state"
    assert until(lambda: rows(data, states) == [("done", 15)]), rows(data, states)
    archive.misbehave(None, faults.status(500))
    given = hits(server, [f"/release/{mbid}/front" for mbid in found])
    assert list(given.values()) == [archive.original(mbid, 1) for mbid in found]


@pytest.mark.parametrize("lines", [[], ["# nothing", ""]])
def test_an_empty_list_is_no_error(data: Path, archive: Archive, lines: list[str]) -> None:
    done = warm(data, archive, lines, "--json")
    assert done.returncode == 0, done.stderr
    assert (told(done)["queued"], archive.asked.total()) == (0, 0)


def test_what_cannot_be_read_is_said(data: Path, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for wrong in (tmp_path / "not-there", tmp_path, tmp_path / "binary"):
        done = run(data, "cover-art", "warm", str(wrong))
        assert done.returncode != 0
        assert done.stderr.strip()
        assert "Traceback" not in done.stderr


def test_a_read_node_warms_nothing(data: Path, archive: Archive) -> None:
    (mbid,) = releases(archive, 1)
    run(data, "clones")
    done = warm(data, archive, [mbid], MEZZOTINT_READ_ONLY="true")
    assert (done.returncode != 0, "Traceback" in done.stderr, archive.asked.total()) == (True, False, 0)
