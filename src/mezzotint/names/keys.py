"""Keys in the object store, and what a key may look like."""

from __future__ import annotations

import re

from mezzotint.errors import InvalidInput
from mezzotint.names.ident import Ident

_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}")
_CHECKPOINT = re.compile(r"journal/checkpoint-([0-9]{20})-[0-9a-f]{32}\.jsonl\.zst")
_REMOTE = re.compile(r"remote/([0-9a-f]{64})\.json")
MAX_KEY = 512


def base_key(ident: Ident) -> str:
    return f"images/{ident}"


def trash_key(ident: Ident) -> str:
    return f"trash/images/{ident}"


def journal_key(seq: int) -> str:
    return f"journal/{seq:020d}.jsonl.zst"


JOURNAL = "journal/"
CHECKPOINTS = f"{JOURNAL}checkpoint-"
LATEST_KEY = f"{JOURNAL}latest"
MARKER_KEY = f"{JOURNAL}marker"
COPYING_KEY = f"{JOURNAL}copying"
"""is there while a copy into this store goes on"""
IMAGES = "images/"
REMOTE = "remote/"
TRASH = "trash/images/"
ISSUED = "tokens/issued/"
REVOKED_KEY = "tokens/revoked.json"
REVOKED = "tokens/revoked/"
DOCUMENTS = "documents/"
"""PDFs that were rasterised here, by their SHA-256, and what each says of itself"""
DAMAGED = "trash/damaged/"


def remote_key(key: str) -> str:
    """Of the remote record whose canonical URL has the sha256 `key`."""
    return f"{REMOTE}{key}.json"


def remote_key_of(text: str) -> str | None:
    """The sha256 that a remote record's key has; None for what is no such key."""
    match = _REMOTE.fullmatch(text)
    return match[1] if match else None


def damaged_key(ident: Ident) -> str:
    return f"{DAMAGED}{ident}"


def checkpoint_key(seq: int, name: str) -> str:
    return f"{CHECKPOINTS}{seq:020d}-{name}.jsonl.zst"


def checkpoint_seq(key: str) -> int | None:
    """The seq that a checkpoint's key has; None for what is no such key."""
    match = _CHECKPOINT.fullmatch(key)
    return int(match[1]) if match else None


def check_key(key: str) -> str:
    """`key` itself where it is one that every store can hold. Raises InvalidInput.

    Components are three characters or more, so that a directory store has the
    two-character names to itself, and begin with a letter or a digit.
    """
    if len(key) > MAX_KEY or not all(_COMPONENT.fullmatch(part) for part in key.split("/")):
        raise InvalidInput("key", f"{key!r} is not an object's key", "components of 3 to 255 of A-Z a-z 0-9 . _ -")
    return key
