from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from mezzotint.site.prepare import django_setup


@pytest.fixture(autouse=True)
def databases_may_be_used(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Those of data directories, which no test database stands in for."""
    django_setup()
    with django_db_blocker.unblock():
        yield
