"""IIIF Presentation 3.0 (manifests of images and collections, and the list of collections, from the live database) and
Change Discovery 1.0 (what has changed of them, from the journal)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mezzotint.errors import InvalidInput, NotFound
from mezzotint.repository import discovery, paging, queries
from mezzotint.repository.api.reading import reader
from mezzotint.repository.api.views import View
from mezzotint.repository.links import address_of
from mezzotint.repository.presentation import MEDIA_TYPE, Presentation
from mezzotint.wiring import engine

MOST_CANVASES = 20_000
_PAGE = 500
_OPEN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "etag",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "authorization, if-none-match",
}


class _ManifestView(View):
    """What a viewer on another page may read too."""

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        return Response(status=204, headers=_OPEN)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Errors, too: a viewer is to see which."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer["Access-Control-Allow-Origin"] = "*"
        return answer


class ImageManifestView(_ManifestView):
    @extend_schema(exclude=True)
    def get(self, request: Request, ident: str) -> HttpResponseBase:
        return _answer(request, _presentation(request).image(queries.image(ident, reader(request))))


class CollectionManifestView(_ManifestView):
    @extend_schema(exclude=True)
    def get(self, request: Request, slug: str) -> HttpResponseBase:
        collection = queries.collection(slug, reader(request))
        members = collection.memberships.select_related("image").order_by("position", "pk")[: MOST_CANVASES + 1]
        images = [member.image for member in members]
        if len(images) > MOST_CANVASES:
            raise InvalidInput("collection", "has too many images for one manifest", f"{MOST_CANVASES} canvases")
        if not images:  # a manifest has one canvas at least (section 5.2)
            raise NotFound("this collection has no images yet")
        return _answer(request, _presentation(request).collection(collection, images))


class CollectionsManifestView(_ManifestView):
    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponseBase:
        cursor = paging.cursor_of(request.query_params.get("cursor", ""))
        found = paging.page(reader(request).collections(), "slug", cursor, _PAGE, tie="pk")
        return _answer(request, _presentation(request).collections(found.items, cursor, found.next))


class ActivitiesView(_ManifestView):
    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponseBase:
        return _answer(request, _discovery(request).stream(), discovery.MEDIA_TYPE)


class ActivityPageView(_ManifestView):
    @extend_schema(exclude=True)
    def get(self, request: Request, number: int) -> HttpResponseBase:
        return _answer(request, _discovery(request).page(number), discovery.MEDIA_TYPE)


def _presentation(request: Request) -> Presentation:
    return Presentation(address_of(request), engine().settings.name)


def _discovery(request: Request) -> discovery.Discovery:
    return discovery.Discovery(address_of(request), reader(request))


def _answer(request: Request, document: dict[str, Any], media_type: str = MEDIA_TYPE) -> HttpResponseBase:
    """The same bytes on every node, with a tag of theirs."""
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    settings = engine().settings
    kept = "public" if settings.public_read and settings.public_url else "private"
    fresh = f"{kept}, max-age=0, must-revalidate"
    headers = {**_OPEN, "ETag": etag, "Cache-Control": fresh, "Vary": "Authorization, Cookie"}
    answer = HttpResponse(body, media_type, headers=headers)
    return get_conditional_response(request._request, etag, response=answer) or answer
