"""Other nodes that may have a picture already, or are to have what is new here: the alternative clouds."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mezzotint.errors import InvalidInput
from mezzotint.host.watched import Watched
from mezzotint.settings.addresses import parse_http_url

SENDING = 300.0
"""seconds that a picture may be on its way, from a peer or to it"""
_LONGEST_NAME = 80
_KNOWN = {"name", "url", "token", "clone", "plain", "token_header", "token_parameter"}
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Peer:
    """`clone`: it is sent every picture that is new here. `plain`: another program, which gives out pictures by
    `/get_image?url=&only_send_if_local=true` and says nothing of them; its token goes where it wants it: into a header
    or a parameter of that name."""

    name: str
    url: str
    token: str = field(default="", repr=False)
    clone: bool = False
    plain: bool = False
    token_header: str = ""
    token_parameter: str = ""

    @property
    def origin(self) -> str:
        return f"peer:{self.name}"

    @property
    def headers(self) -> dict[str, str]:
        """What its token is shown with."""
        if not self.token or self.token_parameter:
            return {}
        return {self.token_header: self.token} if self.token_header else {"Authorization": f"Bearer {self.token}"}

    @property
    def parameters(self) -> dict[str, str]:
        return {self.token_parameter: self.token} if self.token and self.token_parameter else {}


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
    name, url, token = member["name"], member["url"], member.get("token", "")
    clone, plain = member.get("clone", False), member.get("plain", False)
    header, parameter = member.get("token_header", ""), member.get("token_parameter", "")
    if not all(isinstance(text, str) for text in (name, url, token, header, parameter)) or not (
        isinstance(clone, bool) and isinstance(plain, bool)
    ):
        raise InvalidInput(file, f"{which} whose members are of other kinds", "texts; clone, plain: true or false")
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise InvalidInput(file, f"{which} without a proper name", f"1 to {_LONGEST_NAME} characters")
    if not re.fullmatch(r"[!-~]*", token):
        raise InvalidInput(file, f"{which} whose token is none", "as `mezzotint token issue` prints it")
    if (header and parameter) or any(word and not _WORD.fullmatch(word) for word in (header, parameter)):
        raise InvalidInput(file, f"{which} whose token goes nowhere", "token_header or token_parameter, a name each")
    if plain and clone:
        raise InvalidInput(file, f"{which} plain and clone", "a plain one is asked for pictures, and sent none")
    try:
        if "@" in url:
            raise ValueError("an address without a name or a password in it")
        return Peer(name, parse_http_url(url), token, clone, plain, header, parameter)
    except ValueError as error:
        raise InvalidInput(file, f"{which} whose url cannot be one", str(error)) from None


class PeerList:
    """The peers of a file, re-read when it changes."""

    def __init__(self, path: Path) -> None:
        nobody: tuple[Peer, ...] = ()
        self.all = Watched(path, read_peers, nobody).now

    def named(self, name: str) -> Peer | None:
        return next((peer for peer in self.all() if peer.name == name), None)
