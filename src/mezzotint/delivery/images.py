"""The door of names: `/images/<ident>` and `/images/<ident>-<rendition>`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from mezzotint.delivery.answer import Answer, varying
from mezzotint.delivery.door import Door
from mezzotint.delivery.naming import saved_as, wanted_name
from mezzotint.delivery.negotiation import Accepted, accepted, candidates
from mezzotint.delivery.pictures import AUTO, PREFIX, Pictures, address_of_auto
from mezzotint.delivery.renditions import Renditions
from mezzotint.delivery.request import Request
from mezzotint.errors import InvalidRendition, MezzotintError
from mezzotint.names import Format, Ident, Rendition, parse


class ImageDoor(Door):
    def __init__(self, pictures: Pictures, renditions: Renditions, *, public: bool) -> None:
        super().__init__(public=public)
        self._pictures, self._renditions = pictures, renditions

    def takes(self, path: str) -> bool:
        return path.startswith(PREFIX)

    async def answer(self, request: Request) -> Answer:
        name = wanted_name(request.query)
        found = await self._found(request)
        return found if name is None else saved_as(found, name)

    async def _found(self, request: Request) -> Answer:
        key = request.path
        named: Accepted = ()
        if request.path.endswith(AUTO):
            named = accepted(request.header(b"accept"))
            key = address_of_auto(request.path, named)
        name = request.path[len(PREFIX) :]
        ident, rendition = parse(name)
        self._renditions.check_shown(request, ident)
        await self._renditions.check(request, ident, rendition)
        if (kept := self._pictures.remembered(key, request)) is not None:
            return kept
        if rendition is None:
            return await self._pictures.base(ident, request)
        if rendition.format is Format.AUTO:
            return await self._negotiated(ident, rendition, named, request, key)
        return await self._pictures.derivative(ident, rendition, request, asked=name)

    async def _negotiated(
        self, ident: Ident, rendition: Rendition, named: Accepted, request: Request, key: str
    ) -> Answer:
        *better, last = candidates(named, await self._pictures.facts(ident))
        for one in better:
            with suppress(InvalidRendition):  # it cannot hold the picture, or would take too much memory
                chosen = replace(rendition, format=one)
                return await self._pictures.derivative(ident, chosen, request, negotiated=key)
        return await self._pictures.derivative(ident, replace(rendition, format=last), request, negotiated=key)

    def refused(self, request: Request, error: MezzotintError) -> Answer:
        return self._by_accept(request, super().refused(request, error))

    def not_allowed(self, request: Request) -> Answer:
        return self._by_accept(request, super().not_allowed(request))

    @staticmethod
    def _by_accept(request: Request, answer: Answer) -> Answer:
        return varying(answer) if request.path.endswith(AUTO) else answer
