"""The repository's tests once more, with PostgreSQL in SQLite's place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.postgresql import PostgreSQL
from tests.servers import run

ROOT = Path(__file__).parent.parent
FILES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *(ROOT / "tests" / "repository").glob("test_*.py"),
        *(ROOT / "tests" / "browse").glob("test_*.py"),
        *(ROOT / "tests" / "imagecloud" / f"test_{name}.py" for name in ("queue", "facts", "references")),
        ROOT / "tests" / "durability" / "test_kills.py",
        ROOT / "tests" / "durability" / "test_committers.py",
    )
)


@pytest.fixture(scope="module")
def migrated(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database that has all tables, for others to be made from."""
    url = postgresql.new_database()
    done = run(tmp_path_factory.mktemp("migrated") / "data", "manage", "migrate", DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    return url.rpartition("/")[2]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("file", FILES)
def test_it_holds_on_postgresql(postgresql: PostgreSQL, migrated: str, file: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", file]
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "DJANGO_", "MEZZOTINT_"))}
    variables |= {"TESTS_POSTGRESQL": postgresql.new_database(), "TESTS_TEMPLATE": migrated}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
