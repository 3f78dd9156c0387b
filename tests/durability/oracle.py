"""One oracle, asked after every crash: is all that was acknowledged there, and nothing half-done?

On this process's engine and database: `check(allowed)`. On a data directory that nobody has open:
`check_directory(data, allowed)`, which recovers first, as a start does.
"""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.durability.states import State
from tests.servers import environment

__all__ = ["State", "check", "check_directory", "look", "rows", "started"]

Rows = dict[str, list[dict[str, Any]]]


def check(allowed: Iterable[State] = (), *, astray: bool = False) -> None:
    """AssertionError that says everything that is wrong. `allowed`: what was acknowledged, and with a change whose
    outcome nobody was told both what was before and what is after it; anything in between is wrong. `astray`: what
    is referred to may have been moved to the trash by somebody, and has to be back after a reconcile.

    It applies and commits what waits for that, and carries out what reconcile plans.
    """
    found = problems(allowed, astray=astray)
    assert not found, "\n".join(found)


def problems(allowed: Iterable[State] = (), *, astray: bool = False) -> list[str]:
    from mezzotint.repository import commits

    commits.catch_up()
    commits.flush("oracle")
    shown, states = look(), list(allowed)
    found = [] if not states or shown in states else [f"shown is {shown}\n  which is none of {states}"]
    found += [] if astray else _references("at first")
    found += [*_chain(), *_rebuilt(), *_second_reconcile(), *_references("in the end")]
    return found if look() == shown else [*found, "looking has changed what is shown"]


def look() -> State:
    """What this process's database shows now."""
    from django.contrib.auth.models import User

    from mezzotint.repository.models import Collection, Image

    people = User.objects.filter(is_superuser=False).order_by("username")
    return State(
        dict(Image.objects.order_by("ident").values_list("ident", "title")),
        {
            one.slug: list(one.memberships.order_by("position").values_list("image__ident", flat=True))
            for one in Collection.objects.order_by("slug")
        },
        {one.username: sorted(one.user_permissions.values_list("codename", flat=True)) for one in people},
    )


def rows() -> Rows:
    """Everything that the journal holds, as this process's database has it, by natural keys."""
    from django.db import connection

    from mezzotint.repository.kinds import KINDS
    from mezzotint.repository.records import Records

    records = Records(connection)
    return {name: list(records.table(name).rows()) for name in KINDS}


def _references(when: str) -> Iterator[str]:
    """Whatever somebody refers to is there, under its own hash, and passes through the door that readers use."""
    from mezzotint.errors import MezzotintError
    from mezzotint.names import Ident, base_key, trash_key
    from mezzotint.repository.models import Image, Membership, Removal, SessionChange
    from mezzotint.wiring import engine

    live = set(Image.objects.values_list("ident", flat=True))
    for ident in sorted(live):
        try:
            with engine().bases.open(Ident(ident)) as reader:
                digest = hashlib.sha256(b"".join(reader.chunks())).hexdigest()
        except MezzotintError as error:
            yield f"{when}: the base of {ident} cannot be read: {error!r}"
            continue
        if digest != ident or _digest(base_key(Ident(ident))) != ident:
            yield f"{when}: the base of {ident} has other bytes"
    if lost := Membership.objects.exclude(image__ident__in=live).count():
        yield f"{when}: {lost} members are of no live image"
    if engine().settings.grace == 0:
        return  # then whatever is not live may have been purged
    steps = SessionChange.objects.filter(session__state="open", kind=SessionChange.Kind.ADD)
    kept = {*Removal.objects.values_list("ident", flat=True), *steps.values_list("key", flat=True)}
    for ident in sorted(kept - live):
        if ident not in {_digest(base_key(Ident(ident))), _digest(trash_key(Ident(ident)))}:
            yield f"{when}: {ident} was removed or uploaded, and cannot be had back"


def _digest(key: str) -> str | None:
    from mezzotint.errors import NotFound
    from mezzotint.wiring import engine

    try:
        return hashlib.sha256(engine().store.read(key)).hexdigest()
    except NotFound:
        return None


def _chain() -> Iterator[str]:
    """The journal is whole from its first segment, and the database's commits are exactly its segments."""
    from mezzotint.errors import JournalBroken
    from mezzotint.journal import Head
    from mezzotint.repository.models import Commit
    from mezzotint.wiring import engine

    try:
        segments = list(engine().journal.follow(Head()))
    except JournalBroken as error:
        yield f"the chain is broken: {error}"
        return
    journal = [(head.seq, head.fingerprint, one.transaction) for one, head in segments]
    if journal != list(Commit.objects.order_by("seq").values_list("seq", "fingerprint", "transaction")):
        yield f"the database's commits are not the journal's {len(journal)} segments"
    if len({transaction for _, _, transaction in journal}) != len(journal):
        yield "a transaction was committed twice"


def _rebuilt() -> Iterator[str]:
    """A database made from nothing but the store has every row that the live one has, and no other."""
    from mezzotint.repository.upkeep import restoring

    live = rows()
    if not live["commit"]:
        return
    with another_database():
        restoring.restore()
        rebuilt = rows()
    for kind, here in live.items():
        if here != rebuilt[kind]:
            there = rebuilt[kind]
            more, less = ([row for row in one if row not in other] for one, other in ((here, there), (there, here)))
            yield f"{kind}: only in the live database {more}\n  only in the rebuilt one {less}"


def _second_reconcile() -> Iterator[str]:
    """Where there is no grace, what a first one moves to the trash a second one would delete."""
    from mezzotint.repository.upkeep import reconciling
    from mezzotint.wiring import engine

    for _ in range(1 if engine().settings.grace else 2):
        reconciling.carry_out(reconciling.plan())
    plan = reconciling.plan()
    if not plan.is_clean or plan.missing.count:
        yield f"a second reconcile is not clean: {plan}"


@contextmanager
def another_database() -> Iterator[None]:
    """This thread's database is a new one meanwhile, without tables."""
    from django.db import connection

    name = f"rebuilt_{uuid.uuid4().hex}"
    if connection.vendor == "sqlite":
        with tempfile.TemporaryDirectory() as directory, _database(str(Path(directory, name))):
            yield
        return
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        with _database(name):
            yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")


@contextmanager
def _database(name: str) -> Iterator[None]:
    from django.contrib.contenttypes.models import ContentType
    from django.db import connections

    before = connections["default"]
    other = before.copy()
    other.settings_dict["NAME"] = name
    connections["default"] = other
    ContentType.objects.clear_cache()
    try:
        yield
    finally:
        other.close()
        connections["default"] = before
        ContentType.objects.clear_cache()


@contextmanager
def started(data: Path, variables: Mapping[str, str] | None = None, *, ready: bool = True) -> Iterator[None]:
    """This process's engine and database are those of `data` meanwhile, and were made `ready` as at a start."""
    from mezzotint.site.prepare import prepare
    from tests.conftest import engine_on

    sqlite, server = str(data / "mezzotint.sqlite3"), environment(data).get("DATABASE_URL", "")
    with engine_on(data, **(variables or {})), _database(server.rpartition("/")[2] or sqlite):
        alarm = prepare().alarm if ready else None
        assert alarm is None, alarm
        yield


def check_directory(
    data: Path, allowed: Iterable[State] = (), variables: Mapping[str, str] | None = None, *, astray: bool = False
) -> None:
    """Start with a data directory that no process has open, and `check` it."""
    with started(data, variables):
        check(allowed, astray=astray)
