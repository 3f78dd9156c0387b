"""How often one client may have something done that costs, whichever process of this server it asks.

The generic cell rate algorithm (ITU-T I.371): of each client one number is kept, the moment until which it has used up
its share. The numbers lie in memory that is there before workers are forked, so that all of them see the same; two
that write at once lose one of the two, which lets a client have one more.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from math import ceil

from mezzotint.errors import TooMuchForOne

_SLOTS = 1 << 15
_KINDS = ("renders", "fetches", "searches", "logins")
_table = memoryview(mmap.mmap(-1, _SLOTS * len(_KINDS) * 8)).cast("d")
_key = os.urandom(16)
"""so that nobody can choose whose share to use up"""


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` at once, and as many again in each `seconds`."""

    count: int
    seconds: float


class Meter:
    """`exempt` says of an address that it has no share of its own: a proxy's. `setting` is the variable to name."""

    def __init__(self, kind: str, rate: Rate | None, setting: str, exempt: Callable[[str], bool]) -> None:
        self._offset, self._rate, self._exempt = _KINDS.index(kind) * _SLOTS, rate, exempt
        self._kind, self._setting = kind, setting

    def take(self, client: str) -> None:
        """One of the client's share. Raises TooMuchForOne, with when there is one again."""
        if self._rate is None or self._exempt(client):
            return
        now, interval = time.monotonic(), self._rate.seconds / self._rate.count
        slot = self._offset + _slot(client)
        used_until = max(_table[slot], now)
        wait = used_until - now - (self._rate.seconds - interval)
        if wait > 1e-6:
            limit = f"{self._rate.count} {self._kind} in {self._rate.seconds:g} seconds"
            raise TooMuchForOne(f"there are {limit} for each client, {self._setting}", ceil(wait))
        _table[slot] = used_until + interval


def client_network(address: str) -> str:
    """Of IPv6 a client has a network of 64 bits (RFC 6177), and as many addresses as it likes."""
    try:
        one = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Address(int(one) >> 64 << 64)) if isinstance(one, IPv6Address) else address


def _slot(client: str) -> int:
    known = client_network(client).encode("utf-8", "backslashreplace")
    return int.from_bytes(blake2b(known, digest_size=4, key=_key).digest(), "big") % _SLOTS


@dataclass(frozen=True, slots=True)
class Rates:
    renders: Meter
    fetches: Meter
    searches: Meter
    logins: Meter
