from __future__ import annotations

from django.urls import include, path, register_converter
from django.urls.converters import IntConverter, UUIDConverter
from health_check.views import HealthCheckView

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


register_converter(Uuid, "any_uuid")
register_converter(Digits, "digits")

urlpatterns = [
    path("customers/<digits:customer>/queue", api.QueueView.as_view()),
    path("collections/<any_uuid:pk>", api.CollectionView.as_view()),
    path("collections/<any_uuid:pk>/members/<any_uuid:member>", api.MemberView.as_view()),
    path(
        "health-check/",
        HealthCheckView.as_view(checks=["health_check.checks.Database", "health_check.checks.Cache"]),
    ),
    path("api-auth/", include("rest_framework.urls")),
]
