"""Which renditions a stranger may ask for: `MEZZOTINT_RENDITIONS`. Whoever shows a token may ask for any."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

from mezzotint.delivery.reach import Reach
from mezzotint.delivery.request import Request
from mezzotint.derivatives import StoreManager
from mezzotint.errors import Forbidden, InvalidRendition, Unauthorized
from mezzotint.host.shown import Shown
from mezzotint.host.watched import Watched
from mezzotint.names import Facts, Ident, Rendition
from mezzotint.names.listed import ANY, NOTHING, Listed, read_list
from mezzotint.settings import Settings

_LOOK_AGAIN = 1.0
_BY_IDENT, _IDENT = ("/images/", "/iiif/"), re.compile(r"/(?:images|iiif/[23])/([0-9a-f]{64})")
_REMEMBERED = 100_000
"""addresses that were found to be free"""


class Renditions:
    """The list is read again when it changes. Where none could be read yet, nothing is on it."""

    def __init__(self, settings: Settings, manager: StoreManager, reach: Reach, shown: Shown | None) -> None:
        """`shown`: which pictures are for everybody; None where all are."""
        self._mode, self._manager, self._reach = settings.renditions, manager, reach
        listed = Watched(settings.listed_renditions, read_list, NOTHING, every=_LOOK_AGAIN)
        self._file = listed if self._mode == "listed" else None
        self._list: Listed | None = None
        self._free: set[str] = set()
        """addresses that `_list` was found to have"""
        self._shown = shown

    def is_free(self, address: str) -> bool:
        """Whether anybody may ask for it, as far as is known without looking at the picture."""
        if self._shown is not None and not self._is_shown_at(address):
            return False
        if self._file is None:
            return self._mode == "any"
        self._now(self._file)
        return address in self._free

    def check_shown(self, request: Request, ident: Ident) -> None:
        """Raises Unauthorized for what is not for everybody, and what is not there, in the same words."""
        if request.token is None and request.signed is None and self._shown is not None and not self._shown.has(ident):
            raise Unauthorized("this picture is for who has a login, a token or a signed address")

    def _is_shown_at(self, address: str) -> bool:
        """What is known by the address of something else is not the repository's to show."""
        if not address.startswith(_BY_IDENT):
            return True
        found = _IDENT.match(address)
        return found is not None and self._shown is not None and self._shown.has(found[1])

    def check_signed(self, request: Request) -> None:
        """What can be said before anything is looked for. Raises Forbidden."""
        if self._mode == "signed" and request.token is None and request.signed is None:
            raise Forbidden("this is given out at addresses that are signed: MEZZOTINT_RENDITIONS")

    async def check(self, request: Request, ident: Ident, rendition: Rendition | None) -> None:
        """`rendition` as the address has it; None is the base. Raises Forbidden, and what
        finding out about the picture does."""
        if self._mode == "any" or request.token is not None or request.signed is not None:
            return
        self.check_signed(request)
        assert self._file is not None
        listed = self._now(self._file)
        if request.path in self._free:
            return
        if not await self._is_listed(listed, ident, rendition):
            raise Forbidden("this rendition is not on the list of those that are given out: MEZZOTINT_RENDITIONS")
        if listed is self._list and not request.query:
            if len(self._free) >= _REMEMBERED:  # what is asked for again is found again
                self._free.clear()
            self._free.add(request.path)

    async def _is_listed(self, listed: Listed, ident: Ident, rendition: Rendition | None) -> bool:
        if rendition is None:
            return listed.base
        if rendition.format not in listed.formats:
            return False
        wanted = replace(rendition, format=ANY)
        if wanted in listed.renditions:
            return True
        return await asyncio.to_thread(self._comes_to_one, listed, wanted, await self._reach.facts(ident))

    def _comes_to_one(self, listed: Listed, wanted: Rendition, facts: Facts) -> bool:
        """Whether it is what a listed one is for this picture: `fit400x400` may be `400x267`."""
        canonical = self._manager.canonical(wanted, facts)
        for rendition in listed.renditions:
            try:
                if self._manager.canonical(rendition, facts) == canonical:
                    return True
            except InvalidRendition:  # this picture cannot have it
                continue
        return False

    def _now(self, file: Watched[Listed]) -> Listed:
        """The list; what was found to be on another one is forgotten."""
        if (listed := file.now()) is not self._list:
            self._list = listed
            self._free.clear()
        return listed
