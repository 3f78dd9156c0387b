"""A repository that everything happens to, against plain dictionaries.

Everything that is done may be broken off, by a crash at any operation of the store or by a store that gives no
answer; whatever came of it is read from the commits that the database has, and then all of it must be there.
"""

from __future__ import annotations

import shutil
import time
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from mezzotint.cache.cleaner import Cleaner
from mezzotint.errors import MezzotintError, NotFound, ReadOnly
from mezzotint.names import Ident, base_key, parse, trash_key
from mezzotint.objects.clock import store_time
from mezzotint.repository import commits, services, standing
from mezzotint.repository.models import Image, Removal, Snapshot, UpdateSession
from mezzotint.repository.upkeep import checkpointing, reconciling, removals
from tests.durability import oracle
from tests.durability.changes import NAMES, Changes, bytes_of
from tests.durability.harness import Harness, Session
from tests.durability.model import Add, Remove
from tests.faults import FaultyStore, Rates
from tests.repository.adding import add_image

_VIEW = "32x24.png"
_TICK = 0.01
"""seconds, after which a file is seen to be older than another"""


class Machine(Changes):
    """Over a directory that answers always, where nothing but crashes and outages that were asked for can happen."""

    # --- what goes on beside the sessions

    @precondition(Harness.has_images)
    @rule(which=NAMES)
    def view(self, which: int) -> None:
        ident = sorted(self.model.images)[which % len(self.model.images)]
        name, rendition = parse(f"{ident}-{_VIEW}")
        assert rendition is not None
        with self.faulty.calm():
            assert self.engine.manager.request(name, rendition).result().data
        self.viewed.add(ident)

    @rule()
    def clean_the_cache(self) -> None:
        Cleaner(self.engine.cache).clean_to(0)

    @rule()
    def reconcile(self) -> None:
        """Without a grace it deletes what lies in the trash, and moves there what nobody refers to."""
        if self.grace == "0s":
            self.perhaps_purged |= set(self.model.removed)
        with self.surviving():
            try:
                found = reconciling.plan()
                assert not found.missing.count, f"{found.missing.idents} are nowhere"
                reconciling.carry_out(found, over_cap=True)
                self.done["reconciled"] += 1
            except ReadOnly:
                assert "could not be reached" in standing.installation().alarm
                with self.faulty.calm():
                    assert standing.compare() == ""

    @rule()
    def empty_the_trash(self) -> None:
        time.sleep(_TICK)
        if self.grace == "0s":
            self.perhaps_purged |= set(self.model.removed)
        with self.surviving():
            removals.purge_expired(store_time(self.engine.store))

    @precondition(Harness.has_images)
    @rule(which=NAMES)
    def remove_what_somebody_waits_with(self, which: int) -> None:
        """What is there has been uploaded once more, for a commit to come, when it is removed."""
        ident = sorted(self.model.images)[which % len(self.model.images)]
        with self.surviving():
            session = services.open_session("somebody")
            self.sessions[str(session.pk)] = Session()
            add_image(session, self.engine.bases.add([bytes_of(ident)]), {})
            self.sessions[str(session.pk)].steps.append(Add(ident, ""))
        if ident in self.model.images:
            session = services.open_session("another")
            services.remove_image(session, ident)
            self.sessions[str(session.pk)] = Session([Remove(ident, None)])
            self.commit_now(str(session.pk))
        self.empty_the_trash()

    @precondition(lambda self: self.seq)
    @rule()
    def checkpoint(self) -> None:
        with self.surviving():
            checkpointing.make(Snapshot.objects.create(by="machine"))
            self.all_durable()

    # --- disasters

    @rule(at=st.integers(1, 12), after=st.booleans())
    def crash_soon(self, at: int, after: bool) -> None:
        self.faulty.fail("crash-after" if after else "crash", at)

    @rule(at=st.integers(1, 8), length=st.integers(4, 24))
    def outage_soon(self, at: int, length: int) -> None:
        """A write's acknowledgement is lost, and then nobody answers for a while: its outcome stays unknown."""
        self.faulty.fail("lost", at)
        for place in range(length):
            self.faulty.fail("refused", at + 1 + place)

    @rule()
    def restart(self) -> None:
        self.start_again()
        self.follow()

    @precondition(lambda self: self.seq > self.lost_at + 2)
    @rule(flushed=st.booleans())
    def lose_the_database(self, flushed: bool) -> None:
        """What comes back is what was promised: all commits, and of the rest a state that it once had."""
        if flushed:
            with self.faulty.calm():
                commits.flush("system")
                self.follow()
                self.all_durable()
                before = oracle.rows()
        promised, self.lost_at = self.perhaps_durable, self.seq
        self.empty_database()
        self.start_again()
        assert standing.head().seq >= self.seq, "commits are lost"
        self.people = {name: list(codenames) for name, codenames in oracle.look().users.items()}
        assert self.people in promised
        self.all_durable()
        self.follow()
        self.sessions.clear()
        self.done["restored"] += 1
        assert not flushed or oracle.rows() == before

    @precondition(lambda self: self.seq)
    @rule()
    def copy_the_store(self) -> None:
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.data / "store", self.copy)
        with self.faulty.calm():  # it may have a segment whose end nobody has seen
            self.copied_at = self.engine.journal.last(self.seq)

    @precondition(lambda self: 0 < self.copied_at < self.seq)
    @rule()
    def roll_the_store_back(self) -> None:
        """Nothing is written to the older store, and all goes on when the newer one is back."""
        store, newer = self.data / "store", self.place / "newer"
        self.close()
        store.rename(newer)
        shutil.copytree(self.copy, store)
        self.open()
        with self.faulty.calm():
            before = {info.key for info in self.bare.list()}
            alarm = standing.compare()
            assert alarm and "could not be reached" not in alarm, "an older store was taken for the right one"
            for attempt in (
                lambda: services.open_session("somebody"),
                reconciling.plan,
                lambda: checkpointing.ask("x"),
            ):
                with pytest.raises(ReadOnly):
                    attempt()
            for pk in self.open_ones():
                with pytest.raises(MezzotintError):
                    commits.commit(UpdateSession.objects.get(pk=pk))
            assert {info.key for info in self.bare.list()} == before
        self.close()
        shutil.rmtree(store)
        newer.rename(store)
        self.open()
        with self.faulty.calm():
            assert standing.compare() == ""
            standing.check_writable()
            self.done["rolled back"] += 1

    # --- what always holds

    @invariant()
    def everything_acknowledged_is_there_and_nothing_by_halves(self) -> None:
        with self.faulty.calm():
            self.check()

    def check(self) -> None:
        model, shown = self.model, oracle.look()
        fields = Image.objects.values_list("ident", "title", "creator", "version")
        assert {row[0]: row[1:] for row in fields} == {
            ident: (one.title, one.creator, one.version) for ident, one in model.images.items()
        }
        assert shown.collections == {slug: list(one.images) for slug, one in model.shelves.items()}
        assert shown.users == self.people
        removed = set(Removal.objects.values_list("ident", flat=True))
        assert set(model.removed) - self.perhaps_purged <= removed <= set(model.removed)
        model.purged = frozenset(set(model.removed) - removed)
        for ident in model.images:
            assert self.bare.read(base_key(Ident(ident))) == bytes_of(ident)
        for ident in set(model.removed) - self.perhaps_purged:
            there = [key for key in (base_key(Ident(ident)), trash_key(Ident(ident))) if self.holds(key)]
            assert bytes_of(ident) in [self.bare.read(key) for key in there], f"{ident} cannot be brought back"
        settled = Removal.objects.filter(settled=True).values_list("ident", flat=True)
        for ident in self.viewed & set(settled):
            assert self.engine.manager.find(f"{ident}-{_VIEW}") is None, "a derivative of what was removed is left"
        states = dict(UpdateSession.objects.values_list("pk", "state"))
        for pk in self.open_ones():
            assert states[UUID(pk)] == "open"

    def holds(self, key: str) -> bool:
        try:
            self.bare.stat(key)
        except NotFound:
            return False
        return True


class FaultyMachine(Machine):
    """Over a store that is slow to list, loses answers and breaks off."""

    kind = FaultyStore
    rates = Rates(refused=0.06, lost=0.08, half=0.1, late=0.2)
