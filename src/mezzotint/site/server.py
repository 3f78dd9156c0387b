"""What `serve`'s workers serve: the ASGI application, and hits in memory before it."""

from __future__ import annotations

import ctypes
import gc
import importlib
from contextlib import suppress

import django
from django.conf import settings

from mezzotint.site.asgi import Site

_ARENA_MAX = -8


def preload() -> None:
    """Imports what a worker runs, in the process that workers are forked from. Opens nothing, starts no thread."""
    django.setup(set_prefix=False)
    rooms = ("mezzotint.imagecloud.worker", "mezzotint.composites.worker", "mezzotint.repository.upkeep.maintenance")
    for module in ("jwt", *rooms, settings.ROOT_URLCONF):
        importlib.import_module(module)
    gc.freeze()  # the collector would copy pages that all of them share


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
