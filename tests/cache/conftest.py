"""What tests of the cache share: indexes of both kinds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backends.redis import Redis
from tests.cache.indexes import Indexes


@pytest.fixture(params=["sqlite", "redis"])
def open_index(request: pytest.FixtureRequest) -> Iterator[Indexes]:
    """Opens indexes of each kind."""
    server: Redis | None = request.getfixturevalue("redis") if request.param == "redis" else None
    indexes = Indexes(server and server.database())
    yield indexes
    indexes.close()


@pytest.fixture
def open_redis(redis: Redis) -> Iterator[Indexes]:
    """Opens indexes in Redis."""
    indexes = Indexes(redis.database())
    yield indexes
    indexes.close()
