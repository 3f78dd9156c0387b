"""Ingest where all is here already, and where a file cannot be read when its turn comes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from mezzotint.errors import StorageFull
from mezzotint.repository import standing
from mezzotint.repository.intake import ingest
from mezzotint.repository.models import Image
from mezzotint.wiring import Engine
from tests import pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in (1, 2, 3):
        (folder / f"plate-{seed}.png").write_bytes(pictures.png(seed=seed))
    return folder


def put_in(folder: Path, collection: str | None = None) -> ingest.IngestReport:
    return ingest.ingest(ingest.find_files([folder])[0], "ada", collection)


def test_what_is_here_already_is_no_commit(repository: Engine, folder: Path) -> None:
    first = put_in(folder)
    assert (first.new, first.known, first.commits) == (3, 0, [1])
    again = put_in(folder)
    assert (again.new, again.known, again.commits) == (0, 3, [])
    assert standing.head().seq == 1
    shelved = put_in(folder, "Shelf")
    assert (shelved.new, shelved.known, shelved.commits) == (0, 3, [2]), "what joins a collection is one"


def test_a_file_that_is_gone_when_its_turn_comes_costs_only_itself(repository: Engine, folder: Path) -> None:
    files, _ = ingest.find_files([folder])
    gone = folder / "plate-2.png"
    gone.unlink()
    report = ingest.ingest(files, "ada")
    assert [(one.path, one.why) for one in report.refused] == [
        (gone, "file: cannot be read, No such file or directory")
    ]
    assert report.new == Image.objects.count() == 2


def test_a_full_disk_ends_it_and_is_no_fault_of_the_file(
    repository: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(chunks: Iterable[bytes]) -> Any:
        raise StorageFull("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(repository.bases, "add", full)
        with pytest.raises(StorageFull):
            put_in(folder)
    assert not Image.objects.exists()
    assert put_in(folder).new == 3
