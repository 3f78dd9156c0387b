"""An archive, and a Mezzotint behind nginx that fetches from it, which the tests of one file share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.archive import Archive
from tests.nginx.fronting import Front, fronted, reaching


@pytest.fixture(scope="module")
def archive() -> Iterator[Archive]:
    with Archive() as started:
        yield started


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, archive: Archive) -> Iterator[Front]:
    with fronted(tmp_path_factory.mktemp("front") / "data", **reaching(archive)) as started:
        yield started
