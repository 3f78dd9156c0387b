"""The document that a collection's pages are of, as it came in."""

from __future__ import annotations

from collections.abc import Generator

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from mezzotint.browse.views import page_for_people
from mezzotint.delivery.conditional import Unsatisfiable, byte_range
from mezzotint.delivery.naming import disposition
from mezzotint.errors import NotFound
from mezzotint.repository import queries
from mezzotint.repository.api.reading import reader
from mezzotint.repository.models import Collection
from mezzotint.repository.streaming import Room
from mezzotint.wiring import engine

_room = Room("documents", 256, threads=8)
"""slow readers among them"""


@page_for_people
def document(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Whole or a range of it, for who sees the collection. Raises NotFound, Busy, StoreUnavailable."""
    shown = queries.collection(slug, reader(request))
    if not shown.document:
        raise NotFound(f"the collection {slug} is of no document")
    store, key = engine().store, f"documents/{shown.document}.pdf"
    size = store.stat(key).size
    etag = f'"{shown.document}"'
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": disposition(_name(shown)),
        "ETag": etag,
    }
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers=headers)
    try:
        part = byte_range(request.headers.get("Range"), request.headers.get("If-Range"), etag, size)
    except Unsatisfiable:
        return HttpResponse(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    start, length = (part.start, part.length) if part is not None else (0, size)
    headers["Content-Length"] = str(length)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    status = 200 if part is None else 206
    if request.method == "HEAD":
        return HttpResponse(status=status, content_type="application/pdf", headers=headers)
    request.META.pop("HTTP_ACCEPT_ENCODING", None)  # it is compressed already, and ranges are of it as it is
    place = _room.enter()
    pieces = _room.stream(_pieces(key, start, length), place)
    return StreamingHttpResponse(pieces, status=status, content_type="application/pdf", headers=headers)


def _pieces(key: str, start: int, length: int) -> Generator[bytes]:
    with engine().store.get(key, start, length) as found:
        yield from found.chunks()


def _name(shown: Collection) -> str:
    title = "".join(c if c.isprintable() and c not in "/\\:" else "_" for c in shown.title)[:150].strip(". ")
    return f"{title or shown.slug}.pdf"
