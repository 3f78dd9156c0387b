"""A document from its origin to the scratch directory, by the one network client."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mezzotint import errors
from mezzotint.host.files import CHUNK, full_is_told
from mezzotint.network.client import Times
from mezzotint.network.urls import parse_url
from mezzotint.wiring import engine
from mezzotint.wiring.sources import open_client

log = logging.getLogger(__name__)
_PATIENCE = 600.0
_GAP, _LOOK = 60.0, 0.5
_HEADERS = {"Accept": "application/pdf, */*;q=0.5"}
_TOLD = {
    errors.OriginLacks: "the origin has no such document",
    errors.OriginTimedOut: "the origin took too long",
    errors.OriginBusy: "the origin wants to be left alone for a while",
}


class NotFetched(errors.MezzotintError):
    """What may be told to whoever has sent the address. `retry_after` in seconds."""

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


def fetch(url: str, path: Path, check: Callable[[], None]) -> str:
    """Write the document to `path`; returns its sha256. `check` is called now and then, and may raise.

    Raises NotFetched, DocumentRefused, StorageFull, and what `check` raises.
    """
    try:
        return asyncio.run(_watched(url, path, check))
    except errors.OriginError as error:
        log.warning("a document was not fetched from %s: %s", url, error.reason)
        told = _TOLD.get(type(error), "the document could not be had from its origin")
        raise NotFetched(told, error.retry_after if isinstance(error, errors.OriginBusy) else None) from None
    except errors.InvalidInput as error:
        raise errors.DocumentRefused(f"origin: {error.what}") from None


def take(source: Path, path: Path, check: Callable[[], None]) -> str:
    """The same, for a file of this host. Raises DocumentRefused, StorageFull."""
    try:
        stream = open(source, "rb")  # noqa: SIM115  closed below
    except OSError as error:
        raise errors.DocumentRefused(f"{source.name} cannot be read: {error.strerror}") from None
    with stream:
        _check_size(os.fstat(stream.fileno()).st_size)
        with _copying(path, check) as copy:
            while chunk := stream.read(CHUNK):
                copy.add(chunk)
    return copy.digest.hexdigest()


class _Copy:
    def __init__(self, stream: BinaryIO, check: Callable[[], None]) -> None:
        self._stream, self._check = stream, check
        self.size, self.digest = 0, hashlib.sha256()

    def add(self, chunk: bytes) -> None:
        self._check()
        self.size += len(chunk)
        _check_size(self.size)
        self.digest.update(chunk)
        self._stream.write(chunk)


@contextmanager
def _copying(path: Path, check: Callable[[], None]) -> Iterator[_Copy]:
    with full_is_told("the scratch directory"), open(path, "wb") as stream:
        yield _Copy(stream, check)


async def _watched(url: str, path: Path, check: Callable[[], None]) -> str:
    """`check` is called while nothing comes, too."""
    fetching = asyncio.create_task(_fetched(url, path, check))
    try:
        while not (await asyncio.wait([fetching], timeout=_LOOK))[0]:
            check()
    finally:
        fetching.cancel()
        await asyncio.wait([fetching])
    return fetching.result()


async def _fetched(url: str, path: Path, check: Callable[[], None]) -> str:
    target, settings = parse_url(url), engine().settings
    engine().policy.check(target)
    times = Times(settings.engine_timeout, _PATIENCE, gap=_GAP)
    client = open_client(engine(), times, piece=settings.origin_chunk_size)
    try:
        async with client.get(target, _HEADERS) as response:
            _check_size(response.length or 0)
            with _copying(path, check) as copy:
                async for chunk in response.chunks:
                    copy.add(chunk)
            if response.length is not None and copy.size != response.length:
                raise errors.OriginFailed(f"{copy.size} bytes came of {response.length}", again=True)
            return copy.digest.hexdigest()
    finally:
        await client.close()


def _check_size(size: int) -> None:
    limit = engine().settings.max_upload
    if size > limit:
        raise errors.DocumentRefused(f"it is larger than {limit} bytes, MEZZOTINT_MAX_UPLOAD")
