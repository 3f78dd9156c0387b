"""The door of whoever runs this: `/health` and `/metrics`, which never wait for anything outside of the process."""

from __future__ import annotations

import json

from mezzotint import __version__
from mezzotint.delivery.answer import Answer, unstored
from mezzotint.delivery.door import Door
from mezzotint.delivery.metrics import Tally, exposition
from mezzotint.delivery.request import Request
from mezzotint.host.lanes import Lane
from mezzotint.wiring import Engine

_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


class OperationsDoor(Door):
    open = True

    def __init__(self, engine: Engine, tally: Tally) -> None:
        super().__init__(public=True)
        self._engine, self._tally = engine, tally
        self._figures = Lane("figures", 1)

    def takes(self, path: str) -> bool:
        return path in {"/health", "/metrics"}

    async def answer(self, request: Request) -> Answer:
        if request.path == "/health":
            found = {"status": "healthy", "version": __version__, "cache_dir": str(self._engine.cache.directory)}
            return unstored("application/json", json.dumps(found).encode())
        self._tally.flush(self._engine.pool.under_way)
        return unstored(_EXPOSITION, await self._figures.do(exposition, self._engine))
