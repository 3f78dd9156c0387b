"""What the API's views share: shapes in and out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from functools import wraps
from types import SimpleNamespace
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, QueryDict
from drf_spectacular.utils import F, OpenApiParameter, extend_schema
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser, MultiPartParser
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mezzotint.errors import Forbidden, InvalidInput
from mezzotint.names import base_key
from mezzotint.problems import CONTENT_TYPE
from mezzotint.repository import filters, image_fields, metadata, paging, queries, services, slugs, standing
from mezzotint.repository.api import serializers as s
from mezzotint.repository.api.auth import require
from mezzotint.repository.api.uploads import SpooledFile, SpoolHandler
from mezzotint.repository.intake import told
from mezzotint.repository.models import Commit, UpdateSession
from mezzotint.repository.patience import patient
from mezzotint.settings.parsing import parse_flag
from mezzotint.wiring import engine

PAGING = [
    OpenApiParameter("cursor", str, description="as `next` and `previous` have it"),
    OpenApiParameter("page_size", int, description=f"1 to {paging.MAX_PAGE}, {paging.DEFAULT_PAGE} if not given"),
]
COUNT = OpenApiParameter("count", bool, description="`true`: `count` says how many there are in all")
_STATUSES = (400, 401, 403, 404, 409, 413, 415, 422, 429, 503, 507)
PROBLEMS: dict[Any, Any] = dict.fromkeys(((status, CONTENT_TYPE) for status in _STATUSES), s.ProblemSerializer)


class _Negotiation(DefaultContentNegotiation):
    """`?format=` is a filter of images, and no choice of a renderer."""

    settings: Any = SimpleNamespace(URL_FORMAT_OVERRIDE=None)


class View(APIView):
    """A view whose answers to writing say whether what was written is durable: `X-Durable`."""

    durable = True
    rights: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """by method, the permissions of Django's of which a member of staff needs one"""
    asking: ClassVar[frozenset[str]] = frozenset()
    """methods that change nothing, beside those that never do"""
    committing: ClassVar[frozenset[str]] = frozenset()
    """methods that commit, which wants a permission of its own"""
    content_negotiation_class = _Negotiation

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if request.method not in SAFE_METHODS and answer.status_code < 400:
            answer["X-Durable"] = "true" if self.durable else "false"
        return answer


