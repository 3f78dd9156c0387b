"""Errors of the API as RFC 9457 problem details."""

from __future__ import annotations

import logging
import shutil
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent, TooManyFilesSent
from django.db import DatabaseError, DataError, IntegrityError
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import set_rollback

from mezzotint import errors
from mezzotint.problems import CONTENT_TYPE, problem, problem_headers, status_of
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
_ROOM = 1 << 20
"""bytes"""


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: whatever is known becomes a problem, the rest stays an error."""
    set_rollback()
    known = as_domain(error)
    if known is not None:
        response = Response(
            problem(known), status_of(known), headers=problem_headers(known, public=engine().settings.public_read)
        )
    elif isinstance(error, exceptions.APIException):
        title = HTTPStatus(error.status_code).phrase
        members = {"type": "about:blank", "title": title, "status": error.status_code}
        response = Response(members | {"detail": str(error.detail)}, error.status_code)
    else:
        return None
    response.content_type = CONTENT_TYPE
    context["request"].accepted_renderer = JSONRenderer()  # whatever the view gives out when all is well
    context["request"].accepted_media_type = CONTENT_TYPE
    return response


def plain(error: errors.MezzotintError) -> JsonResponse:
    """A problem outside of the API's views."""
    headers = problem_headers(error, public=engine().settings.public_read)
    return JsonResponse(problem(error), status=status_of(error), content_type=CONTENT_TYPE, headers=headers)


def _has_no_room() -> bool:
    """SQLite has other words too for a disk that is full."""
    return shutil.disk_usage(engine().settings.data).free < _ROOM


def as_domain(error: Exception) -> errors.MezzotintError | None:
    match error:
        case errors.MezzotintError():
            return error
        case Http404():
            return errors.NotFound("there is nothing at this address")
        case RequestDataTooBig():
            return errors.TooManyBytes(
                "body", "has too much beside its files", f"{settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes"
            )
        case TooManyFieldsSent():
            return errors.InvalidInput("body", "has too many fields", f"{settings.DATA_UPLOAD_MAX_NUMBER_FIELDS}")
        case TooManyFilesSent():
            return errors.InvalidInput("file", "is there too often", f"up to {settings.DATA_UPLOAD_MAX_NUMBER_FILES}")
        case SuspiciousOperation():
            return errors.InvalidInput("body", str(error) or "is not acceptable")
        case exceptions.PermissionDenied():
            return errors.Forbidden(str(error.detail))
        case IntegrityError() | DataError():
            return None
        case DatabaseError() if "is full" in str(error) or ("disk I/O" in str(error) and _has_no_room()):
            return errors.StorageFull("no space left for the database")
        case DatabaseError():
            log.error("the database does not answer: %s", error)
            return errors.StoreUnavailable("the database does not answer")
        case RecursionError():
            return errors.InvalidInput("body", "is nested too deeply")
    return None
