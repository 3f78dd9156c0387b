"""Bases that no URL leads to any more: to the trash, on every host out of the cache, and gone after the grace."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from mezzotint.imagecloud.models import DeletedBase, RemoteImage
from mezzotint.names import Ident
from mezzotint.objects.clock import store_time
from mezzotint.repository import queries
from mezzotint.repository.locks import committing
from mezzotint.wiring import engine

_AT_ONCE = 500


def is_wanted(ident: str) -> bool:
    """By a URL, kept or not, or by the repository."""
    return RemoteImage.objects.filter(ident=ident).exists() or queries.is_wanted(ident)


def let_go(ident: Ident) -> tuple[bool, int]:
    """Unless it is wanted: whether it was there, and how many files the cache had of it."""
    with committing():
        if is_wanted(ident):
            return False, 0
        was_there = engine().bases.is_here(ident)
        DeletedBase.objects.filter(ident=ident).delete()
        DeletedBase.objects.create(ident=ident)  # with a new number, for other hosts to see
        files = engine().bases.life.discard(ident)
    return was_there, files


def supersede(idents: list[str]) -> None:
    """Other pictures have taken their places. Their names were given out as good for ever, so they stay for a grace."""
    rows = [DeletedBase(ident=ident, superseded=True) for ident in idents]
    fields = ["at", "superseded"]
    DeletedBase.objects.bulk_create(rows, update_conflicts=True, unique_fields=["ident"], update_fields=fields)


def purge_expired() -> int:
    """Let go of what was superseded a grace ago; delete from the trash what has been there for longer than the grace,
    by the store's clock. Returns how many are gone."""
    grace = engine().settings.grace
    old = DeletedBase.objects.filter(at__lt=timezone.now() - timedelta(seconds=grace))
    if engine().settings.read_only or not old.exists():
        return 0
    now, gone = store_time(engine().store), 0
    for one in old.order_by("at")[:_AT_ONCE]:
        if one.superseded:
            one.delete()
            let_go(Ident(one.ident))
        else:
            gone += _purge(one, now - grace)
    return gone


def _purge(one: DeletedBase, limit: float) -> bool:
    ident = Ident(one.ident)
    with committing():
        if is_wanted(ident):
            engine().bases.life.recover(ident)
            one.delete()
            return False
        if engine().bases.life.is_in_trash(ident) and not engine().bases.life.delete(ident, limit):
            return False
        one.delete()
    return True


def purge_here() -> None:
    """Have this host's cache forget what was deleted on another one since it was last asked to."""
    facts = engine().host.facts
    if not engine().host.database.available:
        return  # it could not be remembered that it was done
    last = int(facts.recall("deleted") or 0)
    newest = DeletedBase.objects.order_by("-id").values_list("id", flat=True).first()
    if last > (newest or 0):
        last = 0  # another database, whose numbers begin anew
    new = list(DeletedBase.objects.filter(id__gt=last, superseded=False).order_by("id").values_list("id", "ident"))
    for _, ident in new:
        engine().bases.life.forget(Ident(ident))
    if new:
        facts.remember("deleted", str(new[-1][0]))
