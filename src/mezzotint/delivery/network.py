"""The way to the network, for all doors of a process."""

from __future__ import annotations

from mezzotint.wiring import Engine, Sources, open_sources


class Network:
    """Everything is made in the event loop that first asks for it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sources: Sources | None = None

    def opened(self) -> Sources:
        if self._sources is None:
            self._sources = open_sources(self._engine)
        return self._sources

    async def close(self) -> None:
        if self._sources is not None:
            await self._sources.close()
