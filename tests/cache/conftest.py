"""What tests of the cache share: indexes of both kinds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.cache import Cache
from tests.backends.redis import Redis
from tests.cache.caches import open_cache
from tests.cache.indexes import Indexes
from tests.cache.redis_faults import FAULTS, Fault


@pytest.fixture(params=["sqlite", "redis"])
def open_index(request: pytest.FixtureRequest) -> Iterator[Indexes]:
    """Opens indexes of each kind."""
    indexes = Indexes(request.getfixturevalue("redis").database() if request.param == "redis" else None)
    yield indexes
    indexes.close()


@pytest.fixture
def open_redis(redis: Redis) -> Iterator[Indexes]:
    """Opens indexes in Redis."""
    indexes = Indexes(redis.database())
    yield indexes
    indexes.close()


@pytest.fixture
def open_breakable(breakable_redis: Redis) -> Iterator[Indexes]:
    """Opens indexes in a Redis of this test's own."""
    indexes = Indexes(breakable_redis.url)
    yield indexes
    indexes.close()


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> Fault:
    return FAULTS[request.param]


@pytest.fixture
def cache(open_breakable: Indexes, tmp_path: Path) -> Iterator[Cache]:
    """With its index in a Redis of this test's own."""
    opened = open_cache(tmp_path / "cache", open_index=open_breakable)
    yield opened
    opened.close()


@pytest.fixture
def other(cache: Cache, open_breakable: Indexes) -> Iterator[Cache]:
    """Another process's, on the same directory."""
    opened = open_cache(cache.directory, open_index=open_breakable)
    yield opened
    opened.close()
