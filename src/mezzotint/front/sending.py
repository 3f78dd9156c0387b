"""Files to sockets from the kernel's own memory (sendfile(2)), without waiting for a disk in the event loop."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

_PIECE = 1 << 20


async def send_file(
    own: socket.socket, head: bytes, file: int, offset: int, count: int, writable: Callable[[], Awaitable[bool]]
) -> AsyncIterator[int]:
    """The bytes of each piece that has gone out. `own` does not block; `writable` waits until it takes more, and says
    whether there is still somebody. Raises ConnectionError, and RuntimeError where the file turns out to be shorter."""
    while head:
        try:
            head = head[own.send(head, socket.MSG_MORE) :]
        except BlockingIOError:
            if not await writable():
                return
    while count:
        piece = min(count, _PIECE)
        if not _is_at_hand(file, offset, piece):
            await asyncio.to_thread(_fetch, file, offset, piece)
        try:
            sent = os.sendfile(own.fileno(), file, offset, piece)
        except BlockingIOError:
            if not await writable():
                return
            continue
        if not sent:
            raise RuntimeError("a file has become shorter while it was sent")
        offset, count = offset + sent, count - sent
        yield sent
        await asyncio.sleep(0)


def _is_at_hand(file: int, offset: int, count: int) -> bool:
    """Whether its first and last byte are in memory; what lies between was read with them."""
    byte = bytearray(1)
    try:
        return bool(os.preadv(file, [byte], offset, os.RWF_NOWAIT)) and bool(
            os.preadv(file, [byte], offset + count - 1, os.RWF_NOWAIT)
        )
    except OSError:  # it is not, or this file system cannot say
        return False


def _fetch(file: int, offset: int, count: int) -> None:
    os.pread(file, count, offset)
