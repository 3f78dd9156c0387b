"""Credentials that have to be kept for a while: encrypted with a key that is derived from the secret key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from mezzotint.wiring import engine


def _fernet() -> Any:
    from cryptography.fernet import Fernet

    key = hmac.digest(engine().settings.secret_key.encode(), b"mezzotint composites", hashlib.sha256)
    return Fernet(base64.urlsafe_b64encode(key))


def sealed(text: str) -> str:
    """Nothing stays nothing."""
    return _fernet().encrypt(text.encode()).decode() if text else ""


def opened(text: str) -> str:
    """Nothing, where it was sealed with another key: the secret key has been changed."""
    from cryptography.fernet import InvalidToken

    try:
        return _fernet().decrypt(text.encode()).decode() if text else ""
    except InvalidToken:
        return ""
