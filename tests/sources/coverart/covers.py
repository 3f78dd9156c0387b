"""An engine that fetches cover art from an archive on loopback, and what it has kept of it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mezzotint.errors import MezzotintError
from mezzotint.network.urls import parse_url
from mezzotint.sources.coverart import CoverArt, parse_path
from mezzotint.sources.coverart.keeping import MEDIA
from mezzotint.sources.remote import How
from mezzotint.wiring import Engine
from mezzotint.wiring.sources import open_sources
from tests.archive import Archive
from tests.archive.faults import Fault
from tests.archive.replies import Reply, Request
from tests.sources.fetching import fetching
from tests.waiting import PATIENCE

T = TypeVar("T")
SHORT = {"MEZZOTINT_FETCH_MAX_AGE": "0s"}
"""everything is stale as soon as it is here"""


@dataclass(frozen=True)
class Seen:
    """`name` is the cached file's."""

    how: How
    data: bytes = b""
    name: str = ""
    media_type: str = ""
    listing: dict[str, Any] | None = None


def empty(directory: Path) -> None:
    """`rm -rf directory/*`, hidden files and all."""
    for path in directory.iterdir():
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


@contextmanager
def covering(data: Path, archive: Archive, **variables: str) -> Iterator[Engine]:
    with fetching(data, **({"MEZZOTINT_COVER_ART_UPSTREAM": archive.url} | variables)) as engine:
        yield engine


def run(engine: Engine, work: Callable[[CoverArt], Awaitable[T]], patience: float = PATIENCE) -> T:
    """In an event loop of its own, as a process would."""

    async def main() -> T:
        sources = open_sources(engine, patience=patience)
        try:
            return await work(sources.cover_art)
        finally:
            await sources.close()

    return asyncio.run(main())


async def ask(covers: CoverArt, path: str) -> Seen:
    given = await covers.get(parse_path(path))
    if given.picture is None:
        return Seen(given.how, listing=given.listing)
    picture = given.picture
    return Seen(given.how, picture.read(), picture.name, MEDIA[picture.name.rpartition(".")[2]])


async def outcome(covers: CoverArt, path: str) -> bytes | MezzotintError:
    """What was given, or what was raised for users to be told."""
    try:
        return (await ask(covers, path)).data
    except MezzotintError as error:
        return error


def get(engine: Engine, path: str) -> Seen:
    return run(engine, lambda covers: ask(covers, path))


def renewed(engine: Engine, path: str) -> Seen:
    """What is given at once, where the background is then waited for. Raises what that raises."""

    async def work(covers: CoverArt) -> Seen:
        seen = await ask(covers, path)
        await covers.load(parse_path(path))
        return seen

    return run(engine, work)


def may_ask_again(engine: Engine, archive: Archive, path: str) -> None:
    """Time has passed: what has failed may be asked for."""
    engine.records.forget_failure(parse_url(archive.url + path).key)


def kept(engine: Engine) -> list[str]:
    """Every file of cover art, whole or not, below the cache's directory."""
    root = engine.cache.directory
    found = (path for kind in ("release", "release-group") for path in (root / kind).rglob("*") if path.is_file())
    ours = (path for path in found if path.suffix == ".part" or not path.name.startswith("."))
    return sorted(str(path.relative_to(root)) for path in ours)


def pictures_kept(engine: Engine) -> list[str]:
    """Their names, without what is known of them."""
    return [path.rpartition("/")[2] for path in kept(engine) if not path.endswith(".json")]


def saying(body: bytes, status: int = 200, **headers: str) -> Fault:
    async def fault(request: Request, reply: Reply) -> None:
        await request.answer(Reply(status, body, {"content-type": "application/octet-stream"} | headers))

    return fault
