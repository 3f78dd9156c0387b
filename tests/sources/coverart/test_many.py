"""Many who ask at once, in one process and in several, and who goes away in between."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mezzotint.errors import OriginLacks
from mezzotint.sources.coverart import CoverArt
from mezzotint.sources.remote import How
from mezzotint.wiring import Engine
from tests.archive import ARCHIVE, DOWNLOADS, ITEMS, Archive, Art, faults
from tests.pictures import encoded, jpeg, photograph
from tests.sources.coverart.covers import SHORT, ask, covering, get, outcome, pictures_kept, renewed, run
from tests.waiting import until_async as until

FRONT, BACK = jpeg(700, 700, seed=1), jpeg(300, 300, seed=2)
LARGE = encoded(photograph(1400, 1400, seed=3), "PNG")
ARTS = [Art(11, FRONT), Art(12, BACK, front=False, back=True), Art(13, LARGE, "png", front=False)]


@pytest.mark.parametrize("name", ["", "/front", "/front-500", "/11", "/11-250", "/back"])
def test_fifty_who_ask_at_once_are_one_question(engine: Engine, archive: Archive, name: str) -> None:
    path = f"/release/{archive.release(images=ARTS)}{name}"
    archive.delay = 0.05

    async def work(covers: CoverArt) -> None:
        seen = await asyncio.gather(*(ask(covers, path) for _ in range(50)))
        assert {one.how for one in seen} == {How.MISS}
        assert all((one.data, one.listing) == (seen[0].data, seen[0].listing) for one in seen)

    run(engine, work)
    assert [sum(archive.asked_on(host).values()) for host in (ARCHIVE, DOWNLOADS, ITEMS)] == [1, 1, 1]


def test_fifty_who_ask_for_what_is_not_there_are_one_question(engine: Engine, archive: Archive) -> None:
    path = f"/release/{archive.release()}/front"
    archive.delay = 0.05

    async def work(covers: CoverArt) -> None:
        assert {type(one) for one in await asyncio.gather(*(outcome(covers, path) for _ in range(50)))} == {OriginLacks}

    run(engine, work)
    assert archive.asked == {path: 1}


def test_fifty_who_ask_for_what_is_stale_are_one_question(tmp_path: Path, archive: Archive) -> None:
    path = f"/release/{archive.release(images=ARTS)}/front"
    with covering(tmp_path / "data", archive, **SHORT) as engine:
        get(engine, path)
    archive.forget()
    archive.delay = 0.05

    async def work(covers: CoverArt) -> None:
        seen = await asyncio.gather(*(ask(covers, path) for _ in range(50)))
        assert {one.how for one in seen} == {How.STALE}
        await until(lambda: bool(archive.asked))

    with covering(tmp_path / "data", archive) as engine:
        run(engine, work)
    assert archive.asked == {path: 1}


def test_everything_of_a_release_may_be_asked_for_at_once(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    names = [f"{what}{size}" for what in ("front", "back", "11", "12", "13") for size in ("", "-250", "-500", "-1200")]

    async def work(covers: CoverArt) -> None:
        paths = [f"/release/{release}/{name}" for name in names] + [f"/release/{release}"]
        assert all(one.data or one.listing for one in await asyncio.gather(*(ask(covers, path) for path in paths)))
        for name, data in (("front", FRONT), ("back", BACK), ("13", LARGE)):
            assert (await ask(covers, f"/release/{release}/{name}")).data == data

    run(engine, work)


def test_other_processes_of_the_host_wait_for_the_one_that_asks(engine: Engine, archive: Archive) -> None:
    path = f"/release/{archive.release(images=ARTS)}/front"
    archive.delay = 0.1
    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(lambda _: get(engine, path), range(4)))
    assert sorted(one.how for one in seen) == [How.HIT] * 3 + [How.MISS]
    assert {one.data for one in seen} == {FRONT}
    assert [sum(archive.asked_on(host).values()) for host in (ARCHIVE, DOWNLOADS, ITEMS)] == [1, 1, 1]


def test_the_first_who_asks_may_go_away(engine: Engine, archive: Archive) -> None:
    path = f"/release/{archive.release(images=ARTS)}/front"
    archive.delay = 0.1

    async def work(covers: CoverArt) -> None:
        first = asyncio.create_task(ask(covers, path))
        await until(lambda: bool(archive.asked))
        second = asyncio.create_task(ask(covers, path))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).data == FRONT

    run(engine, work)
    assert archive.asked[path] == 1


def test_what_goes_on_is_ended_with_the_process(engine: Engine, archive: Archive) -> None:
    path = f"/release/{archive.release(images=ARTS)}/13"
    archive.misbehave(None, faults.hang())

    async def work(covers: CoverArt) -> asyncio.Task[object]:
        task: asyncio.Task[object] = asyncio.create_task(outcome(covers, path))
        await until(lambda: bool(archive.asked))
        return task

    assert run(engine, work).cancelled()
    assert pictures_kept(engine) == []
    archive.behave()
    assert renewed(engine, path).data == LARGE
