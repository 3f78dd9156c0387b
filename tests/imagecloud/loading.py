"""Loading pictures with an engine of this process's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mezzotint.errors import OriginError
from mezzotint.imagecloud import facts
from mezzotint.network.urls import parse_url
from mezzotint.repository.models import Captured
from mezzotint.wiring import Engine
from mezzotint.wiring.sources import open_sources
from tests.conftest import engine_on
from tests.imagecloud.nodes import OPEN


@contextmanager
def opened(data: Path, **more: str) -> Iterator[Engine]:
    """An engine that may fetch from loopback, on an empty repository."""
    with engine_on(data, **(OPEN | more)) as engine:
        Captured.objects.all().delete()
        yield engine


def load(engine: Engine, *urls: str) -> list[str]:
    """The idents, or nothing where it failed. What failed before is tried all the same."""

    async def everything() -> list[str]:
        remote = open_sources(engine).remote
        found = []
        try:
            for url in urls:
                target = parse_url(url)
                engine.records.forget_failure(target.key)
                try:
                    found.append(str((await remote.get(target)).record.ident))
                except OriginError:
                    found.append("")
            return found
        finally:
            await remote.close()

    return asyncio.run(everything())


def loaded(engine: Engine, *urls: str) -> list[str]:
    """The same, and the database knows."""
    found = load(engine, *urls)
    facts.ingest()
    return found
