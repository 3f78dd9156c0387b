"""The image cloud's work in `serve`: until it is stopped, and not at all where it was stopped before."""

from __future__ import annotations

from pathlib import Path

import pytest

from mezzotint.imagecloud import facts, prefetching, worker
from mezzotint.imagecloud.models import PrefetchItem, RemoteImage
from mezzotint.repository import standing
from mezzotint.repository.models import Installation
from mezzotint.wiring import Engine
from tests import pictures
from tests.imagecloud.loading import load, opened
from tests.origin import Origin
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_loads_what_waits_until_it_is_stopped(here: Engine, origin: Origin) -> None:
    prefetching.enqueue([origin.picture(f"/{n}.jpg", pictures.jpeg(60, 40, seed=n)) for n in range(3)], "anna")
    background = worker.Background()
    background.start()
    until(lambda: PrefetchItem.objects.filter(state="done").count() == 3)
    background.stop()
    assert not background.is_alive()
    assert RemoteImage.objects.count() == 3, "what was noted is taken in at the end"
    prefetching.enqueue([origin.url("/4.jpg")], "anna")
    assert PrefetchItem.objects.get(url=origin.url("/4.jpg")).state == "waiting"


def test_a_read_node_takes_in_what_is_noted_and_loads_nothing(tmp_path: Path, origin: Origin) -> None:
    with opened(tmp_path / "reading", MEZZOTINT_READ_ONLY="true") as engine:
        url = origin.picture("/a.jpg", pictures.jpeg(60, 40, seed=1))
        prefetching.enqueue([origin.url("/b.jpg")], "anna")
        load(engine, url)
        background = worker.Background()
        background.start()
        until(lambda: RemoteImage.objects.filter(url=url).exists())
        background.stop()
        assert PrefetchItem.objects.get().state == "waiting"
        assert origin.asked["/b.jpg"] == 0


def test_what_was_stopped_before_it_began_does_nothing(here: Engine, origin: Origin) -> None:
    load(here, origin.picture("/a.jpg", pictures.jpeg(60, 40, seed=1)))
    background = worker.Background()
    background.stop()
    background.work()
    assert not RemoteImage.objects.exists()
    assert facts.ingest() == 1


def test_a_past_commit_that_is_looked_at_is_left_alone(here: Engine) -> None:
    background = worker.Background()
    assert background.may_begin()
    Installation.objects.filter(pk=standing.installation().pk).update(pinned=3)
    assert not background.may_begin()
