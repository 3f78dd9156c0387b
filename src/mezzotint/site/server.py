"""What `serve`'s workers serve: the ASGI application, and hits in memory before it."""

from __future__ import annotations

import ctypes
from contextlib import suppress

from mezzotint.site.asgi import Site

_ARENA_MAX = -8


class Server:
    def __init__(self) -> None:
        _share_arenas()
        self.app = Site()
        self.quick = self.app.delivery.quick(self.app.ids.of)

    async def live(self) -> None:
        await self.app.live()

    def close(self) -> None:
        self.app.close()


def _share_arenas() -> None:
    """Have glibc keep two arenas (mallopt(3)), not one for every few threads, each as
    large as the largest render it has seen. Elsewhere than on glibc nothing is done."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 2)
