"""The database from an event loop: in threads that keep their connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections, connections

T = TypeVar("T")
_first = ThreadPoolExecutor(1, thread_name_prefix="image-cloud-database")
_second = ThreadPoolExecutor(1, thread_name_prefix="image-cloud-leases")


async def in_database(work: Callable[..., T], *arguments: Any) -> T:
    """In turn."""
    return await asyncio.get_running_loop().run_in_executor(_first, _fresh, work, arguments)


async def in_second(work: Callable[..., T], *arguments: Any) -> T:
    """What must not wait for the others, or would keep them waiting."""
    return await asyncio.get_running_loop().run_in_executor(_second, _fresh, work, arguments)


async def beat() -> None:
    """Until the next second begins: whoever has nothing to do wakes up together."""
    await asyncio.sleep(1 - time.monotonic() % 1)


def _fresh(work: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    close_old_connections()
    return work(*arguments)


def close() -> None:
    """Give the connections back."""
    for thread in (_first, _second):
        thread.submit(connections.close_all).result()
