"""Uploads that go on where they broke off: tus 1.0.0, with its extensions creation, expiration and termination
(https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from uuid import UUID

from django.utils.http import http_date
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException, UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from mezzotint.errors import InvalidInput
from mezzotint.repository import image_fields, services, slugs
from mezzotint.repository.api.sessions import session_of
from mezzotint.repository.api.views import PROBLEMS, View, added, may_put
from mezzotint.repository.intake import partial, told
from mezzotint.repository.models import UpdateSession
from mezzotint.wiring import engine

VERSION = "1.0.0"
_EXTENSIONS = "creation,expiration,termination"
_CONTENT = "application/offset+octet-stream"
_OF_CLIENTS = {"filetype", "type", "relativePath", "name", "filename"}
"""what the protocol's clients say of a file beside our own fields"""
_PREFIX = [OpenApiParameter("Tus-Resumable", str, "header", required=True, enum=[VERSION])]


class _OtherVersion(APIException):
    status_code = 412
    default_detail = f"Tus-Resumable: this is a server of tus {VERSION}"


class _TusView(View):
    durable = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method != "OPTIONS" and request.headers.get("Tus-Resumable") != VERSION:
            raise _OtherVersion

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer["Tus-Resumable"] = answer["Tus-Version"] = VERSION
        answer["Cache-Control"] = "no-store"
        return answer

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        most = str(engine().settings.max_upload)
        return Response(status=204, headers={"Tus-Extension": _EXTENSIONS, "Tus-Max-Size": most})


class UploadsView(_TusView):
    rights = {"POST": ("repository.add_image",)}

    @extend_schema(
        operation_id="uploads_create",
        parameters=[
            *_PREFIX,
            OpenApiParameter("Upload-Length", int, "header", required=True),
            OpenApiParameter("Upload-Metadata", str, "header", description="`filename`, and fields, as tus has them"),
        ],
        request=None,
        responses={201: None} | PROBLEMS,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Begin an upload that may break off. Its address is in `Location`."""
        session = session_of(request, pk)
        services.check_open(session)
        length = _number(request, "Upload-Length")
        said = _told(request.headers.get("Upload-Metadata", ""))
        name = said.get("filename") or said.get("name") or "file"
        collection = said.pop("collection", "")
        joined = slugs.joined([collection] if collection.strip() else [])
        for name_of_one in joined:
            may_put(request, slugs.slug_of(name_of_one))
        fields = image_fields.clean({key: value for key, value in said.items() if key not in _OF_CLIENTS})
        begun = partial.begin(session.pk, name, length, told.with_name(fields, name), joined)
        return Response(status=201, headers={"Location": f"{request.path}{begun.id}/", **_state(begun)})


class UploadView(_TusView):
    rights = dict.fromkeys(("GET", "PATCH", "DELETE"), ("repository.add_image",))

    @extend_schema(exclude=True)
    def head(self, request: Request, pk: UUID, upload: UUID) -> Response:
        """How far it is; what became of it, where it is whole."""
        session = session_of(request, pk)
        found = partial.find(session.pk, upload)
        if found.offset == found.length and found.became is None:
            found = _taken(session, found)  # its last answer was an error, or did not arrive
        return Response(status=200, headers=_state(found) | {"Upload-Length": str(found.length)})

    @extend_schema(
        operation_id="uploads_append",
        parameters=[*_PREFIX, OpenApiParameter("Upload-Offset", int, "header", required=True)],
        request={_CONTENT: OpenApiTypes.BINARY},
        responses={204: None} | PROBLEMS,
    )
    def patch(self, request: Request, pk: UUID, upload: UUID) -> Response:
        """Go on with an upload. The last of its bytes put the picture into the session: `X-Ident`, `X-Known`."""
        session = session_of(request, pk)
        services.check_open(session)
        if request.content_type != _CONTENT:
            raise UnsupportedMediaType(request.content_type, f"Content-Type: it has to be {_CONTENT}")
        found = partial.find(session.pk, upload)
        found = partial.append(found, _number(request, "Upload-Offset"), request._request)
        if found.offset == found.length:
            found = _taken(session, found)
        return Response(status=204, headers=_state(found))

    @extend_schema(operation_id="uploads_remove", parameters=_PREFIX, request=None, responses={204: None} | PROBLEMS)
    def delete(self, request: Request, pk: UUID, upload: UUID) -> Response:
        """Give an upload up, and what has come of it."""
        partial.forget(partial.find(session_of(request, pk).pk, upload))
        return Response(status=204)


def _taken(session: UpdateSession, found: partial.Partial) -> partial.Partial:
    """Raises Conflict, and what its bytes deserve."""
    services.check_open(session)
    return partial.finish(found, lambda base: added(session, services.Addition(base, found.fields, found.collections)))


def _state(found: partial.Partial) -> dict[str, str]:
    headers = {"Upload-Offset": str(found.offset), "Upload-Expires": http_date(found.expires)}
    if found.became is not None:
        headers |= {"X-Ident": found.became["ident"], "X-Known": str(found.became["known"]).lower()}
    return headers


def _number(request: Request, header: str) -> int:
    given = request.headers.get(header, "")
    if not re.fullmatch(r"[0-9]{1,15}", given):
        raise InvalidInput(header, f"cannot be {given!r:.40}" if given else "is missing", "a number of bytes")
    return int(given)


def _told(header: str) -> dict[str, str]:
    """Pairs of a key and its value in Base64, by commas. Raises InvalidInput."""
    found: dict[str, str] = {}
    for pair in filter(None, map(str.strip, header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise InvalidInput(
                "Upload-Metadata", f"{key!r:.40} is no UTF-8 in Base64", "key value, key value"
            ) from None
    return found
