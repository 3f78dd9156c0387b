"""Cover art that is damaged, or gone again before it can be given; and addresses that only begin as the archive's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mezzotint.errors import Busy, OriginRefuses
from mezzotint.network.urls import parse_url
from mezzotint.sources.coverart import parse_path
from mezzotint.sources.coverart.keeping import Keeping
from mezzotint.sources.remote import How
from mezzotint.wiring import Engine
from mezzotint.wiring.sources import open_sources
from tests.archive import ITEMS, Archive, Art
from tests.pictures import jpeg
from tests.sources.coverart.covers import get, run
from tests.sources.fetching import record

FRONT = jpeg(300, 300, seed=1)


def test_a_damaged_picture_is_in_nobodys_way(engine: Engine, archive: Archive) -> None:
    """Another name leads to it, and what lies there is not what was written."""
    release = archive.release(images=[Art(11, FRONT)])
    get(engine, f"/release/{release}/11")
    (file,) = engine.cache.directory.rglob(f"{release}-11.jpg")
    file.write_bytes(FRONT[:1000])
    seen = get(engine, f"/release/{release}/front")
    assert (seen.how, seen.data) == (How.MISS, FRONT)
    assert Path(file).read_bytes() == FRONT
    assert sum(archive.asked_on(ITEMS).values()) == 2


def test_a_picture_that_the_cache_loses_each_time_is_not_asked_for_for_ever(
    engine: Engine, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = archive.release(images=[Art(11, FRONT)])
    monkeypatch.setattr(Keeping, "picture", lambda *arguments: None)
    with pytest.raises(Busy, match="the cache is too small"):
        get(engine, f"/release/{release}/front")
    monkeypatch.undo()
    assert get(engine, f"/release/{release}/front").data == FRONT


def test_what_has_no_path_of_cover_art_is_a_picture_as_any_other(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=[Art(11, FRONT)])
    paths = {f"/release/{release}/front": True, f"/release/{release}/11-500": True, "/release/no-id/front": False,
             "/static/logo.png": False, f"/release/{release}/front/more": False}  # fmt: skip

    async def asked(covers: object) -> dict[str, bool]:
        known = {path: covers.asked_by(parse_url(archive.url + path)) for path in paths}  # type: ignore[attr-defined]
        assert known[f"/release/{release}/front"] == parse_path(f"/release/{release}/front")
        assert covers.asked_by(parse_url("http://elsewhere.example/release/a")) is None  # type: ignore[attr-defined]
        return {path: found is not None for path, found in known.items()}

    assert run(engine, asked) == paths


def test_a_picture_of_the_archive_that_is_no_cover_is_loaded_by_its_address(engine: Engine, archive: Archive) -> None:
    url = f"{archive.url}/static/logo.png"

    async def load() -> None:
        sources = open_sources(engine)
        try:
            with pytest.raises(OriginRefuses):
                await sources.load(parse_url(url))
        finally:
            await sources.close()

    asyncio.run(load())
    assert (archive.asked["/static/logo.png"], record(engine, url)) == (1, None)
