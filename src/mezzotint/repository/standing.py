"""How this database stands to its store, and whether anything may be written."""

from __future__ import annotations

from django.utils import timezone

from mezzotint.errors import JournalBroken, MezzotintError, ReadOnly, StoreUnavailable
from mezzotint.journal import Head, claim_marker, read_marker
from mezzotint.names.keys import COPYING_KEY
from mezzotint.objects.protocol import find
from mezzotint.repository.models import Commit, Installation
from mezzotint.wiring import engine

UNREACHABLE = "the object store could not be reached"


def installation() -> Installation:
    found = Installation.objects.order_by("pk").first()
    return found or Installation.objects.get_or_create(pk=1)[0]  # of two who make it at once, one does


def head() -> Head:
    """The last segment that this database has applied."""
    last = Commit.objects.order_by("-seq").first()
    return Head() if last is None else Head(last.seq, last.fingerprint, last.bytes)


def check_writable() -> None:
    """Raises ReadOnly, saying why and what to do."""
    if engine().settings.read_only:
        raise ReadOnly("this is a read node: write to the node that commits")
    found = installation()
    if found.pinned is not None:
        raise ReadOnly(f"this database shows the repository as it was at commit {found.pinned}, to look at only")
    if found.alarm:
        raise ReadOnly(found.alarm)


def is_writable() -> bool:
    try:
        check_writable()
    except ReadOnly:
        return False
    return True


def compare() -> str:
    """Look at database and store together, and remember what is wrong: the alarm, or nothing.

    Raises nothing: a store that does not answer is an alarm too, until it does.
    """
    found = installation()
    try:
        alarm = _difference(found)
    except StoreUnavailable as error:
        alarm = f"{UNREACHABLE} ({error}); nothing can be committed until it answers"
    except MezzotintError as error:
        alarm = _told(error)
    if found.alarm != alarm:
        found.alarm = alarm
        found.save(update_fields=["alarm"])
    return alarm


def raise_alarm(error: MezzotintError) -> None:
    """Write nothing any more, until comparing finds all well."""
    Installation.objects.filter(pk=installation().pk).update(alarm=_told(error))


def _told(error: MezzotintError) -> str:
    return f"{error}. Nothing is written until this is cleared up; see docs/operations.md"


def followed() -> None:
    """The journal's end was seen just now."""
    Installation.objects.filter(pk=installation().pk).update(followed=timezone.now())


def _difference(found: Installation) -> str:
    store, journal = engine().store, engine().journal
    marker = read_marker(store)
    mine = head()
    if find(store, COPYING_KEY) is not None:
        return "a copy into this store was not finished: run `mezzotint copy-store` again, to its end"
    if found.store:
        if marker is None:
            return (
                f"the store has no marker, and this database belongs to store {found.store[:8]}: is the right bucket "
                "or disk there? Nothing is written. Bring the store back, or start with an empty database"
            )
        if marker != found.store:
            return (
                f"this is store {marker[:8]}, and the database belongs to store {found.store[:8]}. Nothing is "
                "written. Set MEZZOTINT_STORE right, or start with an empty database"
            )
    if mine.seq:
        try:
            journal.check(mine)
        except JournalBroken:
            return (
                f"the database is at commit {mine.seq}, which the store does not have: the store is older than the "
                "database, or another one. Nothing is written. Bring back the newer store, or start with an empty "
                "database to go on from where the store is"
            )
    if not found.store:
        name = marker if engine().settings.read_only else claim_marker(store)
        if name:
            found.store = name
            found.save(update_fields=["store"])
    return ""
