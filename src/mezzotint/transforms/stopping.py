"""Giving up what is being done: nobody waits for it any more, or it takes too long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mezzotint.errors import GivenUp


class Stop:
    """For one piece of work, which calls `check` between its steps and says how a step is ended, `while_stopping`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._error: GivenUp | None = None
        self._end: Callable[[], None] | None = None

    @property
    def error(self) -> GivenUp | None:
        """Why, once it was asked for."""
        return self._error

    def ask(self, error: GivenUp) -> None:
        with self._lock:
            self._error = self._error or error
            if self._end is not None:
                self._end()

    def check(self) -> None:
        """Raises GivenUp."""
        if self._error is not None:
            raise self._error

    @contextmanager
    def while_stopping(self, end: Callable[[], None]) -> Iterator[None]:
        """Raises GivenUp where it was asked for before."""
        with self._lock:
            self.check()
            self._end = end
        try:
            yield
        finally:
            with self._lock:
                self._end = None
