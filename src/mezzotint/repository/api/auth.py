"""Who is asking: a machine with a token, or a person who is logged in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from mezzotint import tokens
from mezzotint.errors import Unauthorized
from mezzotint.wiring import engine

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module by its settings


@dataclass(frozen=True)
class Machine:
    """The holder of a token, where Django expects a user."""

    name: str
    is_authenticated: bool = True

    def __str__(self) -> str:
        return f"token {self.name}"

    def get_username(self) -> str:
        return str(self)


def shown_token(request: HttpRequest | Request) -> tokens.Token | None:
    """None where none is shown. Raises Unauthorized for a wrong one."""
    text = tokens.bearer(request.headers.get("authorization"), request.GET.get("token"))
    return None if text is None else tokens.verify(engine().settings.secret_key, text)


class TokenAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, tokens.Token] | None:
        token = shown_token(request)
        return None if token is None else (Machine(token.name), token)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="mezzotint"'


class ReadOrWrite(BasePermission):
    """Reading as MEZZOTINT_PUBLIC_READ says; writing with a token of scope write, or as staff."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        reading = request.method in SAFE_METHODS
        if isinstance(request.auth, tokens.Token):
            request.auth.require(tokens.Scope.READ if reading else tokens.Scope.WRITE)
            return True
        user = request.user
        if reading:
            if engine().settings.public_read or user.is_authenticated:
                return True
            raise Unauthorized("reading needs a token here, or a login")
        if not user.is_authenticated:
            raise Unauthorized("writing needs a token of scope write, or a login")
        return bool(user.is_active and user.is_staff)


def who(request: Request) -> str:
    """The name that a commit is made in."""
    return str(request.user.get_username())
