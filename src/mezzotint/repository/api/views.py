"""The REST interface. Thin: shapes in and out; what happens is in `services` and `queries`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase, QueryDict
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mezzotint import __version__
from mezzotint.errors import InvalidInput
from mezzotint.names import base_key
from mezzotint.repository import metadata, queries, services
from mezzotint.repository.api import serializers as s
from mezzotint.repository.api.auth import who
from mezzotint.repository.api.uploads import SpooledFile, SpoolHandler, uploaded_files
from mezzotint.repository.models import Collection, Commit, Image, UpdateSession
from mezzotint.wiring import engine

_PAGING = [
    OpenApiParameter("cursor", str, description="`next` of the page before"),
    OpenApiParameter("page_size", int, description=f"1 to {queries.MAX_PAGE}, {queries.DEFAULT_PAGE} if not given"),
]
_LISTING = [
    *(OpenApiParameter(name, str) for name in queries.FILTERS),
    OpenApiParameter("ordering", str, enum=[f"{sign}{name}" for name in queries.ORDERINGS for sign in ("", "-")]),
    *_PAGING,
]
_PROBLEMS = dict.fromkeys((400, 401, 403, 404, 409, 413, 415, 422, 507), s.ProblemSerializer)


def _page(request: Request, found: queries.Page[Any], shape: type[Any]) -> Response:
    return Response({"results": shape(found.items, many=True).data, "next": found.next})


def _paging(request: Request) -> dict[str, Any]:
    return {
        "cursor": request.query_params.get("cursor", ""),
        "size": queries.page_size(request.query_params.get("page_size", "")),
    }


def _object(request: Request) -> dict[str, Any]:
    """The JSON object of the body. Raises InvalidInput."""
    data = request.data
    if not isinstance(data, dict):
        raise InvalidInput("body", "is not an object", "a JSON object")
    return dict(data.items())


def _form(request: Request) -> QueryDict:
    assert isinstance(request.data, QueryDict)
    return request.data


def _form_fields(request: Request) -> dict[str, object]:
    form = _form(request)
    fields: dict[str, object] = {k: v for k, v in form.items() if k not in {"file", "collection", "tags"}}
    tags = form.getlist("tags")
    if tags:
        fields["tags"] = tags if len(tags) > 1 else tags[0]
    return fields


def _form_collections(request: Request) -> dict[str, str]:
    names = [str(name) for name in _form(request).getlist("collection") if str(name).strip()]
    return {metadata.clean_slug(name): metadata.clean_text("collection", name, 500) for name in names}


class UploadView(APIView):
    """A view that takes pictures: they are spooled while the form is read, and gone when it is answered."""

    parser_classes = [MultiPartParser]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spools = ExitStack()

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        request.upload_handlers = [SpoolHandler(self.spools)]
        return super().initialize_request(request, *args, **kwargs)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with self.spools:
            return super().dispatch(request, *args, **kwargs)

    def addition(self, request: Request, file: SpooledFile) -> services.Addition:
        """The form's fields, checked before its file is stored."""
        fields, collections = metadata.clean_image(_form_fields(request)), _form_collections(request)
        return services.Addition(file.keep(), fields, collections)

    def add(self, session: UpdateSession, addition: services.Addition) -> dict[str, Any]:
        upload = services.add_image(session, addition.base, addition.fields, addition.collections)
        url = f"/{base_key(upload.ident)}"
        return {"ident": upload.ident, "known": upload.known, "url": url} | upload.fields


class SessionsView(APIView):
    """Update sessions: changes that become visible all at once."""

    @extend_schema(
        operation_id="sessions_list", parameters=_PAGING, responses={200: s.page_of(s.SessionSerializer)} | _PROBLEMS
    )
    def get(self, request: Request) -> Response:
        found = queries.page(UpdateSession.objects.all(), "-opened", **_paging(request), tie="id")
        return _page(request, found, s.SessionSerializer)

    @extend_schema(request=s.SessionSerializer, responses={201: s.SessionSerializer} | _PROBLEMS)
    def post(self, request: Request) -> Response:
        note = _object(request).get("note", "")
        session = services.open_session(who(request), note)
        return Response(s.SessionSerializer(session).data, 201)


