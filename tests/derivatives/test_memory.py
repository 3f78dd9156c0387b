"""Hot things in memory: bounded, and gone when something was purged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from mezzotint.derivatives.memory import MemoryCache
from mezzotint.host.generation import Generation

MOST = 16_000


@dataclass(frozen=True)
class Weight:
    weight: int


@pytest.fixture
def generation(tmp_path: Path) -> Iterator[Generation]:
    opened = Generation(tmp_path / "generation")
    yield opened
    opened.close()


def kept(cache: MemoryCache[Weight], keys: list[str]) -> dict[str, Weight]:
    return {key: value for key in keys if (value := cache.get(key)) is not None}


@given(st.lists(st.tuples(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), st.integers(0, 2000)), max_size=120))
@examples(max_examples=50)
def test_it_never_holds_more_than_its_bound(
    tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, int]]
) -> None:
    generation = Generation(tmp_path_factory.mktemp("memory") / "generation")
    cache: MemoryCache[Weight] = MemoryCache(generation, MOST)
    for key, weight in done:
        cache.put(key, Weight(weight), generation.now())
        held = kept(cache, list("abcdefghijklmnopqrstuvwxyz"))
        assert sum(value.weight for value in held.values()) <= MOST
        assert weight > MOST // 16 or held[key] == Weight(weight)
    generation.close()


def test_the_least_recently_used_is_let_go_first(generation: Generation) -> None:
    cache: MemoryCache[Weight] = MemoryCache(generation, MOST)
    keys = [str(n) for n in range(16)]
    for key in keys:
        cache.put(key, Weight(1000), generation.now())
    assert cache.get("0") is not None
    cache.put("new", Weight(1000), generation.now())
    assert set(kept(cache, [*keys, "new"])) == {*keys, "new"} - {"1"}


def test_what_is_too_large_to_be_worth_it_is_not_kept(generation: Generation) -> None:
    cache: MemoryCache[Weight] = MemoryCache(generation, MOST)
    cache.put("large", Weight(MOST), generation.now())
    assert cache.get("large") is None


def test_a_purge_empties_it(generation: Generation) -> None:
    cache: MemoryCache[Weight] = MemoryCache(generation, MOST)
    cache.put("a", Weight(10), generation.now())
    assert cache.get("a") == Weight(10)
    generation.advance()
    assert cache.get("a") is None
    cache.put("a", Weight(20), generation.now())
    assert cache.get("a") == Weight(20)


def test_what_was_read_before_a_purge_is_not_kept_after_it(generation: Generation) -> None:
    cache: MemoryCache[Weight] = MemoryCache(generation, MOST)
    read_in = generation.now()
    generation.advance()
    cache.put("a", Weight(10), read_in)
    assert cache.get("a") is None
    cache.put("a", Weight(10), read_in)
    assert cache.get("a") is None


def test_threads_neither_break_it_nor_its_bound(generation: Generation) -> None:
    cache: MemoryCache[Weight] = MemoryCache(generation, MOST)
    failures: list[BaseException] = []

    def churn(seed: int) -> None:
        try:
            for n in range(1000):
                key = str((n * 7 + seed) % 40)
                cache.put(key, Weight(n), generation.now())
                cache.get(str(n % 40))
                if n % 200 == 0:
                    generation.advance()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=churn, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(value.weight for value in kept(cache, [str(n) for n in range(40)]).values()) <= MOST
