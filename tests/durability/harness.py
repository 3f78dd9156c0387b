"""One process with a repository, which crashes and starts again, and the model of what it must show."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from django.contrib.auth.models import Group, User
from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from mezzotint import wiring
from mezzotint.errors import StoreUnavailable
from mezzotint.objects import DirectoryStore, ObjectStore, Retrying
from mezzotint.repository import commits, models, standing
from mezzotint.repository.intake import capture
from mezzotint.repository.models import Commit
from mezzotint.repository.upkeep import removals, restoring
from mezzotint.settings import Settings
from mezzotint.wiring import Engine
from tests.durability import oracle
from tests.durability.model import Model, Step
from tests.faults import Crash, FaultyStore, Rates

_EMPTIED = (
    models.SessionChange,
    models.UpdateSession,
    models.Membership,
    models.Image,
    models.Collection,
    models.Removal,
    models.Commit,
    models.Sighting,
    models.Snapshot,
    models.Installation,
    User,
    Group,
    models.Captured,
)


class Untouched(FaultyStore):
    """Without faults but those that are asked for; it lets files be read where they lie."""

    def local_path(self, key: str) -> Path | None:
        return self._store.local_path(key)


@dataclass
class Session:
    """`asked`: its outcome is not known, and perhaps it is committed already."""

    steps: list[Step] = field(default_factory=list)
    asked: bool = False
    aborted: bool = False


class Harness(RuleBasedStateMachine):
    """`kind` and `rates` say what befalls the store; `injected` counts it and `done` what went well, over all runs."""

    kind: ClassVar[type[FaultyStore]] = Untouched
    rates: ClassVar = Rates()
    injected: ClassVar[Counter[str]]
    done: ClassVar[Counter[str]]

    def __init_subclass__(cls) -> None:
        cls.injected, cls.done = Counter(), Counter()

    @initialize(seed=st.integers(0, 2**16), grace=st.sampled_from(["0s", "7d"]), racing=st.booleans())
    def begin(self, seed: int, grace: str, racing: bool) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="machine-"))
        self.data, self.copy, self.copied_at = self.place / "data", self.place / "copy", 0
        self.seed, self.grace, self.racing = seed, grace, racing
        self.model, self.seq, self.lost_at = Model(), 0, 0
        self.sessions: dict[str, Session] = {}
        self.people: dict[str, list[str]] = {}
        self.perhaps_durable: list[dict[str, list[str]]] = [{}]
        self.perhaps_purged: set[str] = set()
        self.viewed: set[str] = set()
        self.empty_database()
        self.open()
        with self.faulty.calm():
            assert standing.compare() == ""

    def teardown(self) -> None:
        if not hasattr(self, "engine"):
            return
        try:
            with self.faulty.calm():
                self.recover()
                self.follow()
                self.check()
                if self.grace == "0s":
                    self.perhaps_purged |= set(self.model.removed)
                oracle.check()
                self.check()
        finally:
            self.close()
            shutil.rmtree(self.place)

    def open(self) -> None:
        self.seed += 1
        opened = vars(wiring)["open_store"]
        vars(wiring)["open_store"] = self.wrapped
        try:
            variables = {"MEZZOTINT_DATA": str(self.data), "MEZZOTINT_WORKERS": "1", "MEZZOTINT_GRACE": self.grace}
            self.engine: Engine = wiring.open_engine(Settings.read(variables))
        finally:
            vars(wiring)["open_store"] = opened
        self.before, wiring._engine = wiring._engine, self.engine
        chance = random.Random(self.seed)
        self.faulty.fail(chance.choice(["crash", "crash-after"]), chance.randint(1, 100))

    def wrapped(self, url: str, settings: Settings, *more: object) -> ObjectStore:
        self.bare = DirectoryStore(self.data / "store")
        double = 0.3 if self.racing and self.rates.refused else 0
        self.faulty = self.kind(self.bare, replace(self.rates, double=double), self.seed)
        return Retrying(self.faulty, attempts=3, pause=lambda seconds: None)

    def close(self) -> None:
        self.injected.update(self.faulty.injected)
        wiring._engine = self.before
        self.engine.close()
        connection.close()

    @contextmanager
    def surviving(self) -> Iterator[None]:
        """What is done in here may be broken off; after a crash all is started again."""
        try:
            yield
        except Crash:
            self.start_again()
        except StoreUnavailable:
            pass
        self.follow()

    def start_again(self) -> None:
        """As `prepare` does; where nothing answers, or where it crashes once more, again."""
        for attempt in range(8):
            self.close()
            self.open()
            try:
                if attempt < 7:
                    self.recover()
                else:
                    with self.faulty.calm():
                        self.recover()
                break
            except (Crash, StoreUnavailable):
                continue
        self.all_durable()

    def recover(self) -> None:
        if restoring.is_fresh() and not self.engine.journal.is_empty():
            restoring.restore()
        if alarm := standing.compare():
            assert "could not be reached" in alarm, alarm
            raise StoreUnavailable(alarm)
        commits.catch_up()
        removals.settle(commits.catch_up)
        commits.flush("setup")

    def follow(self) -> None:
        """Have the model do what was committed: each transaction is one of a session, or what was captured."""
        for one in Commit.objects.filter(seq__gt=self.seq).order_by("seq"):
            session = self.sessions.pop(one.transaction, None)
            if session is not None:
                assert not self.model.refuses(session.steps), f"commit {one.seq} overwrites another's change"
                self.model.commit(session.steps)
            else:
                assert one.note == "changed in the database", f"nobody asked for commit {one.seq}"
            self.done["commits" if session else "flushes"] += 1
            self.seq = one.seq
        self.perhaps_purged &= set(self.model.removed)

    def check(self) -> None:
        raise NotImplementedError

    def has_images(self) -> bool:
        return bool(self.model.images)

    def all_durable(self) -> None:
        self.perhaps_durable = [dict(self.people)]

    def empty_database(self) -> None:
        with capture.silenced():
            for model in _EMPTIED:
                model.objects.all().delete()
