"""The program, to look at a repository in a directory with."""

from __future__ import annotations

import pytest

from mezzotint.wiring import Engine
from tests.cli.calling import Program


@pytest.fixture
def mezzotint(keeping: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(monkeypatch, capsys)
