"""What may become of a Redis, and how that ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.backends.redis import Redis


@dataclass(frozen=True)
class Fault:
    strike: Callable[[Redis], None]
    mend: Callable[[Redis], None]


def _nothing(server: Redis) -> None:
    """It is as it should be already."""


def _say(*command: str) -> Callable[[Redis], None]:
    def said(server: Redis) -> None:
        with server.client() as client:
            client.execute_command(*command)

    return said


FAULTS = {
    "paused": Fault(Redis.pause, Redis.resume),
    "killed": Fault(Redis.kill, Redis.restart),
    "restarted empty": Fault(Redis.restart, _nothing),
    "restarted with what it had": Fault(partial(Redis.restart, empty=False), _nothing),
    "flushed": Fault(_say("FLUSHALL"), _nothing),
    "without its scripts": Fault(_say("SCRIPT", "FLUSH"), _nothing),
    "connections cut": Fault(_say("CLIENT", "KILL", "TYPE", "normal"), _nothing),
    "full": Fault(_say("CONFIG", "SET", "maxmemory", "1"), _say("CONFIG", "SET", "maxmemory", "0")),
    "read-only": Fault(_say("REPLICAOF", "127.0.0.1", "1"), _say("REPLICAOF", "NO", "ONE")),
}
