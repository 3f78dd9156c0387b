"""Getting ready: the database's tables, what the journal has ahead, the first person and token."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ready:
    """`password` and `token` are there at the very first start only; `restored` is the commit that an
    empty database was brought to, `pinned` the one that it shows to look at; `alarm` says what is not ready."""

    password: str | None = None
    token: str | None = None
    restored: int | None = None
    pinned: int | None = None
    alarm: str | None = None


def django_setup() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mezzotint.site.settings")
    import django

    django.setup()


def prepare(progress: Callable[[str, int], None] = lambda what, count: None) -> Ready:
    """Bring the database up to date and to the journal's end, from nothing if need be. A
    database that does not answer is an alarm and no error: pictures are served without it."""
    django_setup()
    from django.db import DatabaseError, connections

    from mezzotint.errors import MezzotintError
    from mezzotint.wiring import engine

    locks = engine().host.locks  # raises what is wrong with the settings: an error, and no alarm
    try:
        with locks.hold("prepare"):  # of two who start at once one finds all done
            return _prepare(progress)
    except DatabaseError as error:
        return Ready(alarm=f"the database does not answer ({error}); pictures are served, the rest is not")
    except MezzotintError as error:
        return Ready(
            alarm=f"the journal cannot be followed ({error}); what is shown may be old, and nothing can be committed"
        )
    finally:
        connections.close_all()


def _prepare(progress: Callable[[str, int], None]) -> Ready:
    from django.core.management import call_command

    from mezzotint.errors import StoreUnavailable
    from mezzotint.repository import commits, standing
    from mezzotint.repository.upkeep import checkpointing, removals, restoring
    from mezzotint.wiring import engine

    restored = None
    with suppress(StoreUnavailable):  # compare() raises the alarm
        if restoring.is_fresh() and not engine().journal.is_empty():
            restored = restoring.restore(progress=progress)
    call_command("migrate", verbosity=0, interactive=False)
    _make_cache_table()
    pinned = standing.installation().pinned
    if pinned is not None:
        return Ready(pinned=pinned)
    alarm = standing.compare()
    if alarm:
        return Ready(alarm=alarm)
    commits.catch_up()
    removals.settle(commits.catch_up)
    if engine().settings.read_only:
        return Ready(restored=restored)
    if restored is not None:
        checkpointing.register()
    checkpointing.after_upgrade()
    ready = _first_person(restored)
    commits.flush("setup")
    return ready


def _make_cache_table() -> None:
    """Where the cache is one. What is cached can do without."""
    from django.conf import settings
    from django.core.management import CommandError, call_command

    if settings.CACHES["default"]["BACKEND"].endswith(".DatabaseCache"):
        try:
            call_command("createcachetable", verbosity=0)
        except CommandError as error:
            log.warning("the cache has no table: %s", error)


def _first_person(restored: int | None) -> Ready:
    from django.contrib.auth.models import User

    from mezzotint import tokens
    from mezzotint.wiring import engine

    if User.objects.exists():
        return Ready(restored=restored)
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser("admin", password=password)
    token = tokens.issue(engine().settings.secret_key, tokens.Scope.WRITE, days=90, name="first")
    return Ready(password, token, restored)
