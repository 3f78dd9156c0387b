"""The repository's tests once more, with PostgreSQL in SQLite's place, over a directory as object store: nothing that
depends on the store depends on the database too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.postgresql import PostgreSQL
from tests.servers import run

ROOT = Path(__file__).parent.parent
CANNOT_DIFFER = {
    "test_admin_actions.py": "what the admin does goes through services, as in test_admin",
    "test_api_problems.py": "errors are made up, or found before the database is asked",
    "test_changes.py": "is about SQLite's own count; PostgreSQL is looked at each time",
    "test_full_disk.py": "a full disk is the object store's; PostgreSQL has disks of its own",
    "test_ingest_again.py": "is about files",
    "test_ingest.py": "writes through services alone, as test_sessions does",
    "test_read_nodes.py": "a node applies segments by the code of test_recovery; the rest is between two servers",
    "test_readiness.py": "asks whether there is a database, not which",
    "test_snapshots.py": "the state is read by what test_restoring reads it by",
    "test_verifying.py": "reads the object store, and names from the database, as test_reconciling does",
}
"""of the repository's tests, and why"""
ARE_THE_STORES = (
    "tests/repository/test_standing.py::test_a_store_that_does_not_fit_is_never_written_to",
    "tests/repository/test_standing.py::test_a_store_older_than_the_database_is_an_alarm_and_nothing_is_written",
    "tests/repository/upkeep/test_restoring.py::test_the_hint_is_not_trusted",
    "tests/repository/upkeep/test_restoring.py::test_a_checkpoint_that_is_not_listed_yet_is_found_by_the_hint",
)
"""of the files below: what they are about is in the object store, and the database is a witness only"""
_FILES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *(path for path in (ROOT / "tests" / "repository").rglob("test_*.py") if path.name not in CANNOT_DIFFER),
        *(ROOT / "tests" / "browse" / f"test_{name}.py" for name in ("pages", "finding")),
        ROOT / "tests" / "desk" / "test_desk.py",
        *(ROOT / "tests" / "imagecloud" / f"test_{name}.py" for name in ("queue", "facts", "references")),
        ROOT / "tests" / "durability" / "test_kills.py",
        ROOT / "tests" / "durability" / "test_committers.py",
    )
)
GROUPS = [_FILES[n::8] for n in range(8)]
"""each is a pytest of its own, which takes seconds to begin"""


def test_what_is_left_out_is_there() -> None:
    there = {path.name for path in (ROOT / "tests" / "repository").rglob("test_*.py")}
    assert set(CANNOT_DIFFER) <= there
    for path, _, name in (one.partition("::") for one in ARE_THE_STORES):
        assert f"def {name}(" in (ROOT / path).read_text()


@pytest.fixture(scope="module")
def migrated(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database that has all tables, for others to be made from."""
    url = postgresql.new_database()
    done = run(tmp_path_factory.mktemp("migrated") / "data", "manage", "migrate", DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    return url.rpartition("/")[2]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("group", GROUPS, ids=lambda files: "+".join(Path(file).stem for file in files))
def test_it_holds_on_postgresql(postgresql: PostgreSQL, migrated: str, group: list[str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *group]
    command += [part for one in ARE_THE_STORES for part in ("--deselect", one)]
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "DJANGO_", "MEZZOTINT_"))}
    variables |= {"TESTS_POSTGRESQL": postgresql.new_database(), "TESTS_TEMPLATE": migrated}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