class SessionView(APIView):
    @extend_schema(parameters=_PAGING, responses={200: s.SessionSerializer} | _PROBLEMS)
    def get(self, request: Request, pk: UUID) -> Response:
        session = queries.session(pk)
        steps = queries.page(session.changes.all(), "id", **_paging(request), tie="id")
        changes = s.SessionChangeSerializer(steps.items, many=True).data
        return Response(s.SessionSerializer(session).data | {"changes": changes, "next": steps.next})

    @extend_schema(description="Abort the session.", request=None, responses={204: None} | _PROBLEMS)
    def delete(self, request: Request, pk: UUID) -> Response:
        services.abort(queries.session(pk))
        return Response(status=204)


class SessionImagesView(UploadView):
    @extend_schema(request={"multipart/form-data": s.UploadSerializer}, responses={201: dict} | _PROBLEMS)
    def post(self, request: Request, pk: UUID) -> Response:
        """Upload one picture, or several. Of several, the broken ones are listed under
        `refused` and the others go in."""
        session = queries.session(pk)
        files = uploaded_files(request)
        if len(files) == 1:
            added = self.add(session, self.addition(request, files[0]))
            return Response(added, 200 if added["known"] else 201)
        images: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        metadata.clean_image(_form_fields(request))
        for file in files:
            try:
                images.append(self.add(session, self.addition(request, file)))
            except InvalidInput as error:
                refused.append({"name": file.name, "field": error.field, "detail": error.detail, "limit": error.limit})
        return Response({"images": images, "refused": refused}, 201 if images else 422)


class SessionImageView(APIView):
    @extend_schema(request=s.EditSerializer, responses={204: None} | _PROBLEMS)
    def patch(self, request: Request, pk: UUID, ident: str) -> Response:
        fields = _object(request)
        services.edit_image(queries.session(pk), ident, fields.pop("version", None), fields)
        return Response(status=204)

    @extend_schema(request=None, responses={204: None} | _PROBLEMS)
    def delete(self, request: Request, pk: UUID, ident: str) -> Response:
        services.remove_image(queries.session(pk), ident, request.query_params.get("version"))
        return Response(status=204)


class SessionCollectionView(APIView):
    @extend_schema(request=s.CollectionInputSerializer, responses={204: None} | _PROBLEMS)
    def put(self, request: Request, pk: UUID, slug: str) -> Response:
        _put_collection(queries.session(pk), slug, _object(request))
        return Response(status=204)

    @extend_schema(request=None, responses={204: None} | _PROBLEMS)
    def delete(self, request: Request, pk: UUID, slug: str) -> Response:
        services.remove_collection(queries.session(pk), slug)
        return Response(status=204)


class SessionCommitView(APIView):
    @extend_schema(request=None, responses={200: s.CommitSerializer} | _PROBLEMS)
    def post(self, request: Request, pk: UUID) -> Response:
        """Make the session durable and visible, all at once. Asking again gives the same answer."""
        return Response(_committed(services.commit(queries.session(pk))))


class ImagesView(UploadView):
    @extend_schema(
        operation_id="images_list", parameters=_LISTING, responses={200: s.page_of(s.ImageSerializer)} | _PROBLEMS
    )
    def get(self, request: Request) -> Response:
        chosen = queries.images(request.query_params).prefetch_related("collections")
        order = queries.ordering(request.query_params.get("ordering", ""))
        return _page(request, queries.page(chosen, order, **_paging(request)), s.ImageSerializer)

    @extend_schema(request={"multipart/form-data": s.UploadSerializer}, responses={201: s.ImageSerializer} | _PROBLEMS)
    def post(self, request: Request) -> Response:
        """Upload one picture and commit it. Bytes that are here already keep their metadata: 200, `known`."""
        files = uploaded_files(request)
        if len(files) > 1:
            raise InvalidInput("file", f"is there {len(files)} times", "one; use a session for several")
        addition = self.addition(request, files[0])
        added, done = services.at_once(who(request), lambda session: self.add(session, addition))
        image = s.ImageSerializer(queries.image(added["ident"])).data
        return Response(image | {"known": added["known"], "commit": _committed(done)}, 200 if added["known"] else 201)


