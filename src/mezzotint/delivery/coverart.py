"""The door of the cover art cache: the Cover Art Archive's paths, with pictures instead of redirects."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial

from mezzotint.delivery.answer import Answer, Headers, headers, unstored
from mezzotint.delivery.door import Door
from mezzotint.delivery.freshness import DAY, Freshness, lasting
from mezzotint.delivery.hosts import named_by
from mezzotint.delivery.pictures import Pictures
from mezzotint.delivery.request import Request
from mezzotint.errors import InvalidInput, MezzotintError, OriginRefuses, printable
from mezzotint.host.lanes import Lane
from mezzotint.network import loops
from mezzotint.problems import problem_headers, status_of
from mezzotint.sources.coverart import CoverRequest, Given, parse_path
from mezzotint.sources.coverart.keeping import MEDIA
from mezzotint.sources.coverart.listing import led_to_host
from mezzotint.sources.remote import How
from mezzotint.wiring import Engine
from mezzotint.wiring.sources import Sources

STATUS = "/cache-status"
PREFIXES = ("/release/", "/release-group/")
_SERVED = (b"x-served-by", b"mezzotint")
_IN_MEMORY = 1.0
"""seconds until another front is seen"""


class CoverDoor(Door):
    def __init__(self, engine: Engine, pictures: Pictures, sources: Sources) -> None:
        super().__init__(public=engine.settings.public_read)
        self._engine, self._pictures, self._sources = engine, pictures, sources
        self._status = Lane("status", 1)
        self._lasting = lasting(self.public)
        self._for_a_day = Freshness(self.public, DAY, stale_while_revalidate=DAY, stale_if_error=7 * DAY)

    def takes(self, path: str) -> bool:
        return path.startswith(PREFIXES) or path == STATUS

    async def answer(self, request: Request) -> Answer:
        if request.path == STATUS:
            return unstored("application/json", json.dumps(await self._status.do(_status, self._engine)).encode())
        asked = parse_path(request.path)
        if (kept := self._pictures.remembered(request.path, request)) is not None:
            return kept
        loops.behind.set(loops.links(request.header(b"cdn-loop"), self._engine.settings.secret_key))
        given = await self._sources.cover_art.get(asked, begin=partial(request.pay, self._engine.rates.fetches))
        return self._listing(given, request) if given.listing is not None else self._picture(asked, given, request.path)

    def refused(self, request: Request, error: MezzotintError) -> Answer:
        """As clients of the archive expect it. An MBID that is none is 404, as the existing cover art cache has it (the
        archive says 400), and so is whatever the archive does not give out: the body says why."""
        found = headers(
            content_type="application/json", x_served_by="mezzotint", **problem_headers(error, public=self.public)
        )
        body = json.dumps({"error": printable(str(error))}).encode()
        unknown = isinstance(error, OriginRefuses) or (isinstance(error, InvalidInput) and error.field == "mbid")
        return Answer(404 if unknown else status_of(error), found, body)

    def not_allowed(self, request: Request) -> Answer:
        body = json.dumps({"error": f"{request.method} is not allowed here"}).encode()
        return Answer(405, headers(allow=self.allow, content_type="application/json"), body)

    def options(self) -> Answer:
        return replace(super().options(), status=200)  # as the archive has it

    def _picture(self, asked: CoverRequest, given: Given, path: str) -> Answer:
        assert given.picture is not None and given.place is not None
        media_type = MEDIA[given.picture.name.rpartition(".")[2]]
        said = [(b"content-type", media_type.encode()), (b"x-cache-status", given.how.encode()), _SERVED]
        if given.place.lasting and not asked.by_id:
            said.append((b"link", f'<{given.place.path(asked.size)}>; rel="canonical"'.encode()))
        until = time.monotonic() + (DAY if asked.by_id else _IN_MEMORY)
        kept = (path, until) if given.how is not How.MISS else None
        fresh = self._lasting if given.place.lasting and asked.by_id else self._for_a_day
        return self._pictures.file(given.picture, said, kept, fresh)

    def _listing(self, given: Given, request: Request) -> Answer:
        listing, base = given.listing, _base(self._engine, request)
        assert listing is not None
        if base is not None:
            listing = led_to_host(listing, base)
        said: Headers = [(b"content-type", b"application/json"), (b"x-cache-status", given.how.encode()), _SERVED]
        fresh = self._for_a_day
        if base is not None and self._engine.settings.public_url is None:  # as this request says where the server is
            fresh = replace(fresh, public=False)
        return self._pictures.data(json.dumps(listing).encode(), said, fresh)


def _base(engine: Engine, request: Request) -> str | None:
    """This host's address, as the settings or the request have it; None where listings lead to the archive."""
    return named_by(engine.settings, request) if engine.settings.cover_art_rewrite else None


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
