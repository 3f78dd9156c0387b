"""Which request is worked on: its id for whoever logs, and spans for whoever traces."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""of the request that is worked on, or that had this queued; empty where it is none"""
LONGEST_ID = 128

Begin = Callable[[str, dict[str, Any]], AbstractContextManager[Any]]

_nothing: AbstractContextManager[Any] = nullcontext()
_begin: Begin | None = None


def span(name: str, **attributes: str | int) -> AbstractContextManager[Any]:
    """To do something in that a trace shows by itself, within what is under way in this thread or task. Nothing, where
    nobody traces."""
    return _nothing if _begin is None else _begin(name, attributes)


def is_on() -> bool:
    return _begin is not None


def trace_with(begin: Begin) -> None:
    """From now on, in this process."""
    global _begin
    _begin = begin
