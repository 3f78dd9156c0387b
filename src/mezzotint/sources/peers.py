"""Other nodes that may have a picture already, or are to have what is new here: the alternative clouds."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mezzotint.errors import InvalidInput
from mezzotint.host.watched import Watched
from mezzotint.settings.parsing import parse_http_url

SENDING = 300.0
"""seconds that a picture may be on its way, from a peer or to it"""
_LONGEST_NAME = 80
_KNOWN = {"name", "url", "token", "clone"}


@dataclass(frozen=True, slots=True)
class Peer:
    """`clone`: it is sent every picture that is new here."""

    name: str
    url: str
    token: str = field(default="", repr=False)
    clone: bool = False

    @property
    def origin(self) -> str:
        return f"peer:{self.name}"


def read_peers(path: Path) -> tuple[Peer, ...]:
    """`[{"name": "b", "url": "https://b.example", "token": "...", "clone": true}]`. Raises InvalidInput."""
    try:
        members = json.loads(path.read_text())
    except FileNotFoundError:
        return ()
    except (ValueError, OSError, RecursionError) as error:
        raise InvalidInput(path.name, f"cannot be read: {error}", "a list of peers as JSON") from None
    if not isinstance(members, list):
        raise InvalidInput(path.name, "is no list", '[{"name": ..., "url": ..., "token": ..., "clone": true}]')
    peers = tuple(_peer(path.name, number, member) for number, member in enumerate(members, start=1))
    if len({peer.name for peer in peers}) < len(peers):
        raise InvalidInput(path.name, "has two peers of one name", "a name each")
    return peers


def _peer(file: str, number: int, member: Any) -> Peer:
    """Its token is in no message."""
    which = f"has a peer, number {number},"
    if not isinstance(member, dict) or not {"name", "url"} <= member.keys() <= _KNOWN:
        raise InvalidInput(file, f"{which} of other members", f"an object of {' '.join(sorted(_KNOWN))}")
    name, url, token, clone = member["name"], member["url"], member.get("token", ""), member.get("clone", False)
    if not all(isinstance(text, str) for text in (name, url, token)) or not isinstance(clone, bool):
        raise InvalidInput(file, f"{which} whose members are of other kinds", "texts; clone is true or false")
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise InvalidInput(file, f"{which} without a proper name", f"1 to {_LONGEST_NAME} characters")
    if not re.fullmatch(r"[!-~]*", token):
        raise InvalidInput(file, f"{which} whose token is none", "as `mezzotint token issue` prints it")
    try:
        if "@" in url:
            raise ValueError("an address without a name or a password in it")
        return Peer(name, parse_http_url(url), token, clone)
    except ValueError as error:
        raise InvalidInput(file, f"{which} whose url cannot be one", str(error)) from None


class PeerList:
    """The peers of a file, re-read when it changes."""

    def __init__(self, path: Path) -> None:
        nobody: tuple[Peer, ...] = ()
        self.all = Watched(path, read_peers, nobody).now

    def named(self, name: str) -> Peer | None:
        return next((peer for peer in self.all() if peer.name == name), None)
