"""Looking at pictures in the background, one after the other, so that others are known that look the same."""

from __future__ import annotations

import logging
import time

from django.db import transaction

from mezzotint.errors import DamagedBase, GivenUp, InvalidInput, NotFound
from mezzotint.names import Ident
from mezzotint.names.grammar import parse_rendition
from mezzotint.repository import looks, standing
from mezzotint.repository.changes import Changes
from mezzotint.repository.models import Image, Installation
from mezzotint.repository.upkeep.background import Watching
from mezzotint.transforms import likeness
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
_SOME = 50
_TIMES = 3
_SIDE = parse_rendition(f"-{likeness.SIDE}x{likeness.SIDE}.png")


class Looking(Watching):
    """It rests as long as it works: whoever asks for pictures comes first. Not on a read node, which would fetch
    everything for it."""

    every = 2.0

    def __init__(self) -> None:
        super().__init__("looking")
        self._late: dict[int, int] = {}
        """by number, how often it took too long"""

    def turn(self, changes: Changes) -> None:
        self._look_at_all()

    def _look_at_all(self) -> None:
        while not self._stopped.is_set() and (some := _next()):
            for image in some:
                begun = time.monotonic()
                self._look_at(image)
                Installation.objects.filter(pk=standing.installation().pk).update(looked=image.pk)
                if self._stopped.wait(time.monotonic() - begun):
                    return

    def _look_at(self, image: Image) -> None:
        """What takes too long is looked at again some times. Raises GivenUp, and what `look_at` does."""
        try:
            look_at(image)
        except GivenUp as error:
            times = self._late[image.pk] = self._late.get(image.pk, 0) + 1
            if times < _TIMES:
                raise
            log.warning("what %s looks like is not known: %s", image.ident, error)
        self._late.pop(image.pk, None)


def _next() -> list[Image]:
    """Those that came in after the last one that was looked at; images get their numbers in the order of commits."""
    looked = standing.installation().looked
    return list(Image.objects.filter(pk__gt=looked).only("ident", "width", "height").order_by("pk")[:_SOME])


def look_at(image: Image) -> None:
    """What cannot be shown is passed over. Raises GivenUp, StoreUnavailable, StorageFull."""
    try:
        with engine().bases.on_disk(Ident(image.ident)) as path:
            seen = engine().manager.reduced(path, _SIDE)
    except (InvalidInput, NotFound, DamagedBase) as error:
        log.info("what %s looks like is not known: %s", image.ident, error)
        return
    found = likeness.likeness(seen), likeness.placeholder(seen, image.width / image.height)
    with transaction.atomic():
        if Image.objects.filter(pk=image.pk).exists():
            looks.keep(image.pk, *found)
