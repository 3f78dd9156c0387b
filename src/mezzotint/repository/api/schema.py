"""What drf-spectacular cannot find out by itself."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.permissions import SAFE_METHODS


class Schema(AutoSchema):
    def get_auth(self) -> list[dict[str, Any]]:
        """What is live can be read without a token where MEZZOTINT_PUBLIC_READ says so."""
        found: list[dict[str, Any]] = super().get_auth()
        guarded = getattr(self.view, "rights", {}).get(self.method)
        return found if guarded or self.method not in SAFE_METHODS or {} in found else [*found, {}]


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "mezzotint.repository.api.auth.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
