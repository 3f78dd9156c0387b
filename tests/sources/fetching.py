"""An engine that fetches from loopback, for tests, and what it has taken in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from mezzotint.network.urls import parse_url
from mezzotint.sources.records import RemoteRecord
from mezzotint.sources.remote import Lookup, RemoteImages
from mezzotint.wiring import Engine
from mezzotint.wiring.sources import open_sources
from tests.conftest import engine_on
from tests.waiting import IN_TIME, PATIENCE

T = TypeVar("T")


@contextmanager
def fetching(data: Path, **variables: str) -> Iterator[Engine]:
    """What takes long is given up after `IN_TIME`, unless a test that waits for that says otherwise."""
    allowed = {"MEZZOTINT_FETCH_ALLOW": "127.0.0.0/8", "MEZZOTINT_FETCH_PORTS": "*"}
    with engine_on(data, **(allowed | {"MEZZOTINT_FETCH_TIMEOUT": f"{IN_TIME:g}s"} | variables)) as engine:
        yield engine


def run(engine: Engine, work: Callable[[RemoteImages], Awaitable[T]]) -> T:
    """In an event loop of its own, as a process would."""

    async def main() -> T:
        remote = open_sources(engine, patience=PATIENCE).remote
        try:
            return await work(remote)
        finally:
            await remote.close()

    return asyncio.run(main())


def get(engine: Engine, url: str, **options: Any) -> Lookup:
    return run(engine, lambda remote: remote.get(parse_url(url), **options))


def record(engine: Engine, url: str) -> RemoteRecord | None:
    return engine.records.look_again(parse_url(url).key)


def whole(engine: Engine, ident: str) -> bytes:
    with engine.bases.open(ident) as reader:  # type: ignore[arg-type]
        return b"".join(reader.chunks())


def stored(engine: Engine, prefix: str = "") -> list[str]:
    return sorted(stat.key for stat in engine.store.list() if stat.key.startswith(prefix))


def left_in_incoming(engine: Engine) -> list[Path]:
    directory = engine.settings.data / "incoming"
    return [path for path in directory.rglob("*") if path.is_file()] if directory.exists() else []


def noted(engine: Engine) -> list[dict[str, Any]]:
    """Everything noted since this was last asked."""
    return [note for handful in engine.notes.take() for note in handful]
