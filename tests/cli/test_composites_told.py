"""`mezzotint composite import` and `add`, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mezzotint.composites.models import Batch, Collection, Member
from tests.cli.calling import Program
from tests.composites.test_importing import COLLECTION, DONE, dump
from tests.conftest import run


def test_what_is_taken_over_is_told(mezzotint: Program, tmp_path: Path) -> None:
    source = dump(tmp_path / "dump.json")
    planned = mezzotint("composite", "import", source, "--dry-run")
    assert planned.out.splitlines() == [
        "1 collections, 3 members, 2 batches would be taken over",
        "0 collections were here; 1 members were under way there",
    ]
    assert (planned.status, Collection.objects.count()) == (0, 0)
    done = mezzotint("composite", "import", source)
    assert (done.status, done.out.splitlines()[0]) == (0, "1 collections, 3 members, 2 batches taken over")
    assert (Collection.objects.get().pk, Member.objects.count(), Batch.objects.count()) == (COLLECTION, 3, 2)
    again = mezzotint("composite", "import", source, "--json")
    assert (again.status, json.loads(again.out)) == (
        0,
        {"collections": 0, "members": 0, "batches": 0, "known": 1, "unfinished": 0},
    )
    listed = mezzotint("composite", "status", str(DONE))
    assert (listed.status, "COMPLETED" in listed.out) == (0, True)


@pytest.mark.parametrize("content", ["[3]", None])
def test_what_cannot_be_taken_over_is_told(mezzotint: Program, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "dump.json"
    if content is not None:
        path.write_text(content)
    done = mezzotint("composite", "import", str(path))
    assert (done.status, done.out, "source: " in done.err) == (2, "", True)
    assert not Collection.objects.exists()


@pytest.mark.processes
def test_a_document_that_is_refused_is_told_to_programs(tmp_path: Path) -> None:
    document = tmp_path / "a.pdf"
    document.write_bytes(b"none")
    variables = {"SCRATCH_DIRECTORY": str(tmp_path / "scratch")}
    done = run(tmp_path / "data", "composite", "add", str(document), "--json", **variables)
    assert done.returncode == 2
    said = json.loads(done.stdout)
    assert (said["status"], said["error"], said["attempts"]) == ("ERROR", "it is not a PDF", 1)
