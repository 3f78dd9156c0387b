"""The whole of it, for real: nginx, Redis, four workers and a cleaner, and more clients than the cache has room for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archive import ITEMS, Archive
from tests.backends.redis import Redis
from tests.proof.crowd import Crowd
from tests.proof.installation import Installation, installed
from tests.proof.mishaps import Moment, befall
from tests.proof.shelves import Shelves

RELEASES, CLIENTS, REQUESTS = 500, 64, 5_000
WAYS = ("nginx-cache HIT", "nginx-cache MISS", "mezzotint HIT", "mezzotint MISS", "mezzotint 404")
"""who has sent it, and where it was"""


@pytest.fixture
def shelves() -> Iterator[Shelves]:
    with Archive() as archive:
        yield Shelves(archive, RELEASES)


@pytest.fixture
def installation(tmp_path: Path, shelves: Shelves, breakable_redis: Redis) -> Iterator[Installation]:
    with installed(tmp_path, shelves.archive, breakable_redis) as started:
        shelves.base = started.front.nginx.url
        yield started


def fetched_again(archive: Archive) -> int:
    return sum(count - 1 for count in archive.asked_on(ITEMS).values())


def test_every_answer_is_right_while_the_cache_is_squeezed(installation: Installation, shelves: Shelves) -> None:
    crowd = Crowd(shelves, CLIENTS)
    asyncio.run(crowd.ask(-(-REQUESTS // CLIENTS)))
    assert crowd.failures == []
    assert crowd.answered.total() >= REQUESTS
    for way in WAYS:
        assert crowd.answered[way], (way, crowd.answered)
    assert fetched_again(shelves.archive) > 500, "what was cleaned was asked for again"
    installation.assert_exact()


def test_no_answer_is_wrong_whatever_befalls(installation: Installation, shelves: Shelves) -> None:
    crowd = Crowd(shelves, CLIENTS, breath=0.1)  # who asks without a breath keeps what was killed from coming back

    async def asked_meanwhile() -> list[Moment]:
        asking = asyncio.create_task(crowd.ask(None))
        moments = await befall(crowd, installation)
        await asking
        return moments

    moments = asyncio.run(asked_meanwhile())
    assert crowd.failures, "nobody noticed that nginx was killed"
    assert [failure for failure in crowd.failures if not any(moment.excuses(failure) for moment in moments)] == []
    for way in WAYS:
        assert crowd.answered[way], (way, crowd.answered)

    installation.rescan()
    afterwards = Crowd(shelves, CLIENTS)
    asyncio.run(afterwards.ask(1_000 // CLIENTS, seed=1))
    assert afterwards.failures == []
    installation.assert_exact()
