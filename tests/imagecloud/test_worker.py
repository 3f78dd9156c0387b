"""The background goes on, whatever the database did in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from mezzotint.imagecloud import leases, prefetching, threads, worker
from mezzotint.imagecloud.loader import Loader
from mezzotint.imagecloud.models import PrefetchItem
from mezzotint.repository.owners import Owner
from mezzotint.wiring import Engine
from mezzotint.wiring.sources import open_sources
from tests import pictures
from tests.imagecloud.loading import opened
from tests.imagecloud.nodes import limit
from tests.origin import Asked, Origin

pytestmark = pytest.mark.django_db(transaction=True)
COUNT = 30


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Engine]:
    limit(tmp_path / "data", all=3)
    with opened(tmp_path / "data") as engine:
        yield engine


@pytest.fixture
def origin() -> Iterator[Origin]:
    """Every path is a picture, and takes a moment."""
    body = pictures.jpeg(60, 40, seed=1)

    async def give(asked: Asked) -> None:
        await asyncio.sleep(0.1)
        await asked.send(200, body, content_type="image/jpeg")

    with Origin(default=give) as started:
        yield started


async def _load_all(engine: Engine) -> None:
    """As the background does it, until nothing is left to be done or ten seconds are over."""
    owner, remote = Owner(), open_sources(engine)
    loader = Loader(remote, engine.limits, owner)
    running = asyncio.ensure_future(worker._lasting(loader.run))
    try:
        async with asyncio.timeout(10):
            while await threads.in_database(prefetching.soon, []):
                await asyncio.sleep(0.05)
    except TimeoutError:
        pass
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await threads.in_database(loader.stop)
        await remote.close()
        threads.close()
        owner.close()


@pytest.mark.parametrize("broken", ["claim", "finish", "release"])
def test_after_a_failure_of_the_database_all_of_a_list_is_loaded(
    here: Engine, origin: Origin, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    calls = 0
    fails_at = 1 if broken == "release" else 3  # some are held by then, some under way, some done
    true: Callable[..., Any] = getattr(leases, broken)

    def once(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise OperationalError("the database is away")
        return true(*arguments)

    monkeypatch.setattr(leases, broken, once)
    monkeypatch.setattr(worker, "_AGAIN", 0.05)
    accepted = prefetching.enqueue([origin.url(f"/{number}.jpg") for number in range(COUNT)], "anna")
    asyncio.run(_load_all(here))
    assert calls > fails_at
    assert prefetching.counts(accepted.batch) == {"waiting": 0, "running": 0, "done": COUNT, "dead": 0}
    assert set(PrefetchItem.objects.values_list("attempts", flat=True)) == {1}, "a failure of ours is not the URL's"
    assert len(origin.asked) == COUNT
