"""The document that a collection's pages are of, as it came in."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from mezzotint.delivery.conditional import Unsatisfiable, byte_range
from mezzotint.delivery.naming import disposition
from mezzotint.errors import NotFound
from mezzotint.host.files import CHUNK
from mezzotint.names.keys import DOCUMENTS
from mezzotint.repository import queries
from mezzotint.repository.api.reading import reader
from mezzotint.repository.api.views import View
from mezzotint.repository.models import Collection
from mezzotint.repository.streaming import Room
from mezzotint.wiring import engine

_room = Room("documents", 256, threads=8)
"""slow readers among them"""


class DocumentView(View):
    @extend_schema(exclude=True)
    def get(self, request: Request, slug: str) -> HttpResponseBase:
        """Whole or a range of it, for who sees the collection. Raises NotFound, Busy, StoreUnavailable."""
        shown = queries.collection(slug, reader(request))
        if not shown.document:
            raise NotFound(f"the collection {slug} is of no document")
        key, etag = f"{DOCUMENTS}{shown.document}.pdf", f'"{shown.document}"'
        size = engine().store.stat(key).size
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
        pieces = _room.stream(_pieces(key, start, start + length), _room.enter())
        return StreamingHttpResponse(pieces, status=status, content_type="application/pdf", headers=headers)


def _pieces(key: str, at: int, end: int) -> Iterator[bytes]:
    """Nothing of the store is held while a slow reader takes one of them."""
    while at < end:
        with engine().store.get(key, at, min(CHUNK, end - at)) as found:
            piece = b"".join(found.chunks())
        if not piece:
            return
        at += len(piece)
        yield piece


def _name(shown: Collection) -> str:
    title = "".join(c if c.isprintable() and c not in "/\\:" else "_" for c in shown.title)[:150].strip(". ")
    return f"{title or shown.slug}.pdf"
