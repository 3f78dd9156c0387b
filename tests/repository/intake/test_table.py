"""Descriptions from CSV files as people and their programs write them."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from mezzotint.repository.intake.ingest import find_files
from mezzotint.repository.intake.table import Table
from tests import pictures
from tests.servers import rows, run

NAMES = ["a.jpg", "below/a.jpg", "below/b.jpg", "Größe.jpg"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    where = tmp_path / "pictures"
    for name in NAMES:
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_bytes(b"")
    return where


def matched(folder: Path, text: str, encoding: str = "utf-8") -> tuple[dict[str, str], list[str]]:
    """The titles by file, and what is wrong."""
    path = folder.parent / "table.csv"
    path.write_bytes(text.encode(encoding))
    described = Table(path).match(find_files([folder])[0])
    titles = {str(file.relative_to(folder)): row.fields["title"] for file, row in described.rows.items()}
    return titles, described.wrong


@pytest.mark.parametrize(
    ("spelt", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("./a.jpg", "a.jpg"),
        ("below/a.jpg", "below/a.jpg"),
        ("below\\a.jpg", "below/a.jpg"),
        (".\\below\\a.jpg", "below/a.jpg"),
        ("pictures/below/a.jpg", "below/a.jpg"),
        ("b.jpg", "below/b.jpg"),
        ("Größe.jpg", "Größe.jpg"),
        (unicodedata.normalize("NFD", "Größe.jpg"), "Größe.jpg"),
        ("{folder}/below/b.jpg", "below/b.jpg"),
    ],
)
def test_a_file_is_the_same_however_it_is_spelt(folder: Path, spelt: str, name: str) -> None:
    assert matched(folder, f"file,title\n{spelt.format(folder=folder)},Found\n") == ({name: "Found"}, [])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_programs_write_it_in_many_ways(folder: Path, separator: str, encoding: str) -> None:
    text = f"file{separator}title\r\nGröße.jpg{separator}Maß\r\n"
    assert matched(folder, text, encoding) == ({"Größe.jpg": "Maß"}, [])


def test_every_row_that_is_nobodys_or_doubled_is_told(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other/b.jpg").write_bytes(b"")
    titles, wrong = matched(folder, "file,title\na.jpg,First\n./a.jpg,Second\nb.jpg,Which\nnone.jpg,Nobody\n")
    assert titles == {"a.jpg": "First"}
    assert wrong == [
        "line 3: './a.jpg' was described in line 2",
        "line 4: 'b.jpg' may be any of 2 files; give its path",
        "line 5: 'none.jpg' is none of these files",
    ]


def test_a_path_that_two_folders_have_is_nobodys(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").write_bytes(b"")
    table = tmp_path / "table.csv"
    table.write_text("file,title\na.jpg,Which\ntwo/a.jpg,This\n")
    files, _ = find_files([tmp_path / "one", tmp_path / "two", tmp_path / "two" / "a.jpg"])
    described = Table(table).match(files)
    assert described.wrong == ["line 2: 'a.jpg' may be any of 2 files; give its path"]
    assert [(path.parent.name, row.fields["title"]) for path, row in described.rows.items()] == [("two", "This")]


def test_a_corrected_table_is_applied_to_what_is_known(tmp_path: Path) -> None:
    folder, data = tmp_path / "in", tmp_path / "data"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.png").write_bytes(pictures.png(seed=number))
    (folder / "link").symlink_to(tmp_path)
    (folder / "notes.txt").write_text("x")
    (folder / "scan.JP2").write_bytes(b"x")
    table = tmp_path / "table.csv"
    table.write_text("file;title;captured\n0.png;Wrogn;ca. 1901\nnone.png;x;\n")
    dry = run(data, "ingest", str(folder), "--metadata", str(table), "--dry-run")
    assert dry.returncode == 1
    assert "line 2: captured: cannot be 'ca. 1901'" in dry.stdout and "line 3: 'none.png' is none" in dry.stdout
    first = json.loads(run(data, "ingest", str(folder), "--metadata", str(table), "--json").stdout)
    assert (first["new"], first["changed"], len(first["wrong"])) == (2, 0, 2)
    assert {Path(one["file"]).name: one["why"] for one in first["left_out"]} == {
        "link": "a link to a folder", "notes.txt": "not called like a picture",
        "scan.JP2": "called like jp2, which is switched off here",
    }  # fmt: skip
    idents = {Path(name).name: ident for name, ident in first["files"].items()}
    table.write_text("file;title;captured\n0.png;Right;1901\n")
    again = run(data, "ingest", str(folder), "--metadata", str(table))
    assert (again.returncode, "0 new, 2 known, 0 refused" in again.stdout) == (0, True)
    done = run(data, "ingest", str(folder), "--metadata", str(table), "--update")
    assert (done.returncode, "0 new, 2 known, 1 described anew" in done.stdout) == (0, True)
    assert f"into file://{data}/store" in done.stderr
    found = rows(data, "SELECT ident, title, captured, version FROM repository_image ORDER BY title")
    assert found == [(idents["1.png"], "1", "", 1), (idents["0.png"], "Right", "1901", 2)]
    settled = run(data, "ingest", str(folder), "--metadata", str(table), "--update")
    assert "described anew" not in settled.stdout
