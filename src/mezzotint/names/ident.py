"""The ident: sha256 of a base's bytes, 64 lowercase hex digits."""

from __future__ import annotations

import re
from typing import NewType

from mezzotint.errors import InvalidName

Ident = NewType("Ident", str)

_IDENT = re.compile(r"[0-9a-f]{64}")


def is_ident(text: str) -> bool:
    return _IDENT.fullmatch(text) is not None


def parse_ident(text: str) -> Ident:
    """`text` as an ident. Raises InvalidName."""
    if not is_ident(text):
        raise InvalidName("ident", "is not the sha256 of an image", "64 digits of 0-9a-f")
    return Ident(text)
