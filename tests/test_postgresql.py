"""The repository's tests once more, with PostgreSQL in SQLite's place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.postgresql import PostgreSQL

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
PARTS = 5


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_repository_holds_on_postgresql(postgresql: PostgreSQL, part: int) -> None:
    """In parts, that more than one process may have a share of it."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *FILES[part::PARTS]]
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "DJANGO_", "MEZZOTINT_"))}
    variables["TESTS_POSTGRESQL"] = f"{postgresql.new_database()}"
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
