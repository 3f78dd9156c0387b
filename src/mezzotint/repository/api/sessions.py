"""Update sessions: changes that become visible all at once. Until then only the bytes are durable."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from mezzotint.errors import InvalidInput, NotFound
from mezzotint.repository import image_fields, many, paging, queries, services
from mezzotint.repository.api import serializers as s
from mezzotint.repository.api.auth import has, who
from mezzotint.repository.api.uploads import uploaded_files
from mezzotint.repository.api.views import (
    PAGING,
    PROBLEMS,
    UploadView,
    View,
    around,
    asked_page,
    committed,
    form_fields,
    json_object,
    listing,
    paged,
    put_collection,
)
from mezzotint.repository.commits import commit
from mezzotint.repository.models import UpdateSession

_ALL_IMAGES = ("repository.add_image", "repository.change_image", "repository.delete_image")
_ALL_COLLECTIONS = ("repository.add_collection", "repository.change_collection", "repository.delete_collection")
ANY_CHANGE = (*_ALL_IMAGES, *_ALL_COLLECTIONS)
OTHERS = "repository.change_updatesession", "repository.view_updatesession"


def session_of(request: HttpRequest | Request, pk: UUID) -> UpdateSession:
    """A person's own; anybody's with a token or with the permission for all. Raises NotFound, which says nothing of
    those of others."""
    found, needed = queries.session(pk), OTHERS if request.method in SAFE_METHODS else OTHERS[:1]
    if found.by != who(request) and not has(request, *needed):
        raise NotFound(f"there is no session {pk}")
    return found


class SessionsView(View):
    """Update sessions: changes that become visible all at once."""

    durable = False
    rights = {"GET": (*ANY_CHANGE, OTHERS[1]), "POST": ANY_CHANGE}

    @listing("sessions_list", s.SessionSerializer)
    def get(self, request: Request) -> Response:
        """A person's own; all of them with a token of scope write, or the permission to view them."""
        chosen = UpdateSession.objects.all()
        if not has(request, OTHERS[1]):
            chosen = chosen.filter(by=who(request))
        return paged(request, paging.page(chosen, "-opened", **asked_page(request), tie="id"), s.SessionSerializer)

    @extend_schema(request=s.SessionSerializer, responses={201: s.SessionSerializer} | PROBLEMS)
    def post(self, request: Request) -> Response:
        note = json_object(request).get("note", "")
        session = services.open_session(who(request), note)
        return Response(s.SessionSerializer(session).data, 201)


class SessionView(View):
    durable = False
    rights = {"GET": (*ANY_CHANGE, OTHERS[1]), "DELETE": (*ANY_CHANGE, OTHERS[0])}

    @extend_schema(parameters=PAGING, responses={200: s.SessionSerializer} | PROBLEMS)
    def get(self, request: Request, pk: UUID) -> Response:
        session = session_of(request, pk)
        steps = paging.page(session.changes.all(), "id", **asked_page(request), tie="id")
        changes = s.SessionChangeSerializer(steps.items, many=True).data
        return Response(s.SessionSerializer(session).data | {"changes": changes} | around(request, steps))

    @extend_schema(description="Abort the session.", request=None, responses={204: None} | PROBLEMS)
    def delete(self, request: Request, pk: UUID) -> Response:
        services.abort(session_of(request, pk))
        return Response(status=204)


class SessionImagesView(UploadView):
    durable = False
    rights = {"POST": ("repository.add_image",), "PATCH": ("repository.change_image",)}

    @extend_schema(request={"multipart/form-data": s.UploadSerializer}, responses={201: dict} | PROBLEMS)
    def post(self, request: Request, pk: UUID) -> Response:
        """Upload one picture, or several. Of several, the broken ones are listed under
        `refused` and the others go in."""
        session = session_of(request, pk)
        files = uploaded_files(request)
        if len(files) == 1:
            added = self.add(session, self.addition(request, files[0]))
            return Response(added, 200 if added["known"] else 201)
        images: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        image_fields.clean(form_fields(request))
        for file in files:
            try:
                images.append(self.add(session, self.addition(request, file)))
            except InvalidInput as error:
                refused.append({"name": file.name, "field": error.field, "detail": error.detail, "limit": error.limit})
        return Response({"images": images, "refused": refused}, 201 if images else 422)

    @extend_schema(request=s.ManySerializer, responses={200: s.DescribedSerializer} | PROBLEMS)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Describe many at once, at the commit: each on its own, or all alike."""
        session = session_of(request, pk)
        return Response({"described": many.describe_many(session, json_object(request))})


class SessionImageView(View):
    durable = False
    rights = {"PATCH": ("repository.change_image",), "DELETE": ("repository.delete_image",)}

    @extend_schema(request=s.EditSerializer, responses={204: None} | PROBLEMS)
    def patch(self, request: Request, pk: UUID, ident: str) -> Response:
        fields = json_object(request)
        services.edit_image(session_of(request, pk), ident, fields.pop("version", None), fields)
        return Response(status=204)

    @extend_schema(request=None, responses={204: None} | PROBLEMS)
    def delete(self, request: Request, pk: UUID, ident: str) -> Response:
        services.remove_image(session_of(request, pk), ident, request.query_params.get("version"))
        return Response(status=204)


class SessionCollectionView(View):
    durable = False
    rights = {
        "PUT": ("repository.add_collection", "repository.change_collection"),
        "DELETE": ("repository.delete_collection",),
    }

    @extend_schema(request=s.CollectionInputSerializer, responses={204: None} | PROBLEMS)
    def put(self, request: Request, pk: UUID, slug: str) -> Response:
        put_collection(request, session_of(request, pk), slug, json_object(request))
        return Response(status=204)

    @extend_schema(request=None, responses={204: None} | PROBLEMS)
    def delete(self, request: Request, pk: UUID, slug: str) -> Response:
        services.remove_collection(session_of(request, pk), slug)
        return Response(status=204)


class SessionMembersView(View):
    durable = False
    rights = {"PATCH": ("repository.change_collection",)}

    @extend_schema(request=s.MembersSerializer, responses={204: None} | PROBLEMS)
    def patch(self, request: Request, pk: UUID, slug: str) -> Response:
        many.change_members(session_of(request, pk), slug, json_object(request))
        return Response(status=204)


class SessionCommitView(View):
    committing = frozenset({"POST"})
    rights = {"POST": (*ANY_CHANGE, OTHERS[0])}

    @extend_schema(request=None, responses={200: s.CommitSerializer} | PROBLEMS)
    def post(self, request: Request, pk: UUID) -> Response:
        """Make the session durable and visible, all at once. Idempotent: asking again gives the same answer."""
        return Response(committed(commit(session_of(request, pk))))
