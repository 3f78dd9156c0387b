"""Each test of the suite runs once on each kind of store."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from mezzotint.objects import ObjectStore
from tests.contracts.stores import STORES, Kind, Place


@pytest.fixture(params=STORES, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    return cast(Kind, request.param)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, lambda: request.getfixturevalue("swift"))


@pytest.fixture
def store(kind: Kind, place: Place) -> ObjectStore:
    return kind.open(place)
