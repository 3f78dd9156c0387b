from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.urls import include, path, register_converter
from django.urls.converters import IntConverter, UUIDConverter

from mezzotint.composites import api

_MOST = 2**63 - 1


class Uuid(UUIDConverter):
    """With dashes or without, in letters of either case."""

    regex = "[0-9a-fA-F-]{32,36}"


class Digits(IntConverter):
    def to_python(self, value: str) -> int:
        if len(value) > len(str(_MOST)) or int(value) > _MOST:
            raise ValueError
        return int(value)


async def _health_check(request: HttpRequest) -> HttpResponseBase:
    """Loaded when it is asked for: it brings a client for each service that it could look at."""
    from health_check.views import HealthCheckView

    view = HealthCheckView.as_view(checks=["health_check.checks.Database", "health_check.checks.Cache"])
    return await view(request)  # type: ignore[no-any-return]


register_converter(Uuid, "any_uuid")
register_converter(Digits, "digits")

urlpatterns = [
    path("customers/<digits:customer>/queue", api.QueueView.as_view()),
    path("collections/<any_uuid:pk>", api.CollectionView.as_view()),
    path("collections/<any_uuid:pk>/members/<any_uuid:member>", api.MemberView.as_view()),
    path("health-check/", _health_check),
    path("api-auth/", include("rest_framework.urls")),
]
