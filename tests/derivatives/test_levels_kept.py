"""When a level comes into the cache."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.derivatives.levels import Levels, name_of
from mezzotint.names import Ident
from mezzotint.transforms.geometry import Level
from mezzotint.transforms.libvips import pixels_of
from tests.cache.caches import OwnCache, open_cache
from tests.waiting import until

IDENT = Ident("ab" * 32)
LEVEL = Level(960, 960, 20)
PIXELS = pixels_of(bytes(range(256)) * 225, 960, 20, 3)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[OwnCache]:
    opened = open_cache(tmp_path / "cache", 1 << 30)
    yield opened
    opened.close()


def test_it_waits_while_others_are_served_unless_it_is_wanted_again(cache: OwnCache) -> None:
    kept: list[str] = []
    idle = threading.Event()
    levels = Levels(cache, lambda ident, name, data, generation: kept.append(name), idle.is_set)
    levels.made(IDENT, LEVEL, PIXELS, cache.generation.now())
    assert kept == []
    assert levels.find(IDENT, LEVEL) is PIXELS
    until(lambda: kept == [name_of(IDENT, LEVEL)])
    levels.made(IDENT, Level(1920, 960, 20), PIXELS, cache.generation.now())
    assert len(kept) == 1
    idle.set()
    until(lambda: len(kept) == 2)
    levels.close()


def test_what_waits_is_let_go_where_it_ends(cache: OwnCache) -> None:
    kept: list[str] = []
    levels = Levels(cache, lambda ident, name, data, generation: kept.append(name), lambda: False)
    for side in range(20):
        levels.made(IDENT, Level(side, 960, 20), PIXELS, cache.generation.now())
    levels.close()
    assert kept == []


def test_what_is_read_back_is_the_same(cache: OwnCache) -> None:
    levels = Levels(cache, lambda ident, name, data, generation: cache.put(name, data), lambda: True)
    levels.made(IDENT, LEVEL, PIXELS, cache.generation.now())
    levels.settle()
    levels.forget()
    again = levels.find(IDENT, LEVEL)
    assert again is not None and (again != PIXELS).max() == 0
    assert levels.find(IDENT, Level(1920, 960, 20)) is None
    levels.close()
