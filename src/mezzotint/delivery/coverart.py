"""The door of the cover art cache: the Cover Art Archive's paths, with pictures instead of redirects."""

from __future__ import annotations

import asyncio
import json
import re
import time

from mezzotint.delivery.answers import Headers, Scope, Send, answer, headers
from mezzotint.delivery.images import Images
from mezzotint.delivery.network import Network
from mezzotint.delivery.sending import Request
from mezzotint.errors import MezzotintError, printable
from mezzotint.problems import problem_headers, status_of
from mezzotint.sources.coverart import Asked, Given, parse_path
from mezzotint.sources.coverart.listing import led_to_host
from mezzotint.sources.remote import How
from mezzotint.wiring import Engine

STATUS = "/cache-status"
PREFIXES = ("/release/", "/release-group/")
_DAY = 86_400
_YEAR = 31_536_000
_IN_MEMORY = 1.0
"""seconds until another front is seen"""
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def takes(path: str) -> bool:
    return path.startswith(PREFIXES) or path == STATUS


class CoverDoor:
    def __init__(self, engine: Engine, images: Images, network: Network) -> None:
        self._engine, self._images, self._network = engine, images, network
        self._who = "public" if engine.settings.public_read else "private"

    async def give(self, path: str, scope: Scope, request: Request, send: Send) -> None:
        """Raises MezzotintError before anything is sent."""
        if path == STATUS:
            await self._status(request, send)
            return
        asked = parse_path(path)
        if await self._images.give_from_memory(path, request, send):
            return
        given = await self._network.opened().cover_art.get(asked)
        if given.listing is not None:
            await self._listing(given, _base(self._engine, scope), request, send)
        else:
            await self._picture(asked, given, path, request, send)

    async def _picture(self, asked: Asked, given: Given, path: str, request: Request, send: Send) -> None:
        assert given.picture is not None and given.place is not None
        said = [
            (b"content-type", given.picture.media_type.encode()),
            (b"cache-control", self._cache_control(given.place.lasting and asked.by_id)),
            (b"x-cache-status", given.how.encode()),
        ]
        if given.place.lasting and not asked.by_id:
            said.append((b"link", f'<{given.place.path(asked.size)}>; rel="canonical"'.encode()))
        until = time.monotonic() + (_DAY if asked.by_id else _IN_MEMORY)
        kept = (path, until) if given.how is not How.MISS else None
        await self._images.give_file(given.picture.name, given.picture.file, said, kept, request, send)

    async def _listing(self, given: Given, base: str | None, request: Request, send: Send) -> None:
        listing = given.listing
        assert listing is not None
        if base is not None:
            listing = led_to_host(listing, base)
        said: Headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", self._cache_control(False)),
            (b"x-cache-status", given.how.encode()),
        ]
        await self._images.give_data(json.dumps(listing).encode(), said, request, send)

    async def _status(self, request: Request, send: Send) -> None:
        body = json.dumps(await asyncio.to_thread(_status, self._engine)).encode()
        said = headers(content_type="application/json", content_length=str(len(body)), cache_control="no-store")
        await answer(send, 200, said, b"" if request.head else body)

    def _cache_control(self, lasting: bool) -> bytes:
        if lasting:
            return f"{self._who}, max-age={_YEAR}, immutable".encode()
        return f"{self._who}, max-age={_DAY}, stale-while-revalidate={_DAY}, stale-if-error={7 * _DAY}".encode()


async def answer_error(send: Send, error: MezzotintError, *, head: bool, public: bool) -> None:
    """As clients of the archive expect it."""
    body = json.dumps({"error": printable(str(error))}).encode()
    values = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        **problem_headers(error, public=public),
    }
    await answer(send, status_of(error), headers(**values), b"" if head else body)


def _base(engine: Engine, scope: Scope) -> str | None:
    """This host's address, as the settings or the request have it; None where listings lead to the archive."""
    settings = engine.settings
    if not settings.cover_art_rewrite:
        return None
    if settings.public_url is not None:
        return settings.public_url
    given = {name: value.decode("latin-1") for name, value in scope["headers"]}
    host, scheme = given.get(b"host", ""), given.get(b"x-forwarded-proto", scope["scheme"])
    return f"{'https' if scheme == 'https' else 'http'}://{host}" if _HOST.fullmatch(host) else None


def _status(engine: Engine) -> dict[str, object]:
    cache = engine.cache
    kinds = cache.index.totals_by_kind()
    files, size = (sum(getattr(kind, what) for kind in kinds.values()) for what in ("files", "bytes"))
    limit = cache.max_size
    return {
        "status": "running",
        "cached_files": files,
        "release_files": kinds["release"].files if "release" in kinds else 0,
        "release_group_files": kinds["release-group"].files if "release-group" in kinds else 0,
        "cache_size_bytes": size,
        "cache_size_mb": round(size / 2**20, 2),
        "cache_limit_mb": round(limit / 2**20, 2),
        "cache_usage_percent": round(100 * size / limit, 2) if limit else 0.0,
        "cache_dir": str(cache.directory),
        "cache_index_type": cache.index.kind,
        "redis_available": cache.index.kind == "redis" and cache.index.available,
    }
