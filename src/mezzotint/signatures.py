"""Signed addresses: a path and its query with an HMAC, and perhaps an end. `docs/signing.md` has the format."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from mezzotint.errors import Forbidden, InvalidInput
from mezzotint.settings import Settings
from mezzotint.settings.parsing import KEY_ID

_SIGNED = re.compile(
    rf"(?P<address>[^?]*(?:\?.*)?)[?&]key=(?P<key>{KEY_ID})(?:&expires=(?P<expires>[0-9]{{1,12}}))?"
    r"&signature=(?P<signature>[A-Za-z0-9_-]{43})",
)
_AS_SENT = re.compile(r"/(?:(?![\"#'<>\\^`{}])[!-~])*")
"""without what browsers percent-encode, or make a / of, before they send it (WHATWG URL)"""
MARK = "&signature="
LONGEST = 8192
"""characters of an address that is looked at"""


@dataclass(frozen=True, slots=True)
class Signed:
    """`address` is what was signed, without what signing has added to it; `expires` in seconds since the epoch."""

    address: str
    expires: int | None


class Signer:
    """`keys` by their id: the first signs, each verifies, so that a key can be replaced without a gap."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = {name: key.encode() for name, key in keys.items()}
        self._first = next(iter(keys))

    def sign(self, address: str, expires: int | None = None, key: str | None = None) -> str:
        """`address` is a path with or without a query, as it is sent. Raises InvalidInput."""
        key = key or self._first
        if key not in self._keys:
            raise InvalidInput(
                "key", f"cannot be {key!r:.40}", f"one of {' '.join(self._keys)}, MEZZOTINT_SIGNING_KEYS"
            )
        if not _AS_SENT.fullmatch(address) or len(address) > LONGEST:
            limit = (
                f"a path as it is sent, with what browsers would percent-encode encoded, at most {LONGEST} characters"
            )
            raise InvalidInput("address", f"cannot be {address!r:.60}", limit)
        if MARK in address:
            raise InvalidInput("address", "is signed already", "one without &signature=")
        text = f"{address}{'&' if '?' in address else '?'}key={key}"
        text += f"&expires={expires}" if expires is not None else ""
        return f"{text}{MARK}{self._signature(key, text)}"

    def verify(self, address: str) -> Signed | None:
        """None where it carries no signature. Raises Forbidden for one that is wrong or has ended."""
        if MARK not in address[:LONGEST]:
            return None
        match = _SIGNED.fullmatch(address) if len(address) <= LONGEST else None
        if match is None:
            raise Forbidden("this address's signature is malformed, or something stands behind it")
        text = address[: match.start("signature") - len(MARK)]
        key = match["key"]
        right = key in self._keys and hmac.compare_digest(self._signature(key, text), match["signature"])
        if not right:
            raise Forbidden("this address's signature is not one of this installation's")
        expires = int(match["expires"]) if match["expires"] else None
        if expires is not None and expires <= time.time():
            raise Forbidden("this address has expired; ask for a new one where you had it from")
        return Signed(match["address"], expires)

    def _signature(self, key: str, text: str) -> str:
        mac = hmac.digest(self._keys[key], text.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def signer_of(settings: Settings) -> Signer:
    """With the keys that were given, or one that comes of the secret key."""
    own = hmac.new(settings.secret_key.encode(), b"mezzotint signatures", hashlib.sha256).hexdigest()
    return Signer(settings.signing_keys or {"own": own})
