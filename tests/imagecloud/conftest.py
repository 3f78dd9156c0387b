"""An engine whose image cloud a test looks into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.wiring import Engine
from tests.imagecloud.loading import opened


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Engine]:
    with opened(tmp_path / "data") as engine:
        yield engine
