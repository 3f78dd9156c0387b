"""What goes on beside the requests: following the journal, committing what was captured,
checkpoints, the trash. One process of a host does it at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from axes.models import AccessAttempt
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, close_old_connections, connections
from django.utils import timezone

from mezzotint.errors import JournalBroken, MezzotintError
from mezzotint.objects.clock import store_time
from mezzotint.repository import commits, fulltext, gauges, history, standing
from mezzotint.repository.changes import Changes
from mezzotint.repository.intake import capture
from mezzotint.repository.models import Removal, Snapshot
from mezzotint.repository.upkeep import checkpointing, removals, showing
from mezzotint.repository.upkeep.background import Background
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
TURN = 1.0
GRACE = 3.0
"""seconds that a change has been waiting for its commit before it is committed here"""
FOLLOW, LOOK_AGAIN, PURGE, CHECKPOINT_AGAIN = 10.0, 10.0, 3600.0, 600.0
"""seconds between two times that a writer looks for others' commits, that an alarm is looked into again,
that the trash is emptied of what is old enough, and after a checkpoint that could not be made; a read node
follows at every turn"""
SHOW, SHOW_STORE, TELL_AGAIN = 5.0, 30.0, 600.0
"""likewise, that the database's and the store's figures are shown, and that the same failure is logged"""

_KEEP_ATTEMPTS = timedelta(days=7)


class Maintenance(Background):
    """`begin` does what could not be done when the server started, and returns whether that is done now."""

    def __init__(self, begin: Callable[[], bool] | None = None) -> None:
        super().__init__("maintenance")
        self._begin = begin
        self._last: dict[str, float] = {}
        self._told: dict[str, tuple[str, float]] = {}
        self._tidied = -1
        self._first: tuple[int | None, float] = (None, 0.0)

    def may_begin(self) -> bool:
        """A database that does not answer is told of by the turns."""
        return True

    def work(self) -> None:
        changes = Changes()
        try:
            gauges.TURN.set_to_current_time()
            while not self._stopped.wait(TURN):
                is_due = changes.are_there() or engine().settings.read_only or self._has_passed("follow", FOLLOW)
                if is_due and (not self._guarded_turn() or self._first[0] is not None):
                    changes.expect()
        finally:
            changes.close()
            connections.close_all()

    def interrupt(self) -> None:
        """It looks at `_stopped` itself."""

    def _guarded_turn(self) -> bool:
        """Whether all went well."""
        well = True
        close_old_connections()
        for what, work in (
            ("turn", self._timed_turn),
            ("figures", self._show),
            ("the store's figures", self._show_store),
        ):
            try:
                work()
            except JournalBroken as error:
                standing.raise_alarm(error)
            except Exception as error:  # whatever it is, the next turn may do better
                self._tell(what, error)
                well = False
        return well

    def _tell(self, what: str, error: Exception) -> None:
        """Once in a while is enough."""
        text, now = str(error), time.monotonic()
        told, at = self._told.get(what, ("", 0.0))
        if text != told or now - at > TELL_AGAIN:
            self._told[what] = text, now
            known = isinstance(error, (MezzotintError, DatabaseError))
            log.warning("maintenance: %s: %s", what, error, exc_info=not known)

    def _timed_turn(self) -> None:
        self.turn()
        gauges.TURN.set_to_current_time()

    def turn(self) -> None:
        """Everything that is due now. Raises MezzotintError, DatabaseError; the rest waits for the next turn."""
        if self._begin is not None:
            if not self._is_due("begin", LOOK_AGAIN) or not self._begin():
                return
            self._begin = None
        showing.show()
        if standing.installation().pinned is not None:
            return
        if standing.installation().alarm:
            if not self._is_due("alarm", LOOK_AGAIN) or standing.compare():
                return
            log.info("the alarm has ended")
        if engine().settings.read_only:
            self._follow()
        else:
            self._write()
        removals.purge_here()
        showing.show()
        self._tidy()
        history.go_on(self._stopped.is_set)

    def _show(self) -> None:
        if self._is_due("show", SHOW):
            gauges.show()

    def _show_store(self) -> None:
        if self._is_due("show store", SHOW_STORE):
            gauges.show_store()

    def _tidy(self) -> None:
        seq = standing.head().seq
        if seq != self._tidied and not fulltext.tidy():
            self._tidied = seq

    def _follow(self) -> None:
        commits.catch_up()
        removals.settle(commits.catch_up)
        standing.followed()

    def _write(self) -> None:
        self._flush()
        if Removal.objects.filter(settled=False).exists():
            removals.settle(commits.catch_up)
        if self._is_due("follow", FOLLOW):
            commits.catch_up()
        self._checkpoint()
        if self._is_due("purge", PURGE):
            _forget_logins()
            if Removal.objects.exists():
                removals.purge_expired(store_time(engine().store))

    def _flush(self) -> None:
        """Commit as `system` what was captured a while ago, and whoever changed it has not committed."""
        first, now = capture.first(), time.monotonic()
        if first != self._first[0]:
            self._first = first, now
        elif first is not None and now - self._first[1] >= GRACE:
            commits.flush("system")

    def _checkpoint(self) -> None:
        if self._is_due("interrupted", float("inf")):
            Snapshot.objects.filter(state=Snapshot.State.RUNNING).update(state=Snapshot.State.WAITING)
        if not Snapshot.objects.filter(state=Snapshot.State.WAITING).exists():
            if not (self._is_due("checkpoint", FOLLOW) and checkpointing.is_due()):
                return
            Snapshot.objects.create(by="system")
        for snapshot in Snapshot.objects.filter(state=Snapshot.State.WAITING).order_by("asked"):
            self._last["checkpoint"] = time.monotonic() + CHECKPOINT_AGAIN  # later, if this one fails
            checkpointing.make(snapshot)
            self._last["checkpoint"] = time.monotonic()

    def _is_due(self, what: str, seconds: float) -> bool:
        if not self._has_passed(what, seconds):
            return False
        self._last[what] = time.monotonic()
        return True

    def _has_passed(self, what: str, seconds: float) -> bool:
        return time.monotonic() - self._last.get(what, float("-inf")) >= seconds


def _forget_logins() -> None:
    """Those that have ended, and those that failed and lock nobody any more: nothing else takes them out of the
    database."""
    SessionStore.clear_expired()
    AccessAttempt.objects.filter(attempt_time__lt=timezone.now() - _KEEP_ATTEMPTS).delete()
