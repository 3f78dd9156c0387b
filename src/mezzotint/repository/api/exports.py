"""What images are said to be, as a file."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.text import compress_sequence
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from mezzotint.errors import InvalidInput
from mezzotint.repository import filters
from mezzotint.repository.api.views import PROBLEMS, View
from mezzotint.repository.spreadsheets import exporting

_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
_FORM = "as"


class ExportView(View):
    """Compressed here, as one stream: Django makes one of each piece, and many clients read the first of them alone."""

    @extend_schema(
        parameters=[
            OpenApiParameter(_FORM, str, enum=exporting.FORMS),
            *(OpenApiParameter(name, str) for name in filters.FILTERS),
        ],
        responses={(200, "text/csv"): OpenApiTypes.STR} | PROBLEMS,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """All images, or those that are meant, a row for each; `mezzotint describe` takes the file back in."""
        asked = request.query_params.dict()
        form = asked.pop(_FORM, "csv")
        if form not in exporting.FORMS:
            raise InvalidInput(_FORM, f"cannot be {form!r:.80}", " or ".join(exporting.FORMS))
        pieces = exporting.lines(form, filters.images(asked))
        first = next(pieces)  # what is wrong shows here
        headers = {"Content-Disposition": f'attachment; filename="images.{form}"', "Cache-Control": "no-store"}
        encoded: Iterator[bytes] = (piece.encode() for piece in itertools.chain([first], pieces))
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            encoded, headers["Content-Encoding"] = compress_sequence(encoded), "gzip"
        response = StreamingHttpResponse(_streamed(encoded), content_type=_TYPES[form], headers=headers)
        patch_vary_headers(response, ["Accept-Encoding"])
        return response


async def _streamed(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece in some thread, with a connection of its own."""
    while (piece := await sync_to_async(_next, thread_sensitive=False)(pieces)) is not None:
        yield piece


def _next(pieces: Iterator[bytes]) -> bytes | None:
    try:
        return next(pieces, None)
    finally:
        connections.close_all()
