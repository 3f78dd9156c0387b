"""The existing composite handler's interface: its addresses, JSON and statuses (DLCS RFC 011), and a DELETE more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db.models import Prefetch
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from mezzotint import errors
from mezzotint.composites import dlcs, receiving
from mezzotint.composites.models import Batch, Collection, Member, Status, TargetKind
from mezzotint.composites.receiving import RequestRefused
from mezzotint.problems import CONTENT_TYPE, status_of
from mezzotint.repository.api import problems
from mezzotint.repository.api.auth import ReadOrWrite, who
from mezzotint.wiring import engine

_LONGEST_AUTHORIZATION = 10_000


class StrictParser(JSONParser):
    """What no JSON parser should choke on is no JSON."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise exceptions.ParseError("JSON parse error - nested too deeply") from None
        except RequestDataTooBig:
            raise exceptions.ParseError("JSON parse error - the body is too large") from None


class CompositesView(APIView):
    """Whose credentials are the DLCS's where there is one, and our own tokens otherwise."""

    parser_classes = [StrictParser]

    @property
    def _asks_dlcs(self) -> bool:
        return engine().settings.dlcs_root is not None

    def get_authenticators(self) -> Any:
        return [] if self._asks_dlcs else super().get_authenticators()

    def get_permissions(self) -> Any:
        """A POST before its body is read; the others when it is known what they ask for."""
        return []

    def get_exception_handler(self) -> Any:
        return _told if self._asks_dlcs else _told_as_problem

    def allow(self, request: Request, customer: int) -> None:
        """Raises Forbidden, Unauthorized, OriginError."""
        if self._asks_dlcs:
            authorization = request.headers.get("authorization", "")
            if not authorization or len(authorization) > _LONGEST_AUTHORIZATION or not authorization.isprintable():
                raise errors.Forbidden("You do not have permission to perform this action.")
            dlcs.check_caller(customer, authorization)
        else:
            ReadOrWrite().has_permission(request, self)


class QueueView(CompositesView):
    """Have documents made into images."""

    rights = {"POST": ("composites.add_member",)}

    @extend_schema(exclude=True)
    def post(self, request: Request, customer: int) -> Response:
        self.allow(request, customer)
        authorization = request.headers.get("authorization", "")
        by = f"customer {customer}" if self._asks_dlcs else who(request)
        collection = receiving.accept(customer, request.data, authorization, by)
        return Response(collection_json(collection), 202)


class CollectionView(CompositesView):
    """How a request stands."""

    @extend_schema(exclude=True)
    def get(self, request: Request, pk: Any) -> Response:
        collection = Collection.objects.filter(pk=pk).first()
        if collection is None:
            return Response(status=404)
        self.allow(request, collection.customer)
        return Response(collection_json(collection))


class MemberView(CompositesView):
    """How a document stands."""

    rights = {"DELETE": ("composites.change_member",)}

    @extend_schema(exclude=True)
    def get(self, request: Request, pk: Any, member: Any) -> Response:
        found = _member(pk, member)
        if found is None:
            return Response(status=404)
        self.allow(request, found.collection.customer)
        return Response(member_json(found), 422 if found.status == Status.ERROR else 200)

    @extend_schema(exclude=True)
    def delete(self, request: Request, pk: Any, member: Any) -> Response:
        found = _member(pk, member)
        if found is None:
            return Response(status=404)
        self.allow(request, found.collection.customer)
        receiving.cancel(found)
        found.refresh_from_db()
        return Response(member_json(found))


def _member(pk: Any, member: Any) -> Member | None:
    return Member.objects.select_related("collection").filter(pk=member, collection_id=pk).first()


def address() -> str:
    """Of this service, for what stands in answers. Never from the Host header."""
    settings = engine().settings
    given = f"{settings.web_scheme}://{settings.web_host}"
    return settings.public_url if settings.public_url and given == "http://localhost:8000" else given


def collection_json(collection: Collection) -> dict[str, Any]:
    uris = Prefetch("batches", Batch.objects.only("member", "number", "uri"))
    members = collection.members.order_by("position").defer("json_data", "facts").prefetch_related(uris).iterator(1000)
    return {
        "id": f"{address()}/collections/{collection.pk}",
        "members": [member_json(member) for member in members],
    }


def member_json(member: Member) -> dict[str, Any]:
    """The documented members in their order, then ours."""
    said: dict[str, Any] = {
        "id": f"{address()}/collections/{member.collection_id}/members/{member.pk}",
        "status": member.status,
        "created": _moment(member.created_date),
        "last_updated": _moment(member.last_updated_date),
    }
    if member.image_count is not None:
        said["image_count"] = member.image_count
    if member.status == Status.ERROR:
        said["error"] = member.error
    completed = member.status == Status.COMPLETED
    if completed and member.target == TargetKind.DLCS:
        said["dlcs_uris"] = [batch.uri for batch in member.batches.all() if batch.uri]
    said["pages_done"], said["pages_total"] = member.pages_done, member.pages_total
    if completed and member.target == TargetKind.REPOSITORY:
        said["collection"] = f"{address()}/collection/{member.place.removeprefix('repository:')}/"
    return said


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _told(error: Exception, context: dict[str, Any]) -> Response | None:
    """As the existing handler says it: `detail`, or `json_data`."""
    if isinstance(error, RequestRefused):
        return _refused(error)
    if isinstance(error, errors.Conflict | errors.Forbidden):
        return Response({"detail": str(error)}, status_of(error))
    if isinstance(error, errors.OriginError):
        status = 503 if isinstance(error, errors.OriginTimedOut) else 502
        return Response({"detail": error.reason}, status, headers={"Retry-After": "30"} if status == 503 else None)
    if isinstance(error, exceptions.APIException | Http404):
        return exception_handler(error, context)
    return problems.handle(error, context)


def _told_as_problem(error: Exception, context: dict[str, Any]) -> Response | None:
    return _refused(error) if isinstance(error, RequestRefused) else problems.handle(error, context)


def _refused(error: RequestRefused) -> Response:
    wrong = [
        ({} if one.member is None else {"member": one.member}) | {"field": one.field, "detail": one.detail}
        for one in error.wrong
    ]
    body = {
        "type": "about:blank", "title": error.title, "status": 400, "detail": str(error)[:1000], "errors": wrong,
        "json_data": [str(one) for one in error.wrong],
    }  # fmt: skip
    response = Response(body, 400)
    response.content_type = CONTENT_TYPE
    return response
