"""Images that were removed: to the trash, back out of it, and gone when the grace is over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from mezzotint.errors import NotFound
from mezzotint.failpoints import failpoint
from mezzotint.journal import Change
from mezzotint.names import Ident, parse_ident
from mezzotint.repository import queries, references
from mezzotint.repository.locks import committing
from mezzotint.repository.models import Commit, Removal
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
CatchUp = Callable[[], object]
_CHUNK = 500
_AT_ONCE = 20
"""so many are let go of before somebody else may commit"""


def settle(catch_up: CatchUp) -> None:
    """What commits have removed: bases to the trash, derivatives away.

    A base that somebody else refers to stays. Under the committers' lock, and only
    what is not live: nobody can be putting it in again meanwhile. Another database of
    the same store could: so the journal is looked at once more, by `catch_up`, and what
    came back is brought back.
    """
    reads_only = engine().settings.read_only
    while True:
        with committing():
            idents = list(Removal.objects.filter(settled=False).values_list("ident", flat=True)[:_AT_ONCE])
            if not idents:
                return
            for ident in set(idents) - queries.live_idents(idents):
                if not reads_only and not references.want(ident):
                    failpoint("settle.before-trash")
                    engine().bases.life.discard(Ident(ident))
                    failpoint("settle.after-trash")
                else:
                    engine().bases.life.forget(Ident(ident))
            Removal.objects.filter(ident__in=idents).update(settled=True)
        if not reads_only:
            _look_again(idents, catch_up)


def _look_again(idents: list[str], catch_up: CatchUp) -> None:
    catch_up()
    for ident in queries.live_idents(idents):
        if not engine().bases.exists(Ident(ident)):
            engine().bases.life.recover(Ident(ident))


def purge_here() -> None:
    """Have this host's cache forget what was removed since it was last asked to: others commit too."""
    facts, last = engine().host.facts, Commit.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    if not engine().host.database.available:
        return  # it could not be remembered that it was done
    before = int(facts.recall("purged") or 0)
    if last != before:
        for ident in Removal.objects.filter(seq__gt=before).values_list("ident", flat=True):
            engine().bases.life.forget(Ident(ident))
        facts.remember("purged", str(last))


def removal(ident: str) -> Removal:
    """Raises NotFound, InvalidName."""
    found = Removal.objects.filter(ident=parse_ident(ident)).first()
    if found is None:
        raise NotFound(f"{ident} is not in the trash")
    return found


def bring_back(ident: str) -> Change:
    """The last state that a removed image had, whose bytes can be had back by a commit. Raises NotFound."""
    state: Change = removal(ident).state
    if not engine().bases.exists(Ident(ident)) and not engine().bases.life.is_in_trash(Ident(ident)):
        raise NotFound(f"the bytes of {ident} are not in the trash any more")
    return state


def purge_expired(store_now: float) -> int:
    """Delete what has been in the trash for longer than the grace, by the store's clock; returns how many.

    Only what a commit has removed; strays are for reconcile.
    """
    references.complete()
    grace, gone = engine().settings.grace, 0
    old_enough = timezone.now() - timedelta(seconds=grace)  # only spares asking; the store's clock decides
    for found in list(Removal.objects.filter(settled=True, at__lt=old_enough).order_by("seq")[:_CHUNK]):
        ident = Ident(found.ident)
        if not engine().bases.life.is_over(ident, store_now - grace):
            continue
        with committing():
            if queries.is_wanted(ident) or not Removal.objects.filter(pk=found.pk).exists():
                continue
            failpoint("purge.before-delete")
            if not engine().bases.life.delete(ident, store_now - grace):
                continue
            failpoint("purge.after-delete")
            Removal.objects.filter(pk=found.pk).delete()
        gone += 1
    if gone:
        log.info("purged %d images whose grace is over", gone)
    return gone
