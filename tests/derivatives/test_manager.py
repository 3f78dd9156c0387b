"""The store manager: made once, kept, made again, and never brought back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest

from mezzotint import wiring
from mezzotint.derivatives import Derivative, StoreManager
from mezzotint.derivatives.intake import MemoryLimit
from mezzotint.derivatives.manager import Observer
from mezzotint.derivatives.pool import Flight, RenderPool
from mezzotint.errors import Busy, DamagedBase, GivenUp, InvalidRendition, NotFound, StorageFull
from mezzotint.host.allowance import Allowance
from mezzotint.names import Ident, Largest, Rendition, parse, print_name
from mezzotint.settings import Settings
from mezzotint.wiring import Engine
from tests.cache.caches import OwnCache
from tests.pictures import jpeg, opened, png
from tests.waiting import PATIENCE

ABSENT = Ident("ab" * 32)


class Counting(Observer):
    """Counts, and holds up renders while `gate` is closed: before their decoding, or after it."""

    def __init__(self) -> None:
        self.decoded = 0
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.after = False
        self._lock = threading.Lock()

    def decoded_base(self) -> None:
        with self._lock:
            self.decoded += 1
        if not self.after:
            self._pass()

    def rendered(self, seconds: float) -> None:
        assert seconds >= 0
        if self.after:
            self._pass()

    def close_gate(self, *, after: bool = False) -> None:
        self.after = after
        self.entered.clear()
        self.gate.clear()

    def _pass(self) -> None:
        self.entered.set()
        assert self.gate.wait(PATIENCE)


@pytest.fixture
def counting() -> Iterator[Counting]:
    observer = Counting()
    yield observer
    observer.gate.set()


@pytest.fixture
def made(tmp_path: Path, counting: Counting) -> Iterator[Engine]:
    """An engine of two places in its queue, observed by `counting`."""
    settings = Settings.read({"MEZZOTINT_DATA": str(tmp_path / "data"), "MEZZOTINT_RENDER_QUEUE": "2"})
    opened_engine = wiring.open_engine(settings, counting)
    yield opened_engine
    counting.gate.set()
    opened_engine.close()


def rendition(engine: Engine, ident: Ident, text: str) -> Rendition:
    _, asked = parse(ident + text)
    assert asked is not None
    return engine.manager.canonical(asked, engine.bases.facts(ident))


def request(engine: Engine, ident: Ident, text: str) -> Flight[Derivative]:
    return engine.manager.request(ident, rendition(engine, ident, text))


def cached_names(engine: Engine, ident: Ident) -> list[str]:
    return [entry.path.rpartition("/")[2] for entry in engine.cache.index.of_group(ident)]


def test_the_first_answer_is_made_and_the_next_is_the_same(made: Engine) -> None:
    ident = made.bases.add([jpeg(200, 100)]).ident
    first = request(made, ident, "-100x50.jpg").result(PATIENCE)
    assert first.made
    assert opened(first.data).size == (100, 50)
    found = made.manager.find(first.name)
    assert found is not None
    assert not found.made
    assert (found.data, found.digest) == (first.data, first.digest)
    again = request(made, ident, "-w100.jpg").result(PATIENCE)
    assert not again.made
    assert again.data == first.data


@pytest.mark.parametrize("base", [(400, 300), (3000, 1000)])
def test_a_hundred_asking_at_once_cost_one_decode(made: Engine, counting: Counting, base: tuple[int, int]) -> None:
    ident = made.bases.add([jpeg(*base)]).ident
    barrier = threading.Barrier(100)

    def ask(_: int) -> Derivative:
        barrier.wait()
        return request(made, ident, "-w150.jpg").result(PATIENCE)

    with ThreadPoolExecutor(100) as askers:
        answers = list(askers.map(ask, range(100)))
    assert counting.decoded == 1
    assert len({answer.data for answer in answers}) == 1


def test_two_engines_on_one_host_make_one_picture_once(made: Engine, counting: Counting) -> None:
    """As two worker processes do: what they share is the directory."""
    ident = made.bases.add([jpeg(200, 100)]).ident
    other = wiring.open_engine(made.settings, counting)
    counting.close_gate()
    first = request(made, ident, "-w50.jpg")
    assert counting.entered.wait(PATIENCE)
    second = request(other, ident, "-w50.jpg")
    assert not second.future.done()
    counting.gate.set()
    assert first.result(PATIENCE).data == second.result(PATIENCE).data
    assert counting.decoded == 1
    assert [first.result().made, second.result().made] == [True, False]
    other.close()


def test_a_large_base_is_decoded_once_for_all_its_sizes(made: Engine, counting: Counting) -> None:
    ident = made.bases.add([jpeg(3000, 1000)]).ident
    for text in ("-w150.jpg", "-w400.webp", "-w800.jpg", "-cover200x200.avif", "-w300-rotate90.jpg"):
        request(made, ident, text).result(PATIENCE)
    assert counting.decoded == 1


def test_a_full_queue_is_told_with_when_to_come_back(made: Engine, counting: Counting) -> None:
    ident = made.bases.add([jpeg(200, 100)]).ident
    counting.close_gate()
    waiting = [request(made, ident, f"-w{width}.jpg") for width in (10, 20)]
    assert counting.entered.wait(PATIENCE)
    with pytest.raises(Busy) as busy:
        request(made, ident, "-w30.jpg")
    assert busy.value.retry_after > 0
    joined = request(made, ident, "-w10.jpg")
    counting.gate.set()
    assert [future.result(PATIENCE).made for future in waiting] == [True, True]
    assert opened(joined.result(PATIENCE).data).width == 10
    assert opened(request(made, ident, "-w30.jpg").result(PATIENCE).data).width == 30


def test_whoever_goes_away_does_not_strand_the_others(made: Engine, counting: Counting) -> None:
    ident = made.bases.add([jpeg(200, 100)]).ident
    counting.close_gate()
    leader = request(made, ident, "-w50.jpg")
    assert counting.entered.wait(PATIENCE)
    follower = request(made, ident, "-w50.jpg")
    made.manager.leave(leader)
    counting.gate.set()
    assert opened(follower.result(PATIENCE).data).width == 50
    assert request(made, ident, "-w50.jpg").result(PATIENCE).made is False


def test_a_derivative_that_vanished_is_made_again(made: Engine) -> None:
    ident = made.bases.add([jpeg(200, 100)]).ident
    first = request(made, ident, "-w50.jpg").result(PATIENCE)
    (made.cache.directory / made.cache.path_of(first.name)).unlink()
    assert made.manager.find(first.name) is None
    again = request(made, ident, "-w50.jpg").result(PATIENCE)
    assert again.made
    assert again.data == first.data
    assert made.manager.find(first.name) is not None


def test_a_level_that_vanished_or_is_damaged_costs_only_its_making(made: Engine, counting: Counting) -> None:
    ident = made.bases.add([jpeg(3000, 1000)]).ident
    request(made, ident, "-w150.jpg").result(PATIENCE)
    for entry in made.cache.index.of_group(ident):
        (made.cache.directory / entry.path).unlink()
    made.manager.levels.forget()
    assert opened(request(made, ident, "-w160.jpg").result(PATIENCE).data).width == 160
    assert counting.decoded == 2
    made.manager.levels.settle()
    made.manager.levels.forget()
    for entry in made.cache.index.of_group(ident):
        (made.cache.directory / entry.path).write_bytes(b"")
    assert opened(request(made, ident, "-w170.jpg").result(PATIENCE).data).width == 170


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("base", [(200, 100), (3000, 1000)])
def test_an_image_that_is_removed_while_it_is_rendered_does_not_come_back(
    made: Engine, counting: Counting, base: tuple[int, int], after: bool
) -> None:
    ident = made.bases.add([jpeg(*base)]).ident
    counting.close_gate(after=after)
    future = request(made, ident, "-w50.jpg")
    assert counting.entered.wait(PATIENCE)
    made.bases.life.discard(ident)
    made.cache.purge(ident)
    counting.gate.set()
    with pytest.raises(NotFound):
        future.result(PATIENCE)
    assert cached_names(made, ident) == []
    assert list((made.cache.directory / "native").rglob(f"{ident}*")) == []


def test_a_purge_of_another_image_costs_a_render_nothing(made: Engine, counting: Counting) -> None:
    ident, other = made.bases.add([jpeg(200, 100)]).ident, made.bases.add([jpeg(200, 100, seed=1)]).ident
    counting.close_gate()
    future = request(made, ident, "-w50.jpg")
    assert counting.entered.wait(PATIENCE)
    made.cache.purge(other)
    counting.gate.set()
    assert future.result(PATIENCE).made
    assert made.manager.find(future.result().name) is not None


def test_what_is_not_there_and_what_cannot_be_is_told(made: Engine) -> None:
    _, asked = parse(f"{ABSENT}-10x10.jpg")
    assert asked is not None
    with pytest.raises(NotFound):
        made.bases.facts(ABSENT)
    with pytest.raises(NotFound):
        made.manager.request(ABSENT, asked).result(PATIENCE)
    ident = made.bases.add([png(64, 48)]).ident
    with pytest.raises(InvalidRendition):
        rendition(made, ident, "-x64y0w1h1.jpg")


def test_a_failure_is_told_to_all_who_asked_and_not_remembered(made: Engine, counting: Counting) -> None:
    data = jpeg(200, 100)
    ident = made.bases.add([data]).ident
    path = made.store.local_path(f"images/{ident}")
    assert path is not None
    path.write_bytes(data[: len(data) // 2])
    counting.close_gate()
    futures = [request(made, ident, "-w50.jpg") for _ in range(3)]
    counting.gate.set()
    for future in futures:
        with pytest.raises(DamagedBase):
            future.result(PATIENCE)
    assert cached_names(made, ident) == []
    path.write_bytes(data)
    assert request(made, ident, "-w50.jpg").result(PATIENCE).made


def test_a_cache_that_cannot_keep_costs_only_the_keeping(made: Engine, tmp_path: Path, counting: Counting) -> None:
    class Full(OwnCache):
        def put(self, name: str, data: bytes) -> str:
            raise StorageFull("no space left")

    cache = Full(tmp_path / "full", 1000)
    pool: RenderPool[Derivative] = RenderPool(1, 2)
    manager = StoreManager(made.bases, cache, cache.host, pool, Largest(), counting, made.manager._turns._memory, 60)
    ident = made.bases.add([jpeg(200, 100)]).ident
    answer = manager.request(ident, rendition(made, ident, "-w50.jpg")).result(PATIENCE)
    assert opened(answer.data).width == 50
    assert answer.name == print_name(ident, rendition(made, ident, "-w50.jpg"))
    pool.close()
    cache.close()


def test_what_takes_too_long_is_given_up(made: Engine, counting: Counting) -> None:
    ident = made.bases.add([jpeg(2000, 1500)]).ident
    pool: RenderPool[Derivative] = RenderPool(1, 2)
    manager = StoreManager(
        made.bases, made.cache, made.host, pool, Largest(), counting, made.manager._turns._memory, timeout=0.0
    )
    with pytest.raises(GivenUp, match="longer than 0 seconds to make, MEZZOTINT_RENDER_TIMEOUT"):
        manager.request(ident, rendition(made, ident, "-1999x1500.png")).result(PATIENCE)
    pool.close()
    assert cached_names(made, ident) == []


def test_what_takes_more_memory_than_all_is_refused_and_nothing_else(made: Engine, counting: Counting) -> None:
    ident = made.bases.add([jpeg(2000, 1500)]).ident
    pool: RenderPool[Derivative] = RenderPool(1, 2)
    memory = Allowance(made.settings.data / "host" / "little", 60 << 20)
    bases = copy(made.bases)
    bases.intake = replace(made.bases.intake, memory=MemoryLimit(memory.total, "MEZZOTINT_RENDER_MEMORY"))
    manager = StoreManager(bases, made.cache, made.host, pool, Largest(), counting, memory, 60)
    with pytest.raises(InvalidRendition) as caught:
        manager.request(ident, rendition(made, ident, "-1999x1500.avif")).result(PATIENCE)
    assert caught.value.field == "size"
    assert caught.value.limit == "60 MB, MEZZOTINT_RENDER_MEMORY"
    assert manager.request(ident, rendition(made, ident, "-200x150.avif")).result(PATIENCE).made
    pool.close()


def test_a_render_waits_for_memory_and_is_given_up_there(made: Engine, counting: Counting) -> None:
    ident = made.bases.add([jpeg(200, 150)]).ident
    memory = made.manager._turns._memory
    with memory.hold(memory.total, lambda: None):
        flight = request(made, ident, "-w50.jpg")
        made.manager.leave(flight)
        with pytest.raises(GivenUp):
            flight.result(PATIENCE)
        waits = request(made, ident, "-w60.jpg")
    assert waits.result(PATIENCE).made
