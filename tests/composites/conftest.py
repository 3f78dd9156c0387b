"""A DLCS, a bucket and an origin for composites, and an engine that works for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.composites import dlcstarget
from tests.backends.aws import Aws
from tests.composites.dlcs import Dlcs
from tests.composites.world import World
from tests.conftest import engine_on
from tests.origin import Origin


@pytest.fixture
def dlcs() -> Iterator[Dlcs]:
    with Dlcs() as started:
        yield started


@pytest.fixture
def world(
    transactional_db: None, tmp_path: Path, aws: Aws, dlcs: Dlcs, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """An engine for the DLCS, at 36 dots an inch."""
    made = World(tmp_path, aws, dlcs, origin, aws.new_bucket())
    for name, value in made.variables().items():
        monkeypatch.setenv(name, value)
    with engine_on(tmp_path / "data", **made.variables()):
        yield made


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the DLCS has not taken at once it does not take."""
    monkeypatch.setattr(dlcstarget, "UNDER_WAY", 0.0)
    monkeypatch.setattr(dlcstarget, "LONGEST", 0.0)
    monkeypatch.setattr(dlcstarget, "_LOOKS", (0.0,))
