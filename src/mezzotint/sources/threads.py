"""Work that waits for a disk, in a thread, whose log lines still know their request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(threads: Executor, work: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, copy_context().run, work, *arguments)
