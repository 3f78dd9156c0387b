"""The hot path: a request for what is in memory, answered where its bytes arrive.

What is answered here is answered byte for byte as by the doors; what is not plain is left to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from mezzotint import tokens
from mezzotint.delivery.conditional import Unsatisfiable, byte_range, entity_tags
from mezzotint.delivery.hosts import Hosts
from mezzotint.delivery.negotiation import Accepted, accepted
from mezzotint.delivery.pictures import AUTO, Kept, Pictures, address_of_auto
from mezzotint.delivery.renditions import Renditions
from mezzotint.errors import MezzotintError
from mezzotint.front.clock import date_line
from mezzotint.front.tails import LONGEST, read_tail
from mezzotint.signatures import MARK, Signer

HeadAndBody = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the headers ask for. `token` None: none is shown; `held`: the tags of what the client has, as it says."""

    host: str | None
    given_id: str | None
    named: Accepted
    token: str | None
    held: frozenset[str] | None
    range: str | None
    if_range: str | None
    sendfile: str | None


class Access:
    """Who may have what without a look at anything. Of what may not be had the doors say why."""

    def __init__(
        self, renditions: Renditions, signer: Signer, *, public: bool, token: Callable[[str], tokens.Token]
    ) -> None:
        self._renditions, self._public, self._token = renditions, public, token
        self._verify = lru_cache(4096)(signer.verify)

    def unsigned(self, address: str) -> str | None:
        """What a good signature without an end stands for; None for any other."""
        try:
            signed = self._verify(address)
        except MezzotintError:
            return None
        return signed.address if signed is not None and signed.expires is None else None

    def may_read(self, address: str, token: str | None, *, signed: bool) -> bool:
        if token is None:
            return signed or (self._public and self._renditions.is_free(address))
        try:
            return self._token(token).allows(tokens.Scope.READ)
        except MezzotintError:
            return False


class Quick:
    """`new_id` gives what a request is called, from what a proxy in front calls it."""

    def __init__(
        self, pictures: Pictures, access: Access, hosts: Hosts, *, word: str, new_id: Callable[[str | None], str]
    ) -> None:
        self._in_memory, self._count = pictures.in_memory, pictures.count
        self._access, self._hosts, self._word, self._new_id = access, hosts, word, new_id

    def __call__(self, data: bytes) -> HeadAndBody | None:
        """`data` may be one whole request, or anything else."""
        begin = 4 if data.startswith(b"GET ") else 5 if data.startswith(b"HEAD ") else 0
        end = data.find(b" ", begin)
        if not begin or end < 0 or len(data) - end > LONGEST:
            return None
        address = data[begin:end].decode("latin-1")
        if signed := MARK in address:
            address = self._access.unsigned(address) or ""  # which is the address of nothing
        if address.endswith(AUTO):
            wanted = _wanted(data[end:])
            kept = self._in_memory(address_of_auto(address, wanted.named)) if wanted is not None else None
        else:
            kept = self._in_memory(address)
            wanted = _wanted(data[end:]) if kept is not None else None
        if kept is None or wanted is None or not self._hosts.knows(wanted.host):
            return None
        if not self._access.may_read(address, wanted.token, signed=signed):
            return None
        return self._answer(kept, wanted, begin == 5)

    def _answer(self, kept: Kept, wanted: Wanted, is_head: bool) -> HeadAndBody | None:
        etag, data, head = kept.answer.etag, kept.data, kept.whole
        assert etag is not None
        if wanted.held is not None and (etag in wanted.held or "*" in wanted.held):
            self._count(kept, "not_modified", 0)
            return self._named(kept.unmodified, wanted), b""
        if wanted.sendfile == self._word and kept.placed:
            self._count(kept, "hit", len(data))
            return self._named(kept.placed, wanted), b""
        if is_head:
            self._count(kept, "hit", 0)
            return self._named(head, wanted), b""
        if wanted.range is not None:
            try:
                part = _range(wanted.range, wanted.if_range, etag, len(data))
            except Unsatisfiable:
                return None
            if part is not None:
                head, data = kept.part(part), data[part.start : part.start + part.length]
        self._count(kept, "hit", len(data))
        return self._named(head, wanted), data

    def _named(self, begun: bytes, wanted: Wanted) -> bytes:
        """The head to its end."""
        return b"%bX-Request-Id: %b\r\n%b\r\n" % (begun, self._new_id(wanted.given_id).encode(), date_line())


_range = lru_cache(256)(byte_range)


@lru_cache(1024)
def _wanted(tail: bytes) -> Wanted | None:
    """None where it is not plain. Most clients say the same with every request."""
    found = read_tail(tail)
    if found is None or b"x-sendfile-lost" in found.headers:
        return None
    get = found.get
    return Wanted(
        host=get(b"host"),
        given_id=get(b"x-request-id"),
        named=accepted(get(b"accept")),
        token=_token(get(b"authorization")),
        held=entity_tags(get(b"if-none-match")),
        range=get(b"range"),
        if_range=get(b"if-range"),
        sendfile=get(b"x-sendfile-type"),
    )


def _token(authorization: str | None) -> str | None:
    """What is no text is no token that anybody has."""
    try:
        return tokens.bearer(authorization, None)
    except MezzotintError:
        return ""
