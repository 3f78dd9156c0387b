"""Waiting for events. No test waits for a clock, and none asks how fast the machine is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal, TypeVar

T = TypeVar("T")

PATIENCE = 180.0
"""Seconds until a test gives up on an event: far more than anything takes on a machine that is busy with other work."""

IN_TIME = 30.0
"""Seconds. What has a limit of about a second is over by then on any machine; what waits for a library's own limit, a
minute or more, or for something that hangs (`HANGS`), is not."""

HANGS = 600.0
"""Seconds for which something hangs that nobody may wait for."""


def until(found: Callable[[], T | Literal[False]], pause: float = 0.02) -> T:
    """Wait for something that is true; returns what it is. Raises AssertionError where it does not come to be."""
    deadline = time.monotonic() + PATIENCE
    while not (it := found()):
        assert time.monotonic() < deadline, f"it did not come to be: {it!r}"
        time.sleep(pause)
    return it


async def until_async(found: Callable[[], T | Literal[False]], pause: float = 0.01) -> T:
    """`until`, for what goes on in this event loop."""
    deadline = time.monotonic() + PATIENCE
    while not (it := found()):
        assert time.monotonic() < deadline, f"it did not come to be: {it!r}"
        await asyncio.sleep(pause)
    return it
