"""Images and collections: reading them, and changes that are a commit of their own."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mezzotint.errors import InvalidInput, NotFound
from mezzotint.repository import filters, many, metadata, paging, queries, services, slugs
from mezzotint.repository.api import serializers as s
from mezzotint.repository.api.auth import who
from mezzotint.repository.api.reading import reader
from mezzotint.repository.api.uploads import uploaded_files
from mezzotint.repository.api.views import (
    COUNT,
    PAGING,
    PROBLEMS,
    UploadView,
    View,
    around,
    asked_page,
    committed,
    counted,
    json_object,
    listing,
    paged,
    put_collection,
)

_LISTING = [
    *(OpenApiParameter(name, str) for name in filters.FILTERS),
    OpenApiParameter("ordering", str, enum=[f"{sign}{name}" for name in queries.ORDERINGS for sign in ("", "-")]),
    COUNT,
    *PAGING,
]


class ImagesView(UploadView):
    committing = frozenset({"POST", "PATCH"})
    rights = {"POST": ("repository.add_image",), "PATCH": ("repository.change_image",)}

    @listing("images_list", s.ImageSerializer, _LISTING)
    def get(self, request: Request) -> Response:
        seen = reader(request)
        chosen = filters.images(request.query_params, seen)
        order = queries.ordering(request.query_params.get("ordering", ""))
        found = paging.page(
            chosen.prefetch_related(seen.their_collections()), queries.column_of(order), **asked_page(request)
        )
        return paged(request, found, s.ImageSerializer, chosen)

    @extend_schema(request=s.ManySerializer, responses={200: s.DescribedSerializer} | PROBLEMS)
    def patch(self, request: Request) -> Response:
        """Describe many at once, in one commit: each on its own, or all alike."""
        asked = json_object(request)
        count, done = services.at_once(who(request), lambda session: many.describe_many(session, asked))
        return Response({"described": count, "commit": committed(done)})

    @extend_schema(request={"multipart/form-data": s.UploadSerializer}, responses={201: s.ImageSerializer} | PROBLEMS)
    def post(self, request: Request) -> Response:
        """Upload one picture and commit it. Bytes that are here already keep their metadata: 200, `known`."""
        files = uploaded_files(request)
        if len(files) > 1:
            raise InvalidInput("file", f"is there {len(files)} times", "one; use a session for several")
        addition = self.addition(request, files[0])
        added, done = services.at_once(who(request), lambda session: self.add(session, addition))
        image: dict[str, Any]
        try:
            image = s.ImageSerializer(queries.image(added["ident"], reader(request))).data
        except NotFound:  # it was here already, and is not for who has sent it
            image = {name: added[name] for name in ("ident", "url")}
        return Response(image | {"known": added["known"], "commit": committed(done)}, 200 if added["known"] else 201)


class ImageView(View):
    committing = frozenset({"PATCH", "DELETE"})
    rights = {"PATCH": ("repository.change_image",), "DELETE": ("repository.delete_image",)}

    @extend_schema(responses={200: s.ImageSerializer} | PROBLEMS)
    def get(self, request: Request, ident: str) -> Response:
        return Response(s.ImageSerializer(queries.image(ident, reader(request))).data)

    @extend_schema(request=s.EditSerializer, responses={200: s.ImageSerializer} | PROBLEMS)
    def patch(self, request: Request, ident: str) -> Response:
        fields = json_object(request)
        version = fields.pop("version", None)
        services.at_once(who(request), lambda session: services.edit_image(session, ident, version, fields))
        return Response(s.ImageSerializer(queries.image(ident, reader(request))).data)

    @extend_schema(request=None, responses={200: s.CommitSerializer} | PROBLEMS)
    def delete(self, request: Request, ident: str) -> Response:
        version = request.query_params.get("version")
        _, done = services.at_once(who(request), lambda session: services.remove_image(session, ident, version))
        return Response(committed(done))


class CollectionsView(View):
    committing = frozenset({"POST"})
    rights = {"POST": ("repository.add_collection", "repository.change_collection")}

    @listing("collections_list", s.CollectionSerializer, [COUNT, *PAGING])
    def get(self, request: Request) -> Response:
        chosen = reader(request).collections()
        found = paging.page(chosen, "slug", **asked_page(request), tie="slug")
        return paged(request, found, s.CollectionSerializer, chosen)

    @extend_schema(request=s.CollectionInputSerializer, responses={201: s.CollectionSerializer} | PROBLEMS)
    def post(self, request: Request) -> Response:
        fields = json_object(request)
        given = fields.pop("slug", None)
        title = metadata.clean_text("title", fields.get("title", ""), metadata.TEXT_LIMITS["title"])
        slug = metadata.clean_slug(given) if given else slugs.slug_of(title)
        services.at_once(who(request), lambda session: put_collection(request, session, slug, fields))
        return Response(s.CollectionSerializer(queries.collection(slug)).data, 201)


class CollectionView(View):
    committing = frozenset({"PATCH", "DELETE"})
    rights = {"PATCH": ("repository.change_collection",), "DELETE": ("repository.delete_collection",)}

    @extend_schema(parameters=[COUNT, *PAGING], responses={200: s.CollectionSerializer} | PROBLEMS)
    def get(self, request: Request, slug: str) -> Response:
        """The collection, with a page of its images in order."""
        seen = reader(request)
        found = queries.collection(slug, seen)
        chosen = found.memberships.select_related("image").prefetch_related(
            seen.their_collections("image__collections")
        )
        members = paging.page(chosen, "position", **asked_page(request), tie="pk")
        images = s.ImageSerializer([member.image for member in members.items], many=True).data
        count = counted(request, found.memberships.all())
        return Response(s.CollectionSerializer(found).data | {"images": images} | around(request, members) | count)

    @extend_schema(request=s.CollectionInputSerializer, responses={200: s.CollectionSerializer} | PROBLEMS)
    def patch(self, request: Request, slug: str) -> Response:
        queries.collection(slug)
        fields = json_object(request)
        services.at_once(who(request), lambda session: put_collection(request, session, slug, fields))
        return Response(s.CollectionSerializer(queries.collection(slug)).data)

    @extend_schema(request=None, responses={200: s.CommitSerializer} | PROBLEMS)
    def delete(self, request: Request, slug: str) -> Response:
        _, done = services.at_once(who(request), lambda session: services.remove_collection(session, slug))
        return Response(committed(done))


class MembersView(View):
    committing = frozenset({"PATCH"})
    rights = {"PATCH": ("repository.change_collection",)}

    @extend_schema(request=s.MembersSerializer, responses={200: s.CollectionSerializer} | PROBLEMS)
    def patch(self, request: Request, slug: str) -> Response:
        """Add images to a collection, move them in it, take them out, whatever others do with it meanwhile."""
        asked = json_object(request)
        _, done = services.at_once(who(request), lambda session: many.change_members(session, slug, asked))
        return Response(s.CollectionSerializer(queries.collection(slug)).data | {"commit": committed(done)})
