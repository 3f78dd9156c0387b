"""`mezzotint ingest`: folders in, one broken file costing only itself."""

from __future__ import annotations

import hashlib
import signal
import subprocess
from pathlib import Path

import pytest

from tests import pictures
from tests.conftest import PROGRAM, environment, run
from tests.servers import rows
from tests.waiting import until

SMALL = [pictures.png(24, 16, seed=700 + number) for number in range(197)]


def titles(data: Path) -> dict[str, str]:
    return dict(rows(data, "SELECT ident, title FROM repository_image"))


def idents(files: list[bytes]) -> set[str]:
    return {hashlib.sha256(data).hexdigest() for data in files}


def folder_of(where: Path, files: dict[str, bytes]) -> Path:
    folder = where / "pictures"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def table(where: Path, text: str) -> str:
    path = where / "table.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def spooled(data: Path) -> list[Path]:
    below = [data / "incoming", data / "store" / ".incoming"]
    return [path for directory in below if directory.exists() for path in directory.rglob("*") if path.is_file()]


def test_broken_files_cost_only_themselves(tmp_path: Path) -> None:
    broken = {"zz-text.jpg": b"no picture", "mm-cut.png": SMALL[0][:-40], "aa-empty.gif": b""}
    good = {f"{number % 5}/{number:03}.png": data for number, data in enumerate(SMALL)}
    folder = folder_of(tmp_path, good | broken | {"notes.txt": b"x", ".hidden.png": SMALL[0]})
    data = tmp_path / "data"
    first = run(data, "ingest", str(folder), "--collection", "Two hundred", COLUMNS="400")
    assert first.returncode == 1
    assert "197 new, 0 known, 3 refused" in first.stdout
    assert all(name in first.stdout for name in ("zz-text", "mm-cut", "aa-empty"))
    assert "Traceback" not in first.stderr
    assert set(titles(data)) == idents(SMALL)
    assert spooled(data) == []

    again = run(data, "ingest", str(folder), "--collection", "Two hundred")
    assert again.returncode == 1
    assert "0 new, 197 known, 3 refused" in again.stdout
    assert set(titles(data)) == idents(SMALL)


def test_all_good_is_status_zero(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.png": SMALL[0], "b.PNG": SMALL[1], "below/c.png": SMALL[0]})
    done = run(tmp_path / "data", "ingest", str(folder))
    assert done.returncode == 0, done.stderr
    assert set(titles(tmp_path / "data")) == idents(SMALL[:2])


def test_a_single_file_can_be_put_in(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.png": SMALL[0], "b.png": SMALL[1]})
    assert run(tmp_path / "data", "ingest", str(folder / "b.png")).returncode == 0
    assert set(titles(tmp_path / "data")) == idents([SMALL[1]])


def test_a_table_describes_the_files(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.png": SMALL[0], "below/b.png": SMALL[1], "c.png": SMALL[2]})
    rows = 'File,Title,Tags,captured\na.png,"Ä title, with commas","x, y",1901-02\nbelow/b.png,By its path,,\n'
    done = run(tmp_path / "data", "ingest", str(folder), "--metadata", table(tmp_path, "\ufeff" + rows))
    assert done.returncode == 0, done.stderr
    ident = [hashlib.sha256(data).hexdigest() for data in SMALL[:3]]
    described = {ident[0]: "Ä title, with commas", ident[1]: "By its path"}
    assert described.items() <= titles(tmp_path / "data").items()
    assert set(titles(tmp_path / "data")) == set(ident)


def test_a_wrong_field_costs_only_itself(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.png": SMALL[0], "b.png": SMALL[1], "c.png": SMALL[2]})
    rows = "file,title,captured\na.png,Good,1901\nb.png,Bad,yesterday\n"
    done = run(tmp_path / "data", "ingest", str(folder), "--metadata", table(tmp_path, rows), COLUMNS="400")
    assert done.returncode == 1
    assert "3 new, 0 known, 0 refused" in done.stdout
    assert "metadata: line 3: captured: cannot be 'yesterday'" in done.stdout
    assert "Bad" in titles(tmp_path / "data").values()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file,titel\na.png,x\n", "titel"),
        ("title\nx\n", "file"),
        ("", "file"),
        ('file,title\n"a.png,x\n', "metadata"),
    ],
)
def test_a_table_that_is_none_is_refused_before_anything_is_read(tmp_path: Path, text: str, told: str) -> None:
    folder = folder_of(tmp_path, {"a.png": SMALL[0]})
    done = run(tmp_path / "data", "ingest", str(folder), "--metadata", table(tmp_path, text))
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert titles(tmp_path / "data") == {}


def test_a_row_with_too_many_columns_is_not_guessed_at(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.png": SMALL[0], "b.png": SMALL[1]})
    rows = "file,title\na.png,Harbour, at dusk\nb.png,Good\n"
    done = run(tmp_path / "data", "ingest", str(folder), "--metadata", table(tmp_path, rows))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "Harbour" not in titles(tmp_path / "data").values()


@pytest.mark.parametrize(
    "arguments", [["nowhere"], [], [".", "--metadata", "nowhere.csv"], [".", "--collection", "--"]]
)
def test_wrong_arguments_are_told(tmp_path: Path, arguments: list[str]) -> None:
    done = run(tmp_path / "data", "ingest", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.png": SMALL[0], "b.png": SMALL[1], "c.txt": b"x"})
    done = run(tmp_path / "data", "ingest", str(folder), "--dry-run")
    assert done.returncode == 0
    assert "2 pictures" in done.stdout
    assert not [path for path in (tmp_path / "data" / "store").rglob("*") if path.is_file()]
    assert not (tmp_path / "data" / "mezzotint.sqlite3").exists()


def test_an_ingest_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {f"{number:03}.png": data for number, data in enumerate(SMALL)})
    data = tmp_path / "data"
    assert run(data, "manage", "migrate", "--verbosity", "0").returncode == 0
    process = subprocess.Popen(
        [PROGRAM, "ingest", str(folder)],
        env=environment(data),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stored = data / "store" / "images"
    until(lambda: process.poll() is not None or (stored.exists() and len(list(stored.rglob("*"))) >= 40), 0)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(titles(data)) in {0, len(SMALL)}

    done = run(data, "ingest", str(folder))
    assert done.returncode == 0, done.stderr
    assert set(titles(data)) == idents(SMALL)
    for path in stored.rglob("*"):
        assert path.is_dir() or hashlib.sha256(path.read_bytes()).hexdigest() == path.name
