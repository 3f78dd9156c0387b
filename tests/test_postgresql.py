"""The repository's tests once more, with PostgreSQL in SQLite's place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.postgresql import PostgreSQL

ROOT = Path(__file__).parent.parent
ROOMS = ("tests/repository", "tests/browse", "tests/durability")


@pytest.mark.timeout(1800)
def test_the_repository_holds_on_postgresql(postgresql: PostgreSQL) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *filter(os.path.exists, ROOMS)]
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        command, cwd=ROOT, env=variables | {"TESTS_POSTGRESQL": postgresql.url}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    assert " passed" in done.stdout
