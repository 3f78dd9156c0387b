"""What goes out on a connection, as fast as its client takes it."""

from __future__ import annotations

import asyncio

from mezzotint.front.limits import Limits

_JOINED = 16 << 10
"""up to this many bytes it is cheaper to copy a body than to write it apart"""


class Outgoing:
    def __init__(self, transport: asyncio.Transport, limits: Limits) -> None:
        self.transport, self._limits = transport, limits
        self._is_writable, self._is_drained = asyncio.Event(), asyncio.Event()
        self._is_writable.set()
        self._written, self._waited = 0, 0.0
        self.elsewhere = False
        """something is written past the transport, and the client does not take it"""

    @property
    def is_writable(self) -> bool:
        return self._is_writable.is_set()

    @property
    def is_pending(self) -> bool:
        return self.elsewhere or self.transport.get_write_buffer_size() > 0

    def write(self, head: bytes, body: bytes = b"") -> None:
        if len(body) <= _JOINED:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))
        self._written += len(head) + len(body)

    def count(self, size: int) -> None:
        """So much has gone out past the transport."""
        self._written += size

    async def writable(self) -> None:
        """Back when what was written is nearly gone, or the client."""
        await self._is_writable.wait()

    async def drained(self) -> None:
        """Back when all that was written is gone, or the client."""
        if self.transport.get_write_buffer_size() and not self.transport.is_closing():
            self._is_drained.clear()
            self.transport.set_write_buffer_limits(0)
            try:
                await self._is_drained.wait()
            finally:
                if not self.transport.is_closing():
                    self.transport.set_write_buffer_limits()

    def pause(self) -> None:
        self._is_writable.clear()

    def resume(self) -> None:
        self._is_writable.set()
        if not self.transport.get_write_buffer_size():
            self._is_drained.set()

    def lose(self) -> None:
        """The client is gone: nobody waits for it."""
        self._is_writable.set()
        self._is_drained.set()

    def begin(self) -> None:
        """A new answer: what comes now is what the client is measured by."""
        self._written, self._waited = self.transport.get_write_buffer_size(), 0.0

    def is_too_slow(self, seconds: float) -> bool:
        """Whether the client has taken too little, now that it was waited for so much longer."""
        if not self.is_pending:
            self._written, self._waited = 0, 0.0
            return False
        self._waited += seconds
        gone = self._written - self.transport.get_write_buffer_size()
        return self._waited > self._limits.start_seconds + gone / self._limits.rate
