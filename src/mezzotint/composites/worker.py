"""The engine: so many members at once, each in a thread with renderers of its own; in `serve` by one process of each
host, and in `mezzotint work` by as many as are started."""

from __future__ import annotations

import logging
import threading
import time

from django.db import DatabaseError, close_old_connections, connections

from mezzotint.composites import claims, gauges, tasks
from mezzotint.composites.working import sweep_scratch, work
from mezzotint.repository.changes import AT_LATEST, Changes
from mezzotint.repository.owners import Owner
from mezzotint.repository.upkeep import background
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
_IDLE, _SWEEP, _AGAIN = 1.0, 5.0, 2.0
_QUEUE_AGAIN = 30.0


class PageEngine:
    """Works until it is stopped."""

    def __init__(self) -> None:
        self._stopped, self._told = threading.Event(), threading.Event()
        self._owner = Owner()
        self._count = max(1, engine().settings.engine_workers)
        self._working: dict[str, threading.Thread] = {}
        self._changes = Changes()

    def stop(self) -> None:
        """From any thread; `run` returns when what is under way was given back."""
        self._stopped.set()
        self._told.set()

    def run(self) -> None:
        listener = threading.Thread(target=self._listen, name="composites-queue", daemon=True)
        listener.start()
        swept, told = 0.0, ""
        try:
            while not self._stopped.is_set():
                try:
                    close_old_connections()
                    if self._working or self._changes.are_there():
                        if time.monotonic() - swept > _SWEEP:
                            swept = time.monotonic()
                            claims.take_over()
                            sweep_scratch()
                            gauges.show()
                        self._begin()
                except Exception as error:
                    if str(error) != told:
                        told = str(error)
                        log.warning("composites: %s", error, exc_info=not isinstance(error, DatabaseError))
                    self._changes.expect()
                    self._stopped.wait(_AGAIN)
                if self._told.wait(_IDLE):
                    self._changes.expect()
                self._told.clear()
        finally:
            for thread in list(self._working.values()):
                thread.join()
            self._owner.close()
            self._changes.close()
            connections.close_all()

    def _begin(self) -> None:
        self._working = {name: thread for name, thread in self._working.items() if thread.is_alive()}
        free = self._count - len(self._working)
        if claims.are_open():
            self._changes.expect()
        for pk in claims.due(free) if free else []:
            claim = claims.take(pk, self._owner)
            if claim is not None:
                thread = threading.Thread(target=self._work, args=(claim,), name=f"composite-{pk}")
                self._working[str(pk)] = thread
                thread.start()

    def _work(self, claim: claims.Claim) -> None:
        try:
            work(claim, self._stopped)
        except Exception:
            log.exception("member %s: it is taken up again when its lease ends", claim.member.pk)
        finally:
            connections.close_all()
            self._told.set()

    def _listen(self) -> None:
        """What the queue tells is taken off it: the table says the same, and this only makes it sooner."""
        told = ""
        changes = Changes(0.0 if engine().settings.sqs_queue else AT_LATEST)  # SQS is no table
        while not self._stopped.is_set():
            try:
                if self._count <= len(self._working):
                    self._stopped.wait(_IDLE)  # others may have room for what is told
                    continue
                if not changes.are_there():
                    self._stopped.wait(_IDLE)
                    continue
                close_old_connections()
                if _drained():
                    self._told.set()
                told = ""
            except Exception as error:
                if str(error) != told:
                    told = str(error)
                    log.warning("composites: the queue is out of reach, and the table is looked at instead: %s", error)
                changes.expect()
                self._stopped.wait(_QUEUE_AGAIN)
        changes.close()
        connections.close_all()


def _drained() -> bool:
    """Take what is ours from the queue; whether there was something."""
    from django_q.brokers import get_broker
    from django_q.signing import BadSignature, SignedPackage

    broker = get_broker()
    found = broker.dequeue() or []
    ours = False
    for ack, package in found:
        try:
            func = SignedPackage.loads(package)["func"]
        except (BadSignature, TypeError, KeyError):
            func = None  # nobody can do anything with it
        if func in {tasks.TASK, tasks.SWEEP, None}:
            broker.acknowledge(ack)
            ours = True
    return ours


class Background(background.Background):
    """The engine in `serve`."""

    def __init__(self) -> None:
        super().__init__("composites")
        self._engine: PageEngine | None = None

    def work(self) -> None:
        self._engine = PageEngine()
        if not self._stopped.is_set():
            self._engine.run()

    def interrupt(self) -> None:
        if self._engine is not None:
            self._engine.stop()

    def may_begin(self) -> bool:
        settings = engine().settings
        return bool(settings.engine_workers) and not settings.read_only and super().may_begin()
