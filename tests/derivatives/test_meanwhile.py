"""What another process has had or made while one waits for its turn is not had or made again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mezzotint import wiring
from mezzotint.derivatives.levels import name_of
from mezzotint.derivatives.manager import Observer
from mezzotint.names import Ident, parse
from mezzotint.settings import Settings
from mezzotint.transforms.geometry import levels
from mezzotint.wiring import Engine
from tests.conftest import engine_on
from tests.pictures import jpeg, opened
from tests.waiting import PATIENCE, until


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with engine_on(tmp_path / "data", MEZZOTINT_STORE="memory://") as started:
        yield started


def counted(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> list[str]:
    """What `where.name` is asked for, from now on."""
    true, asked = getattr(where, name), list[str]()

    def counting(key: str, *rest: Any, **options: Any) -> Any:
        asked.append(key)
        return true(key, *rest, **options)

    monkeypatch.setattr(where, name, counting)
    return asked


def test_a_copy_that_another_one_has_fetched_is_taken(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    data = jpeg(200, 100, seed=1)
    ident = engine.bases.add([data]).ident
    engine.cache.purge(ident)
    assert not engine.cache.has(ident)
    looked, fetched = counted(monkeypatch, engine.cache, "open"), counted(monkeypatch, engine.store, "get")

    def read() -> bytes:
        with engine.bases.open(ident) as reader:
            return b"".join(reader.chunks())

    with ThreadPoolExecutor(1) as threads:
        with engine.host.locks.hold(ident):
            reading = threads.submit(read)
            until(lambda: looked == [ident])
            engine.cache.put(ident, data)
        assert reading.result(PATIENCE) == data
    assert not fetched


class Counting(Observer):
    decoded = renders = 0

    def decoded_base(self) -> None:
        self.decoded += 1

    def rendered(self, seconds: float) -> None:
        self.renders += 1


def test_a_level_that_another_one_has_made_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, counting = Settings.read({"MEZZOTINT_DATA": str(tmp_path / "data")}), Counting()
    with closing(wiring.open_engine(settings, counting)) as engine:
        ident = engine.bases.add([jpeg(3000, 1000, seed=1)]).ident
        made(engine, ident, "-w150.jpg")
        made(engine, ident, "-w151.jpg")
        engine.manager.levels.settle()
        level = name_of(ident, levels(engine.bases.facts(ident))[-1])
        data, decoded, renders = held(engine, level), counting.decoded, counting.renders
        engine.cache.purge_file(level)
        engine.manager.levels.forget()
        looked = counted(monkeypatch, engine.cache, "open")
        with ThreadPoolExecutor(1) as threads:
            with engine.host.locks.hold(level):
                making = threads.submit(made, engine, ident, "-w140.jpg")
                until(lambda: level in looked)
                engine.cache.put(level, data)
            assert opened(making.result(PATIENCE)).size == (140, 47)
        assert (counting.decoded, counting.renders, looked.count(level)) == (decoded, renders + 1, 2)


def made(engine: Engine, ident: Ident, text: str) -> bytes:
    _, asked = parse(ident + text)
    assert asked is not None
    rendition = engine.manager.canonical(asked, engine.bases.facts(ident))
    return engine.manager.request(ident, rendition).result(PATIENCE).data


def held(engine: Engine, name: str) -> bytes:
    found = engine.cache.open(name)
    assert found is not None, name
    return found.read()
