"""Who is asking: a machine with a token, or a person who is logged in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from mezzotint import tokens
from mezzotint.errors import Forbidden, Unauthorized
from mezzotint.wiring import engine

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module by its settings


COMMIT = "repository.add_commit"


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
    return None if text is None else engine().tokens.verify(text)


class TokenAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, tokens.Token | None] | None:
        """A person's own token is as the person's login."""
        token = shown_token(request)
        if token is None:
            return None
        return (Machine(token.name), token) if token.person is None else (_person(token), None)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="mezzotint"'


def _person(token: tokens.Token) -> Any:
    """Raises Unauthorized where the token's person has no login any more; another who goes by that name now is not
    the one (who is told apart by when they came: rows have other numbers after a restore)."""
    from django.contrib.auth.models import User  # models, which are not there yet as the settings name this module

    found = User.objects.filter(username=token.person, is_active=True).first()
    if found is None or found.date_joined.isoformat() != token.joined:
        raise Unauthorized("whose token this is has no login here any more")
    return found


class ReadOrWrite(BasePermission):
    """What is live is read as MEZZOTINT_PUBLIC_READ says. The rest wants a token of scope write, or a login that has
    the permission which the view's `rights` name for the method, as in the admin, and one more for what commits.
    `docs/security.md` has it as a table."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        method = "GET" if request.method == "HEAD" else str(request.method)
        needed: tuple[str, ...] = getattr(view, "rights", {}).get(method, ())
        if not needed and (method in SAFE_METHODS or method in getattr(view, "asking", ())):
            return _may_read(request)
        require(request, *needed)
        if method in getattr(view, "committing", ()):
            require(request, COMMIT)
        return True


def _may_read(request: Request) -> bool:
    if isinstance(request.auth, tokens.Token):
        request.auth.require(tokens.Scope.READ)
    elif not engine().settings.public_read and not request.user.is_authenticated:
        raise Unauthorized("reading needs a token here, or a login")
    return True


def require(request: HttpRequest | Request, *needed: str) -> None:
    """Raises Unauthorized, Forbidden, unless it comes with a token of scope write, or from somebody with one of the
    permissions."""
    token = getattr(request, "auth", None)  # a page has none
    if isinstance(token, tokens.Token):
        token.require(tokens.Scope.WRITE)
        return
    user = request.user
    if not user.is_authenticated:
        raise Unauthorized("this needs a token of scope write, or a login")
    if not any(map(user.has_perm, needed)):
        raise Forbidden(f"this needs the permission {' or '.join(needed) or 'of a superuser'}")


def has(request: HttpRequest | Request, *needed: str) -> bool:
    """As `require`, for who is told less otherwise."""
    try:
        require(request, *needed)
    except (Unauthorized, Forbidden):
        return False
    return True


def who(request: HttpRequest | Request) -> str:
    """The name that a commit is made in."""
    return str(request.user.get_username())
