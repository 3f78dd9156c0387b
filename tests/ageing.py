"""What lies in a directory store and in the database, made older: a test of a grace waits for no clock."""

from __future__ import annotations

import os
from datetime import timedelta

from django.db.models import F

from mezzotint.imagecloud.models import DeletedBase
from mezzotint.repository.models import Removal, Sighting
from mezzotint.wiring import Engine

LONG = 8 * 24 * 3600.0
"""Seconds; the grace is seven days."""


def age(engine: Engine, seconds: float = LONG) -> None:
    """All that is there now, and all that was seen or done, was so long ago."""
    for path in (engine.settings.data / "store").rglob("*"):
        if path.is_file():
            found = path.stat()
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns - int(seconds * 1e9)))
    Sighting.objects.update(first_seen=F("first_seen") - seconds, last_seen=F("last_seen") - seconds)
    for model in (Removal, DeletedBase):
        for row in model.objects.all():
            row.at -= timedelta(seconds=seconds)
            row.save(update_fields=["at"])
