"""What one process of each host does in the background of `serve`, for as long as it runs."""

from __future__ import annotations

import logging
import threading

from django.db import DatabaseError, close_old_connections, connections

from mezzotint.errors import MezzotintError
from mezzotint.repository import standing
from mezzotint.repository.changes import Changes
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
_AGAIN = 0.5
"""seconds after a failure, or where it may not begin"""


class Background(threading.Thread):
    """Waits until no other process of this host does what `name` is, and does it then: until it is stopped."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._stopped = threading.Event()
        self._mine = False

    def work(self) -> None:
        """Until it is interrupted. What it raises is logged, and it is begun anew."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Have `work` return soon. In another thread, after `_stopped` was set; `work` may not have begun."""
        raise NotImplementedError

    def may_begin(self) -> bool:
        """Where the database shows a past commit to look at, nothing is done. Raises DatabaseError."""
        return standing.installation().pinned is None

    def run(self) -> None:
        while not self._stopped.wait(_AGAIN):
            try:
                with engine().host.locks.sleep_until_held(self.name):
                    self._mine = True
                    if not self._stopped.is_set() and self._may_begin():
                        self.work()
            except Exception:
                log.exception("%s: it is begun anew", self.name)
            finally:
                self._mine = False

    def stop(self) -> None:
        """One that sleeps until another process ends is not waited for: it does nothing any more."""
        self._stopped.set()
        self.interrupt()
        if self._mine:
            self.join(10)

    def _may_begin(self) -> bool:
        close_old_connections()
        try:
            return self.may_begin()
        except DatabaseError:
            return False
        finally:
            connections.close_all()


class Watching(Background):
    """Does a `turn` when the database may have changed, looking at it every so many seconds."""

    every = 1.0

    def turn(self, changes: Changes) -> None:
        """Raises what is logged, and has it done again."""
        raise NotImplementedError

    def is_due(self) -> bool:
        """Something is to be done whatever has changed."""
        return False

    def work(self) -> None:
        changes = Changes()
        try:
            while not self._stopped.wait(self.every):
                if not changes.are_there() and not self.is_due():
                    continue
                try:
                    if standing.head().seq:  # before that there is nothing, and it may be replaced by what is restored
                        self.turn(changes)
                except (MezzotintError, DatabaseError) as error:
                    log.warning("%s: it is done later: %s", self.name, error)
                    changes.expect()
                finally:
                    connections.close_all()
        finally:
            changes.close()

    def interrupt(self) -> None:
        """It looks at `_stopped` itself."""
