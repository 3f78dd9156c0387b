"""An archive, and an engine that fetches from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.wiring import Engine
from tests.archive import Archive
from tests.sources.coverart.covers import covering


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as started:
        yield started


@pytest.fixture
def engine(tmp_path: Path, archive: Archive) -> Iterator[Engine]:
    with covering(tmp_path / "data", archive) as opened:
        yield opened
