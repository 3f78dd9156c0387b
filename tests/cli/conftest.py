"""A repository in a directory, and the program to look at it with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.repository.models import Captured
from mezzotint.wiring import Engine
from tests.cli.calling import Program
from tests.conftest import engine_on


@pytest.fixture
def keeping(transactional_db: None, tmp_path: Path) -> Iterator[Engine]:
    with engine_on(tmp_path / "data") as opened:
        Captured.objects.all().delete()
        yield opened


@pytest.fixture
def mezzotint(keeping: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(monkeypatch, capsys)
