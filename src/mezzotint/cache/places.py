"""Where a cached file lies, by its name. Pure.

Derivatives, copies of bases and remote records are named by 64 hex digits; cover art is named `release/<mbid>...` or
`release-group/<mbid>...`.
"""

from __future__ import annotations

import re

NATIVE, REMOTE, RELEASE, RELEASE_GROUP = "native", "remote", "release", "release-group"
CONTROL = ".control"
"""the directory beside those of the kinds that has what is shared by all who have the cache"""
KINDS = (NATIVE, REMOTE, RELEASE, RELEASE_GROUP)
_HASHED = re.compile(r"[0-9a-f]{64}-?[A-Za-z0-9.-]*")
_COVER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}[A-Za-z0-9.-]*")
_MBID, _HASH = 36, 64


def kind_of(name: str) -> str:
    kind, slash, _ = name.partition("/")
    if slash:
        return kind
    return REMOTE if name.endswith(".json") else NATIVE


def path_of(name: str) -> str:
    """`native/a/ab/abc/abc...-100x50.jpg`, below the cache's directory."""
    own = name.rpartition("/")[2]
    return f"{kind_of(name)}/{own[0]}/{own[:2]}/{own[:3]}/{own}"


def group_of(name: str) -> str:
    """What it is purged with: an ident, a remote record's key, a release."""
    kind, slash, own = name.partition("/")
    return f"{kind}/{own[:_MBID]}" if slash else name[:_HASH]


def name_at(path: str) -> str | None:
    """The name of the file at a path below the cache's directory; None where no file of ours lies."""
    kind, own = path.partition("/")[0], path.rpartition("/")[2]
    pattern = _COVER if kind in {RELEASE, RELEASE_GROUP} else _HASHED
    if kind not in KINDS or not pattern.fullmatch(own):
        return None
    name = own if pattern is _HASHED else f"{kind}/{own}"
    return name if path_of(name) == path else None
