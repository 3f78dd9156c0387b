"""The database from an event loop: in one thread, which keeps its connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections, connections

T = TypeVar("T")
_thread = ThreadPoolExecutor(1, thread_name_prefix="imagecloud-database")


async def in_database(work: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(_thread, _fresh, work, arguments)


def _fresh(work: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    close_old_connections()
    return work(*arguments)


def close() -> None:
    """Give the connection back."""
    _thread.submit(connections.close_all).result()