def listing(name: str, shape: type[Any], parameters: list[OpenApiParameter] = PAGING) -> Callable[[F], F]:
    """For the schema: such shapes, in pages. A parameter that it does not have is refused."""
    known = {parameter.name for parameter in parameters}

    def decorated(view: F) -> F:
        @wraps(view)
        def checked(self: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
            own = image_fields.own() if known.issuperset(filters.FILTERS) else ()
            refuse_others(request, {*known, *own})
            return view(self, request, *args, **kwargs)

        shown = extend_schema(operation_id=name, parameters=parameters, responses={200: s.page_of(shape)} | PROBLEMS)
        return cast(F, shown(checked))

    return decorated


def refuse_others(request: Request, known: Collection[str]) -> None:
    """Raises InvalidInput for a parameter that is none of these, nor the token."""
    if unknown := request.query_params.keys() - {*known, "token"}:
        raise InvalidInput(min(unknown), "is no parameter of this list", ", ".join(sorted([*known, "token"])))


def paged(
    request: Request, found: paging.ResultPage[Any], shape: type[Any], chosen: QuerySet[Any] | None = None
) -> Response:
    """`chosen` is all of it, where it may be counted."""
    count = counted(request, chosen) if chosen is not None else {}
    return Response({"results": shape(found.items, many=True).data} | around(request, found) | count)


def counted(request: Request, chosen: QuerySet[Any]) -> dict[str, int]:
    """How many there are, where that is asked for: it takes a look at all of them. Raises InvalidInput, GivenUp."""
    if not parse_flag("count", request.query_params.get("count", "false")):
        return {}
    with patient(engine().settings.search_timeout, "MEZZOTINT_SEARCH_TIMEOUT"):
        return {"count": chosen.count()}


def around(request: Request, found: paging.ResultPage[Any]) -> dict[str, str | None]:
    """The addresses of the pages beside this one."""
    return {"next": _address(request, found.next), "previous": _address(request, found.previous)}


def _address(request: Request, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    asked = request.query_params.copy()
    asked["cursor"] = cursor
    address = f"{request.path}?{asked.urlencode()}"
    public = engine().settings.public_url
    return f"{public}{address}" if public else request.build_absolute_uri(address)


def asked_page(request: Request) -> dict[str, Any]:
    return {
        "cursor": paging.cursor_of(request.query_params.get("cursor", "")),
        "size": paging.page_size(request.query_params.get("page_size", "")),
    }


def json_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body. Raises InvalidInput."""
    data = request.data
    if not isinstance(data, dict):
        raise InvalidInput("body", "is not an object", "a JSON object")
    return dict(data.items())


def _form(request: Request) -> QueryDict:
    assert isinstance(request.data, QueryDict)
    return request.data


def form_fields(request: Request) -> dict[str, object]:
    form = _form(request)
    fields: dict[str, object] = {k: v for k, v in form.items() if k not in {"file", "collection", "tags"}}
    tags = form.getlist("tags")
    if tags:
        fields["tags"] = tags if len(tags) > 1 else tags[0]
    return fields


def _form_collections(request: Request) -> dict[str, str]:
    return slugs.joined(str(name) for name in _form(request).getlist("collection") if str(name).strip())


class UploadView(View):
    """A view that takes pictures: they are spooled while the form is read, and gone when it is answered."""

    parser_classes = [MultiPartParser]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spools = ExitStack()

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        request.upload_handlers = [SpoolHandler(self.spools)]
        return super().initialize_request(request, *args, **kwargs)

    def get_parsers(self) -> list[BaseParser]:
        """Of what is described; pictures come in forms."""
        method = getattr(self.request, "method", "")  # there is no request where the schema is made
        return [JSONParser()] if method == "PATCH" else super().get_parsers()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with self.spools:
            return super().dispatch(request, *args, **kwargs)

    def addition(self, request: Request, file: SpooledFile) -> services.Addition:
        """The form's fields, checked before its file is stored: a store that may not be written to gets no bytes."""
        standing.check_writable()
        fields, collections = image_fields.clean(form_fields(request)), _form_collections(request)
        for name in collections:
            may_put(request, slugs.slug_of(name))
        return services.Addition(file.keep(), told.with_name(fields, file.name or ""), collections)

    def add(self, session: UpdateSession, addition: services.Addition) -> dict[str, Any]:
        return added(session, addition) | {"durable": self.durable}


def added(session: UpdateSession, addition: services.Addition) -> dict[str, Any]:
    """What is answered of an image that a session adds."""
    (upload,) = services.add_images(session, [addition])
    return {"ident": upload.ident, "known": upload.known, "url": f"/{base_key(upload.ident)}"} | upload.fields


def may_put(request: HttpRequest | Request, slug: str) -> None:
    """Raises Unauthorized, Forbidden, in the same words whether there is one: it may not be for who asks."""
    what = "add" if queries.find_collection(slug) is None else "change"
    try:
        require(request, f"repository.{what}_collection")
    except Forbidden:
        raise Forbidden("this needs the permission repository.add_collection or repository.change_collection") from None


def put_collection(request: Request, session: UpdateSession, slug: str, fields: dict[str, Any]) -> None:
    version, images, other = fields.pop("version", None), fields.pop("images", None), fields.pop("slug", slug)
    if other != slug:
        raise InvalidInput("slug", "cannot be changed", slug)
    slug = metadata.clean_slug(slug)
    may_put(request, slug)
    services.put_collection(session, slug, fields, version, images)


def committed(done: Commit) -> dict[str, Any]:
    return dict(s.CommitSerializer(done).data) | {"durable": True}
