"""A Cover Art Archive on loopback, which behaves as the real one does, and misbehaves where it is asked to."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from tests.archive import paths
from tests.archive.faults import Fault
from tests.archive.holdings import Art, Holdings, Shape
from tests.archive.replies import HearingOrigin, Reply, Request
from tests.archive.thumbnails import thumbnail
from tests.origin import Asked

__all__ = ["ARCHIVE", "DOWNLOADS", "ITEMS", "Archive", "Art"]

ARCHIVE = "127.0.0.1"
"""As coverartarchive.org: 307 to archive.org."""
DOWNLOADS = "127.0.1.1"
"""As archive.org: 302 to whoever has the item."""
ITEMS = "127.0.2.1"
"""As ia800001.us.archive.org: it has the items."""

_ALLOW = {"allow": "GET, HEAD, OPTIONS"}


class Archive:
    """`plain`: it gives the bytes itself, as another cache would. `opaque`: where it leads, paths name nothing.

    `delay`: seconds before every answer of every host.
    """

    def __init__(self, *, plain: bool = False, opaque: bool = False) -> None:
        self.delay = 0.0
        self._plain, self._opaque = plain, opaque
        self._origin = HearingOrigin(hosts=(ARCHIVE, DOWNLOADS, ITEMS), default=self._answer)
        self._holdings = Holdings()
        self._faults: dict[str | None, Fault] = {}
        self._blobs: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._origin.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._origin.__exit__(kind, error, traceback)

    @property
    def url(self) -> str:
        return self._origin.url("")

    def release(self, mbid: str | None = None, images: Iterable[Art] = (), shape: Shape = "new") -> str:
        """Have it, instead of what was there; returns the MBID. Without images it is as one that there is not."""
        return self._holdings.put(mbid, images, shape)

    def release_group(self, release_mbid: str, mbid: str | None = None) -> str:
        """A group whose front is this release's; returns the group's MBID."""
        return self._holdings.group(release_mbid, mbid)

    def merge(self, old_mbid: str, new_mbid: str) -> None:
        """From now on the old MBID of a release or a group leads to what the new one has."""
        self._holdings.merge(old_mbid, new_mbid)

    def choose_front(self, mbid: str, id: int) -> None:
        """From now on this picture, and no other, is the release's front."""
        self._holdings.choose_front(mbid, id)

    def original(self, mbid: str, id: int) -> bytes:
        art = self._holdings.release(mbid).art(id)
        assert art, f"release {mbid} has no picture {id}"
        return art.data

    def thumbnail(self, mbid: str, id: int, size: int) -> bytes:
        return thumbnail(self.original(mbid, id), size)

    def listing(self, mbid: str) -> bytes:
        return self._holdings.release(mbid).listing()

    @property
    def asked(self) -> Counter[str]:
        """By path, of all hosts."""
        return self._origin.asked

    def asked_on(self, host: str) -> Counter[str]:
        """By path, of this host."""
        return Counter(asked.path for asked in list(self._origin.seen) if asked.host == host)

    def hits(self, mbid: str) -> int:
        """How many requests of any host named this MBID."""
        return sum(mbid in asked.path for asked in list(self._origin.seen))

    def forget(self) -> None:
        """Nothing has been asked."""
        self._origin.asked.clear()
        self._origin.seen.clear()

    def misbehave(self, path: str | None, fault: Fault) -> None:
        """At this path of any host, or at all that have no fault of their own."""
        self._faults[path] = fault

    def behave(self) -> None:
        """As the real one again, everywhere."""
        self._faults.clear()

    async def _answer(self, asked: Asked) -> None:
        assert isinstance(asked, Request)
        await asyncio.sleep(self.delay)
        reply = self._reply(asked)
        if fault := self._faults.get(asked.plain_path) or self._faults.get(None):
            await fault(asked, reply)
        else:
            await asked.answer(reply)
        if reply.status == 405:
            asked.writer.close()  # there may be a body, which nobody reads

    def _reply(self, request: Request) -> Reply:
        here = {ARCHIVE: self._archive, DOWNLOADS: self._downloads, ITEMS: self._items}[request.host]
        try:
            if request.method in ("GET", "HEAD"):
                return here(request)
            if request.method != "OPTIONS":
                return Reply(405, b"", _ALLOW)
            if request.host == ARCHIVE:
                paths.check(request.plain_path)
            return Reply(200, b"", _ALLOW)
        except paths.Refused as refused:
            return Reply.refused(refused.status, str(refused))

    def _archive(self, request: Request) -> Reply:
        place = paths.place(self._holdings, request.plain_path)
        if self._plain:
            return self._file(request, place)
        if self._opaque:
            blob = f"/blob/{hashlib.sha256(place.encode()).hexdigest()}"
            self._blobs[blob] = place
            return Reply.moved(307, self._origin.url(blob, DOWNLOADS))
        return Reply.moved(307, self._origin.url(f"/download/{place}", DOWNLOADS))

    def _downloads(self, request: Request) -> Reply:
        if place := self._blobs.get(request.plain_path):
            return self._file(request, place)
        place = request.plain_path.removeprefix("/download/")
        if not self._holdings.file(place):
            raise paths.Refused(404, "The item is not available.")
        return Reply.moved(302, self._origin.url(f"/0/items/{place}", ITEMS))

    def _items(self, request: Request) -> Reply:
        return self._file(request, request.plain_path.removeprefix("/0/items/"))

    def _file(self, request: Request, place: str) -> Reply:
        file = self._holdings.file(place)
        if not file:
            raise paths.Refused(404, "There is no such file.")
        headers = file.headers()
        return Reply(304 if request.has(headers) else 200, file.data, headers)
