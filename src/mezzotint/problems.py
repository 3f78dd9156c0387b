"""Domain errors as HTTP, for every door: the one status map, and RFC 9457 problem details.

Known to the doors only; nothing below them imports it.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from mezzotint import errors

STATUS: dict[type[errors.MezzotintError], int] = {
    errors.MezzotintError: 500,
    errors.InvalidInput: 400,
    errors.InvalidName: 400,
    errors.InvalidRendition: 400,
    errors.NotAnImage: 415,
    errors.DamagedImage: 422,
    errors.TooManyBytes: 413,
    errors.TooManyPixels: 422,
    errors.DocumentRefused: 422,
    errors.RendererEnded: 503,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.Busy: 503,
    errors.TooMuchForOne: 429,
    errors.GivenUp: 503,
    errors.StorageFull: 507,
    errors.StoreUnavailable: 503,
    errors.StoreRefused: 503,
    errors.DamagedBase: 503,
    errors.OriginError: 502,
    errors.OriginRefuses: 404,
    errors.OriginLacks: 404,
    errors.OriginFailed: 502,
    errors.OriginTimedOut: 504,
    errors.OriginBusy: 503,
    errors.ReadOnly: 503,
    errors.JournalBroken: 503,
}

CONTENT_TYPE = "application/problem+json"
_BRIEFLY = 10
"""seconds"""


def status_of(error: errors.MezzotintError) -> int:
    return error.status if isinstance(error, errors.OriginRefuses) else STATUS[type(error)]


def problem(error: errors.MezzotintError) -> dict[str, Any]:
    """The problem's members: one clear sentence, and which field with which limit."""
    status = status_of(error)
    members: dict[str, Any] = {
        "type": "about:blank",
        "title": error.title,
        "status": status,
        "detail": errors.printable(str(error)),
    }
    if isinstance(error, errors.InvalidInput):
        entry = {"field": errors.printable(error.field), "detail": errors.printable(error.detail)}
        members["errors"] = [entry | ({"limit": error.limit} if error.limit else {})]
    if isinstance(error, errors.Conflict):
        members["conflicts"] = error.fields
    return members


def problem_headers(error: errors.MezzotintError, *, public: bool) -> dict[str, str]:
    """What goes with a problem. No error is ever kept for long; `public` says whether everybody may read."""
    status = status_of(error)
    brief = f"{'public' if public else 'private'}, max-age={_BRIEFLY}"
    origins = isinstance(error, errors.OriginRefuses)
    headers = {"cache-control": brief if origins or status in {404, 400} else "no-store"}
    if isinstance(error, errors.Busy | errors.OriginBusy):
        headers["retry-after"] = str(error.retry_after)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = "5"
    if status == HTTPStatus.UNAUTHORIZED:
        # a login at the origin is nothing that a token from here, or a password that a browser asks for, would help
        headers["www-authenticate"] = "Origin" if origins else 'Bearer realm="mezzotint"'
    return headers


def problem_body(error: errors.MezzotintError) -> bytes:
    return json.dumps(problem(error)).encode()
