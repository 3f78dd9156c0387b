"""Tokens: signed, scoped, expiring."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzotint import tokens
from mezzotint.errors import Forbidden, InvalidInput, Unauthorized
from mezzotint.tokens import MAX_DAYS, Scope, Token, bearer, issue, verify

SECRET = "a secret of this installation"


def parts(text: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    head, claims, signature = text.split(".")
    unpacked = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (head, claims)]
    return unpacked[0], unpacked[1], signature


def packed(head: dict[str, Any], claims: dict[str, Any], signature: str) -> str:
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (head, claims)]
    return ".".join([*texts, signature])


@pytest.mark.parametrize("scope", Scope)
def test_what_was_issued_is_verified(scope: Scope) -> None:
    before = int(time.time())
    token = verify(SECRET, issue(SECRET, scope, days=3, name="the price engine"))
    assert (token.name, token.scope) == ("the price engine", scope)
    assert before + 3 * 86400 <= token.expires <= int(time.time()) + 3 * 86400


def test_every_token_is_another() -> None:
    assert issue(SECRET, Scope.READ, 1) != issue(SECRET, Scope.READ, 1)


def test_a_token_of_another_installation_is_refused() -> None:
    with pytest.raises(Unauthorized, match="not one of this installation"):
        verify("another secret", issue(SECRET, Scope.ADMIN, 1))


def test_an_expired_token_is_refused_and_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    with monkeypatch.context() as clock:
        clock.setattr(time, "time", lambda: now - 86400 - 60)
        text = issue(SECRET, Scope.READ, days=1)
    with pytest.raises(Unauthorized, match="expired"):
        verify(SECRET, text)


def test_a_token_with_changed_claims_is_refused() -> None:
    head, claims, signature = parts(issue(SECRET, Scope.READ, 1))
    assert verify(SECRET, issue(SECRET, Scope.READ, 1)).scope is Scope.READ
    for change in ({"scope": "admin"}, {"exp": claims["exp"] + 1}, {"sub": "root"}):
        with pytest.raises(Unauthorized):
            verify(SECRET, packed(head, claims | change, signature))


def test_tokens_that_were_given_out_stay_good() -> None:
    """The key is HMAC-SHA256 of "mezzotint tokens" by the secret: whoever changes that locks every client out."""
    key = hmac.digest(SECRET.encode(), b"mezzotint tokens", "sha256")
    old = jwt.encode({"sub": "old", "scope": "write", "exp": 4_000_000_000}, key, algorithm="HS256")
    assert verify(SECRET, old) == Token("old", Scope.WRITE, 4_000_000_000)
    assert parts(issue(SECRET, Scope.READ, 1))[0]["alg"] == "HS256"


def test_what_is_said_of_a_token_that_is_none() -> None:
    key = tokens._key(SECRET)
    for text, said in (
        (jwt.encode({"sub": "a", "scope": "read", "exp": 1}, key), "this token has expired; issue a new one"),
        ("nonsense", "this token is not one of this installation's"),
    ):
        with pytest.raises(Unauthorized) as caught:
            verify(SECRET, text)
        assert str(caught.value) == said


@pytest.mark.parametrize("algorithm", ["none", "None", "HS512", "RS256"])
def test_a_token_cannot_choose_its_algorithm(algorithm: str) -> None:
    head, claims, signature = parts(issue(SECRET, Scope.ADMIN, 1))
    for signed in (signature, ""):
        with pytest.raises(Unauthorized):
            verify(SECRET, packed(head | {"alg": algorithm}, claims, signed))


def test_the_secret_itself_signs_nothing() -> None:
    claims = parts(issue(SECRET, Scope.ADMIN, 1))[1]
    padded = SECRET.ljust(32)
    with pytest.raises(Unauthorized):
        verify(padded, jwt.encode(claims, padded, algorithm="HS256"))


@pytest.mark.parametrize(
    "change",
    [
        {"scope": "owner"},
        {"scope": None},
        {"scope": ["admin"]},
        {"exp": "soon"},
        {"exp": None},
        {"sub": 7},
        {"sub": None},
    ],
)
def test_a_signed_token_with_odd_claims_is_refused(change: dict[str, Any]) -> None:
    claims = parts(issue(SECRET, Scope.READ, 1))[1] | change
    text = jwt.encode({k: v for k, v in claims.items() if v is not None}, tokens._key(SECRET), algorithm="HS256")
    with pytest.raises(Unauthorized):
        verify(SECRET, text)


@given(st.text(max_size=60) | st.lists(st.text("abcXYZ019-_", max_size=20), min_size=3, max_size=3).map(".".join))
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(Unauthorized):
        verify(SECRET, text)


@pytest.mark.parametrize("days", [0, -1, MAX_DAYS + 1])
def test_days_out_of_bounds_are_refused_with_the_bounds(days: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        issue(SECRET, Scope.READ, days)
    assert refused.value.field == "days"
    assert str(MAX_DAYS) in str(refused.value.limit)


def test_each_scope_includes_the_ones_before_it() -> None:
    allowed = {scope: [one for one in Scope if Token("t", scope, 0).allows(one)] for scope in Scope}
    assert allowed == {
        Scope.READ: [Scope.READ],
        Scope.WRITE: [Scope.READ, Scope.WRITE],
        Scope.ADMIN: [Scope.READ, Scope.WRITE, Scope.ADMIN],
    }
    Token("t", Scope.WRITE, 0).require(Scope.READ)
    with pytest.raises(Forbidden, match="admin"):
        Token("t", Scope.WRITE, 0).require(Scope.ADMIN)


@pytest.mark.parametrize(
    ("authorization", "query", "token"),
    [
        (None, None, None),
        (None, "", None),
        ("Bearer abc", None, "abc"),
        ("bearer abc", None, "abc"),
        ("BEARER   abc ", None, "abc"),
        ("Basic abc", None, None),
        (None, "xyz", "xyz"),
        ("Basic abc", "xyz", "xyz"),
        ("Bearer abc", "xyz", "abc"),
        ("Bearerabc", None, None),
    ],
)
def test_a_token_is_taken_from_the_header_first(
    authorization: str | None, query: str | None, token: str | None
) -> None:
    assert bearer(authorization, query) == token


def test_what_a_token_says_of_itself() -> None:
    before = int(time.time())
    text = tokens.issue(SECRET, tokens.Scope.WRITE, days=2, name="somebody")
    head = jwt.get_unverified_header(text)
    claims = jwt.decode(text, options={"verify_signature": False})
    assert head["alg"] == "HS256"
    assert set(claims) == {"sub", "scope", "iat", "exp", "jti"}
    assert (claims["sub"], claims["scope"], claims["exp"] - claims["iat"]) == ("somebody", "write", 2 * 86400)
    assert before <= claims["iat"] <= time.time()
    assert (
        jwt.decode(tokens.issue(SECRET, tokens.Scope.READ, days=1), options={"verify_signature": False})["sub"]
        == "token"
    )


@pytest.mark.parametrize("days", [0, -1, tokens.MAX_DAYS + 1])
def test_how_long_a_token_may_be_good(days: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        tokens.issue(SECRET, tokens.Scope.READ, days=days)
    assert str(caught.value) == f"days: cannot be {days} (limit: 1 to 3650)"
    for allowed in (1, tokens.MAX_DAYS):
        assert tokens.verify(SECRET, tokens.issue(SECRET, tokens.Scope.READ, days=allowed)).name == "token"
