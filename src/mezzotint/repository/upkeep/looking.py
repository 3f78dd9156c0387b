"""Looking at pictures in the background, one after the other, so that others are known that look the same."""

from __future__ import annotations

import logging
import time

from django.db import DatabaseError, close_old_connections, connections, transaction

from mezzotint.errors import DamagedBase, GivenUp, InvalidInput, MezzotintError, NotFound
from mezzotint.names import Ident
from mezzotint.names.grammar import parse_rendition
from mezzotint.repository import looks, standing
from mezzotint.repository.changes import Changes
from mezzotint.repository.models import Image, Installation
from mezzotint.repository.upkeep.background import Background
from mezzotint.transforms import likeness
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
_TURN, _SOME = 2.0, 50
_SIDE = parse_rendition(f"-{likeness.SIDE}x{likeness.SIDE}.png")


class Looking(Background):
    """It rests as long as it works: whoever asks for pictures comes first."""

    def __init__(self) -> None:
        super().__init__("looking")

    def work(self) -> None:
        changes = Changes()
        try:
            while not self._stopped.wait(_TURN):
                if not changes.are_there():
                    continue
                close_old_connections()
                try:
                    self._look_at_all()
                except (MezzotintError, DatabaseError) as error:
                    log.warning("what pictures look like is found out later: %s", error)
                    changes.expect()
        finally:
            changes.close()
            connections.close_all()

    def may_begin(self) -> bool:
        """A read node would fetch everything for it."""
        settings = engine().settings
        return settings.looks and not settings.read_only and super().may_begin()

    def interrupt(self) -> None:
        """It looks at `_stopped` itself."""

    def _look_at_all(self) -> None:
        while not self._stopped.is_set() and (some := _next()):
            for image in some:
                begun = time.monotonic()
                look_at(image)
                Installation.objects.filter(pk=standing.installation().pk).update(looked=image.pk)
                if self._stopped.wait(time.monotonic() - begun):
                    return


def _next() -> list[Image]:
    """Those that came in after the last one that was looked at; images get their numbers in the order of commits."""
    looked = standing.installation().looked
    return list(Image.objects.filter(pk__gt=looked).only("ident", "width", "height").order_by("pk")[:_SOME])


def look_at(image: Image) -> None:
    """What cannot be shown is passed over. Raises StoreUnavailable, StorageFull."""
    try:
        with engine().bases.on_disk(Ident(image.ident)) as path:
            seen = engine().manager.reduced(path, _SIDE)
    except (InvalidInput, NotFound, DamagedBase, GivenUp) as error:
        log.info("what %s looks like is not known: %s", image.ident, error)
        return
    found = likeness.likeness(seen), likeness.placeholder(seen, image.width / image.height)
    with transaction.atomic():
        if Image.objects.filter(pk=image.pk).exists():
            looks.keep(image.pk, *found)
