"""Signed tokens for machines: JWT (RFC 7519), HS256, verified without a database."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from mezzotint.errors import Forbidden, InvalidInput, Unauthorized

_ALGORITHM = "HS256"
_EXPIRED = "this token has expired; issue a new one"
MAX_DAYS = 3650
COOKIE = "mezzotint_read"
"""holds one of scope read, for a browser whose pages are for somebody with a login"""


class Scope(StrEnum):
    """Each scope includes the ones before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


_ORDER = list(Scope)


@dataclass(frozen=True, slots=True)
class Token:
    name: str
    scope: Scope
    expires: int
    """seconds since the epoch"""
    issued: int = 0
    person: str | None = None
    joined: str = ""
    """whose it is: where the database is asked, it may do what that person may, who has a login since `joined`;
    elsewhere it is of scope read"""

    @property
    def ends_in(self) -> float:
        """seconds"""
        return self.expires - time.time()

    def allows(self, scope: Scope) -> bool:
        return _ORDER.index(self.scope) >= _ORDER.index(scope)

    def require(self, scope: Scope) -> None:
        """Raises Forbidden."""
        if not self.allows(scope):
            raise Forbidden(f"this token's scope is {self.scope}; {scope} is needed")


def issue(secret: str, scope: Scope, days: int, name: str = "token", person: tuple[str, str] | None = None) -> str:
    """A new token. Raises InvalidInput."""
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput("days", f"cannot be {days}", f"1 to {MAX_DAYS}")
    now = int(time.time())
    import jwt  # late, with all its cryptography: few commands have to do with tokens

    claims = {"sub": name, "scope": scope, "iat": now, "exp": now + days * 86400, "jti": uuid.uuid4().hex}
    claims |= {"person": person[0], "joined": person[1]} if person is not None else {}
    return jwt.encode(claims, _key(secret), algorithm=_ALGORITHM)


def verify(secret: str, text: str) -> Token:
    """Raises Unauthorized, saying whether the token is wrong or expired."""
    token = _verified(secret, text)
    if token.expires <= time.time():
        raise Unauthorized(_EXPIRED)
    return token


@lru_cache(1024)
def _verified(secret: str, text: str) -> Token:
    """What is good is remembered: whoever reads with a token does so again and again."""
    import jwt

    try:
        claims = jwt.decode(text, _key(secret), algorithms=[_ALGORITHM], options={"require": ["exp", "sub", "scope"]})
        person = claims.get("person")
        return Token(
            str(claims["sub"]),
            Scope(claims["scope"]),
            int(claims["exp"]),
            int(claims.get("iat", 0)),
            None if person is None else str(person),
            str(claims.get("joined", "")),
        )
    except jwt.ExpiredSignatureError:
        raise Unauthorized(_EXPIRED) from None
    except (jwt.InvalidTokenError, ValueError):
        raise Unauthorized("this token is not one of this installation's") from None


def bearer(authorization: str | None, query_token: str | None) -> str | None:
    """The token of `Authorization: Bearer ...` (RFC 6750), or of `?token=`. Raises Unauthorized for what is no text."""
    if authorization is not None:
        if not (authorization.isascii() and authorization.isprintable()):
            raise Unauthorized("the Authorization header cannot be read: it is ASCII, Bearer and a token")
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return credentials.strip()
    return query_token or None


def _key(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"mezzotint tokens", hashlib.sha256)
