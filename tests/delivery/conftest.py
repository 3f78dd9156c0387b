"""A server before an archive of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.archive import Archive
from tests.delivery.covers import Covers, ServeCovers, covers_of


@pytest.fixture(scope="session")
def covers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Covers]:
    """That tests of one process share: they look only at releases that they put in."""
    with covers_of(tmp_path_factory.mktemp("covers") / "data") as started:
        yield started


@pytest.fixture
def serve_covers(tmp_path: Path) -> Iterator[ServeCovers]:
    """Start servers of one's own: `serve_covers(MEZZOTINT_...=...)`."""
    with ExitStack() as stack:

        def start(archive: Archive | None = None, **variables: str) -> Covers:
            return stack.enter_context(covers_of(tmp_path / "data", archive, **variables))

        yield start
