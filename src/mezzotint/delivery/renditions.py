"""Which renditions a stranger may ask for: `MEZZOTINT_RENDITIONS`. Whoever shows a token may ask for any."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mezzotint.delivery.request import Request
from mezzotint.derivatives import StoreManager
from mezzotint.errors import Forbidden, InvalidInput, InvalidRendition
from mezzotint.host.watched import Watched
from mezzotint.names import Format, Ident, Rendition
from mezzotint.names.grammar import parse_rendition
from mezzotint.settings import Settings

_LOOK_AGAIN = 1.0
_REMEMBERED = 100_000
"""addresses that were found to be free"""
_MEMBERS = {"sizes", "formats", "base"}
_SHAPE = '{"sizes": ["fit400x400", "w800"], "formats": ["jpg", "webp", "auto"], "base": true}'


@dataclass(frozen=True)
class Listed:
    """`renditions` have the format that stands for all of `formats`; `base`: the base itself may be had."""

    renditions: frozenset[Rendition]
    formats: frozenset[Format]
    base: bool


_ALL = Format.JPG
_NOTHING = Listed(frozenset(), frozenset(), base=False)


def read_list(path: Path) -> Listed:
    """Raises InvalidInput, naming the member."""
    try:
        found: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(path.name, f"cannot be read: {error}", _SHAPE) from None
    if not isinstance(found, dict) or not found.keys() <= _MEMBERS or not isinstance(found.get("base", True), bool):
        raise InvalidInput(path.name, "has other members", _SHAPE)
    sizes, formats = found.get("sizes", []), found.get("formats", ["jpg", "auto"])
    for member in (sizes, formats):
        if not isinstance(member, list) or not all(isinstance(text, str) for text in member):
            raise InvalidInput(path.name, "has a member that is no list of texts", _SHAPE)
    unknown = [text for text in formats if text not in list(Format)]
    if unknown:
        raise InvalidInput(path.name, f"cannot have the format {unknown[0]!r:.40}", " ".join(Format))
    return Listed(
        frozenset(_rendition(path, text) for text in sizes), frozenset(map(Format, formats)), found.get("base", True)
    )


def _rendition(path: Path, text: str) -> Rendition:
    try:
        return parse_rendition(f"{'-' if text else ''}{text}.{_ALL}")
    except InvalidInput as error:
        raise InvalidInput(path.name, f"has a size, {text!r:.40}, that is none: {error.what}", _SHAPE) from None


def check_list(settings: Settings) -> None:
    """Raises InvalidInput where there is to be a list, and none can be read."""
    if settings.renditions == "listed":
        read_list(settings.listed_renditions)


class Renditions:
    """The list is read again when it changes. Where none could be read yet, nothing is on it."""

    def __init__(self, settings: Settings, manager: StoreManager) -> None:
        self._mode, self._manager = settings.renditions, manager
        listed = Watched(settings.listed_renditions, read_list, _NOTHING, every=_LOOK_AGAIN)
        self._file = listed if self._mode == "listed" else None
        self._list: Listed | None = None
        self._free: set[str] = set()
        """addresses that `_list` was found to have"""

    def is_free(self, address: str) -> bool:
        """Whether anybody may ask for it, as far as is known without looking at the picture."""
        if self._file is None:
            return self._mode == "any"
        self._now(self._file)
        return address in self._free

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
        wanted = replace(rendition, format=_ALL)
        if wanted in listed.renditions:
            return True
        return await asyncio.to_thread(self._comes_to_one, listed, ident, wanted)

    def _comes_to_one(self, listed: Listed, ident: Ident, wanted: Rendition) -> bool:
        """Whether it is what a listed one is for this picture: `fit400x400` may be `400x267`."""
        canonical = self._manager.canonical(ident, wanted)
        for rendition in listed.renditions:
            try:
                if self._manager.canonical(ident, rendition) == canonical:
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