class ImageView(APIView):
    @extend_schema(responses={200: s.ImageSerializer} | _PROBLEMS)
    def get(self, request: Request, ident: str) -> Response:
        return Response(s.ImageSerializer(queries.image(ident)).data)

    @extend_schema(request=s.EditSerializer, responses={200: s.ImageSerializer} | _PROBLEMS)
    def patch(self, request: Request, ident: str) -> Response:
        fields = _object(request)
        version = fields.pop("version", None)
        services.at_once(who(request), lambda session: services.edit_image(session, ident, version, fields))
        return Response(s.ImageSerializer(queries.image(ident)).data)

    @extend_schema(request=None, responses={200: s.CommitSerializer} | _PROBLEMS)
    def delete(self, request: Request, ident: str) -> Response:
        version = request.query_params.get("version")
        _, done = services.at_once(who(request), lambda session: services.remove_image(session, ident, version))
        return Response(_committed(done))


class CollectionsView(APIView):
    @extend_schema(
        operation_id="collections_list",
        parameters=_PAGING,
        responses={200: s.page_of(s.CollectionSerializer)} | _PROBLEMS,
    )
    def get(self, request: Request) -> Response:
        found = queries.page(Collection.objects.all(), "slug", **_paging(request), tie="slug")
        return _page(request, found, s.CollectionSerializer)

    @extend_schema(request=s.CollectionInputSerializer, responses={201: s.CollectionSerializer} | _PROBLEMS)
    def post(self, request: Request) -> Response:
        fields = _object(request)
        slug = metadata.clean_slug(fields.pop("slug", None) or fields.get("title", ""))
        services.at_once(who(request), lambda session: _put_collection(session, slug, fields))
        return Response(s.CollectionSerializer(queries.collection(slug)).data, 201)


class CollectionView(APIView):
    @extend_schema(parameters=_PAGING, responses={200: s.CollectionSerializer} | _PROBLEMS)
    def get(self, request: Request, slug: str) -> Response:
        """The collection, with a page of its images in order."""
        found = queries.collection(slug)
        members = queries.page(found.memberships.select_related("image"), "position", **_paging(request), tie="pk")
        images = s.ImageSerializer([member.image for member in members.items], many=True).data
        return Response(s.CollectionSerializer(found).data | {"images": images, "next": members.next})

    @extend_schema(request=s.CollectionInputSerializer, responses={200: s.CollectionSerializer} | _PROBLEMS)
    def patch(self, request: Request, slug: str) -> Response:
        queries.collection(slug)
        fields = _object(request)
        services.at_once(who(request), lambda session: _put_collection(session, slug, fields))
        return Response(s.CollectionSerializer(queries.collection(slug)).data)

    @extend_schema(request=None, responses={200: s.CommitSerializer} | _PROBLEMS)
    def delete(self, request: Request, slug: str) -> Response:
        _, done = services.at_once(who(request), lambda session: services.remove_collection(session, slug))
        return Response(_committed(done))


class CommitsView(APIView):
    @extend_schema(
        operation_id="commits_list", parameters=_PAGING, responses={200: s.page_of(s.CommitSerializer)} | _PROBLEMS
    )
    def get(self, request: Request) -> Response:
        found = queries.page(Commit.objects.all(), "-seq", **_paging(request), tie="seq")
        return _page(request, found, s.CommitSerializer)


class StatusView(APIView):
    @extend_schema(responses={200: s.StatusSerializer} | _PROBLEMS)
    def get(self, request: Request) -> Response:
        last = queries.last_commit()
        live = last.seq if last else 0
        totals = engine().cache.totals()
        return Response(
            {
                "version": __version__,
                "live": live,
                "durable": services.durable_seq(),
                "images": Image.objects.count(),
                "collections": Collection.objects.count(),
                "open_sessions": UpdateSession.objects.filter(state=UpdateSession.State.OPEN).count(),
                "cache_files": totals.files,
                "cache_bytes": totals.bytes,
                "cache_max_bytes": engine().cache.max_size,
            }
        )


def _put_collection(session: UpdateSession, slug: str, fields: dict[str, Any]) -> None:
    version, images, _ = fields.pop("version", None), fields.pop("images", None), fields.pop("slug", None)
    services.put_collection(session, metadata.clean_slug(slug), fields, version, images)


def _committed(done: Commit) -> dict[str, Any]:
    return dict(s.CommitSerializer(done).data) | {"durable": True}
