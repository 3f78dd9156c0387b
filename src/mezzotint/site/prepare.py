"""Getting ready: the database's tables, what the journal has ahead, the first person and token."""

from __future__ import annotations

import logging
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mezzotint import __version__
from mezzotint.errors import InvalidInput, MezzotintError, StoreRefused, StoreUnavailable, first_line
from mezzotint.host.files import place_secret
from mezzotint.settings import Settings

log = logging.getLogger(__name__)
FIRST_LOGIN = "first-login"
late = False
"""in the workers of `serve`: whether something did not answer when it started"""


@dataclass(frozen=True, slots=True)
class Ready:
    """`password` and `token` are there at the very first start only; `restored` is the commit that an
    empty database was brought to, `pinned` the one that it shows to look at; `alarm` says what is not ready, and `late`
    whether that may pass by itself: something does not answer yet."""

    password: str | None = None
    token: str | None = None
    restored: int | None = None
    pinned: int | None = None
    alarm: str | None = None
    late: bool = False

    def told(self, settings: Settings) -> Iterator[str]:
        """What a person has to be told on standard error, a line each. What is no terminal is kept by somebody, a log
        perhaps: secrets go into a file instead."""
        if self.password and sys.stderr.isatty():
            yield from self._secrets(settings)
            yield "  Both are shown this once. `mezzotint token issue` makes further tokens."
        elif self.password:
            path = settings.data / FIRST_LOGIN
            place_secret(path, "".join(f"{line.strip()}\n" for line in self._secrets(settings)))
            yield f"  admin    {settings.address}/admin/   password and a token are in {path}: read it and remove it"
        if self.restored is not None:
            yield f"  restored from the object store, up to commit {self.restored}"
        if self.pinned is not None:
            yield f"  as it was at commit {self.pinned}: nothing can be changed here"

    def _secrets(self, settings: Settings) -> Iterator[str]:
        yield f"  admin    {settings.address}/admin/   user: admin   password: {self.password}"
        yield f"  token    {self.token}"


def django_setup() -> None:
    import django

    django.setup()


def prepare(progress: Callable[[str, int], None] = lambda what, count: None) -> Ready:
    """Bring the database up to date and to the journal's end, from nothing if need be. A database or store that does
    not answer is an alarm and no error: pictures are served without. Raises InvalidInput for what is set wrong."""
    django_setup()
    from django.db import DatabaseError, connections

    from mezzotint.site.databases import check_refusal
    from mezzotint.wiring import engine

    locks = engine().host.locks  # raises what is wrong with the settings: an error, and no alarm
    try:
        with locks.hold("prepare"):  # of two who start at once one finds all done
            return _prepare(progress)
    except DatabaseError as error:
        check_refusal(error)
        return Ready(alarm=f"the database does not answer ({first_line(error)})", late=True)
    except InvalidInput:
        raise
    except MezzotintError as error:
        alarm = f"the journal cannot be followed ({error}); what is shown may be old, and nothing can be committed"
        return Ready(alarm=alarm, late=isinstance(error, StoreUnavailable))
    finally:
        connections.close_all()


def again() -> bool:
    """What could not be done at the start, where it can be now; a person is told. False where it is to be tried again.
    Raises InvalidInput."""
    from mezzotint.wiring import engine

    ready = prepare()
    for line in ready.told(engine().settings):
        print(line, file=sys.stderr, flush=True)  # noqa: T201  a password belongs into no log
    if not ready.late:
        log.info("what was late answers now")
        if ready.alarm:
            log.warning("ALARM %s", ready.alarm)
    return not ready.late


def _prepare(progress: Callable[[str, int], None]) -> Ready:
    from django.core.management import call_command
    from django.db import DatabaseError

    from mezzotint.repository import commits, standing
    from mezzotint.repository.upkeep import checkpointing, removals, restoring, webhooks
    from mezzotint.wiring import engine

    _check_version()
    restored, answers = None, _store_answers()
    if answers and restoring.is_fresh() and not engine().journal.is_empty():
        restored = restoring.restore(progress=progress)
    call_command("migrate", verbosity=0, interactive=False)
    _make_cache_table()
    pinned = standing.installation().pinned
    if pinned is not None:
        return Ready(pinned=pinned)
    alarm = standing.compare()
    if alarm:
        return Ready(alarm=alarm, late=alarm.startswith(standing.UNREACHABLE))
    if not answers and restoring.is_fresh():
        return _prepare(progress)  # the store answers by now, and may have a repository
    commits.catch_up()
    removals.settle(commits.catch_up)
    if engine().settings.read_only:
        return Ready(restored=restored)
    webhooks.settle()
    if restored is not None:
        checkpointing.register()
    checkpointing.after_upgrade()
    ready = _first_person(restored)
    try:
        commits.flush("setup")
    except (MezzotintError, DatabaseError) as error:  # whoever was made now is shown all the same
        late = isinstance(error, StoreUnavailable | DatabaseError)
        return replace(ready, alarm=f"not durable yet: {first_line(error)}", late=late)
    return ready


def _check_version() -> None:
    """Raises InvalidInput for a database that a newer version has brought further."""
    from django.apps import apps
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(connection)
    own = {app.label for app in apps.get_app_configs() if app.name.startswith("mezzotint.")}
    unknown = set(loader.applied_migrations) - set(loader.disk_migrations)
    newer = sorted(f"{app}.{name}" for app, name in unknown if app in own)
    if newer:
        raise InvalidInput(
            "DATABASE_URL",
            f"names a database of a newer version of Mezzotint than {__version__}, which did {newer[-1]}",
            "that version, or a fresh database, which is filled from the object store",
        )


def _store_answers() -> bool:
    """Raises InvalidInput where it says that it is not to be asked so."""
    from mezzotint.journal import read_marker
    from mezzotint.wiring import engine

    try:
        read_marker(engine().store)
    except StoreRefused as error:
        raise InvalidInput("MEZZOTINT_STORE", f"cannot be used: {error}", error.hint) from None
    except StoreUnavailable:
        return False
    return True


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
    from mezzotint.repository import roles
    from mezzotint.wiring import engine

    if User.objects.exists():
        return Ready(restored=restored)
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser("admin", password=password)
    roles.make()
    token, _ = engine().tokens.issue(tokens.Scope.WRITE, days=90, name="first")
    return Ready(password, token, restored)
