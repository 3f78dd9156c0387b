"""What images are said to be, as a file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.text import compress_sequence
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from mezzotint.errors import InvalidInput
from mezzotint.repository import filters
from mezzotint.repository.api.reading import reader
from mezzotint.repository.api.views import PROBLEMS, View, refuse_others
from mezzotint.repository.spreadsheets import exporting
from mezzotint.repository.streaming import Room

_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
_FORM = "as"
_room = Room("exports", 4)


class ExportView(View):
    """Compressed here, as one stream: Django makes one of each piece, and many clients read the first of them alone."""

    @extend_schema(
        operation_id="export",
        parameters=[
            OpenApiParameter(_FORM, str, enum=exporting.FORMS),
            *(OpenApiParameter(name, str) for name in filters.FILTERS),
        ],
        responses={(200, "text/csv"): OpenApiTypes.STR} | PROBLEMS,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """All images, or those that are meant, a row for each; `mezzotint describe` takes the file back in."""
        form, headers = self._asked(request)
        seen = reader(request)
        pieces = exporting.lines(form, filters.images(filters.given(request.query_params), seen), seen)
        place = _room.enter()
        first = next(pieces)  # what is wrong shows here
        encoded: Iterator[bytes] = (piece.encode() for piece in itertools.chain([first], pieces))
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            encoded, headers["Content-Encoding"] = compress_sequence(encoded), "gzip"
        response = StreamingHttpResponse(_room.stream(encoded, place), content_type=_TYPES[form], headers=headers)
        patch_vary_headers(response, ["Accept-Encoding"])
        return response

    @extend_schema(exclude=True)
    def head(self, request: Request) -> HttpResponseBase:
        form, headers = self._asked(request)
        return HttpResponse(content_type=_TYPES[form], headers=headers)

    @staticmethod
    def _asked(request: Request) -> tuple[str, dict[str, str]]:
        refuse_others(request, [*filters.names(), _FORM])
        form = request.query_params.get(_FORM, "csv")
        if form not in exporting.FORMS:
            raise InvalidInput(_FORM, f"cannot be {form!r:.80}", " or ".join(exporting.FORMS))
        return form, {
            "Content-Disposition": f'attachment; filename="images.{form}"',
            "Cache-Control": "no-store",
        }
