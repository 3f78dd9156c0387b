"""Whatever changes a repository, and the model with it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from mezzotint.errors import Conflict, NotFound
from mezzotint.repository import commits, services
from mezzotint.repository.models import UpdateSession
from tests import pictures
from tests.durability.harness import Harness, Session
from tests.durability.model import Add, Arrange, Discard, Edit, Remove, Step
from tests.repository.adding import add_image

NAMES = st.integers(0, 7)
PICTURES = st.integers(0, 4)
NOW, LATE = st.booleans(), st.integers(0, 1)
WORDS = st.sampled_from(["", "one", "two"])
SHELVES = st.sampled_from(["left", "right"])
PEOPLE = st.sampled_from(["ada", "bob"])
PERMISSIONS = st.sampled_from(["add_image", "view_image"])


@functools.cache
def picture(name: int) -> bytes:
    return pictures.png(32, 24, seed=name)


@functools.cache
def bytes_of(ident: str) -> bytes:
    return next(data for data in map(picture, range(5)) if hashlib.sha256(data).hexdigest() == ident)


class Changes(Harness):
    """Sessions, and what is written past them."""

    def open_ones(self) -> list[str]:
        return [pk for pk, one in self.sessions.items() if not one.asked and not one.aborted]

    @contextmanager
    def session(self, pick: int, now: bool) -> Iterator[tuple[UpdateSession, list[Step]]]:
        """An open session, a new one if there is none, and its steps; to be committed `now` or later."""
        if not self.open_ones():
            self.open_session()
        pks = self.open_ones()
        pk = pks[pick % len(pks)]
        with self.surviving():
            yield UpdateSession.objects.get(pk=pk), self.sessions[pk].steps
        if now:
            self.commit_now(pk)

    @precondition(lambda self: len(self.open_ones()) < 3)
    @rule()
    def open_session(self) -> None:
        self.sessions[str(services.open_session("somebody").pk)] = Session()

    @rule(pick=NAMES, now=NOW, name=PICTURES, title=WORDS, shelf=st.sampled_from(["", "left", "right"]))
    def upload(self, pick: int, now: bool, name: int, title: str, shelf: str) -> None:
        with self.session(pick, now) as (session, steps):
            base = self.engine.bases.add([picture(name)])
            add_image(session, base, {"title": title}, {shelf: shelf} if shelf else {})
            steps.append(Add(base.ident, title, shelf=shelf))

    @precondition(Harness.has_images)
    @rule(pick=NAMES, now=NOW, which=NAMES, name=st.sampled_from(["title", "creator"]), value=WORDS, late=LATE)
    def edit(self, pick: int, now: bool, which: int, name: str, value: str, late: int) -> None:
        with self.session(pick, now) as (session, steps):
            ident, live = sorted(self.model.images.items())[which % len(self.model.images)]
            seen = max(1, live.version - late)
            services.edit_image(session, ident, seen, {name: value})
            steps.append(Edit(ident, name, value, seen))

    @precondition(Harness.has_images)
    @rule(pick=NAMES, now=NOW, which=NAMES, late=LATE | st.none())
    def remove(self, pick: int, now: bool, which: int, late: int | None) -> None:
        with self.session(pick, now) as (session, steps):
            ident, live = sorted(self.model.images.items())[which % len(self.model.images)]
            seen = None if late is None else max(1, live.version - late)
            services.remove_image(session, ident, seen)
            steps.append(Remove(ident, seen))

    @precondition(lambda self: self.model.removed)
    @rule(pick=NAMES, now=NOW, which=NAMES)
    def bring_back(self, pick: int, now: bool, which: int) -> None:
        with self.session(pick, now) as (session, steps):
            ident, was = sorted(self.model.removed.items())[which % len(self.model.removed)]
            try:
                services.bring_back(session, ident)
            except NotFound:
                assert ident in self.perhaps_purged, f"{ident} cannot be brought back"
            else:
                there = tuple(slug for slug in was.shelves if slug in self.model.shelves)
                steps.append(Add(ident, was.title, was.creator, shelves=there))
                self.done["brought back"] += 1

    @rule(pick=NAMES, now=NOW, slug=SHELVES, places=st.lists(NAMES, unique=True))
    def arrange(self, pick: int, now: bool, slug: str, places: list[int]) -> None:
        with self.session(pick, now) as (session, steps):
            live = sorted(self.model.images)
            images = tuple(live[place] for place in places if place < len(live))
            shelf = self.model.shelves.get(slug)
            seen = shelf.version if shelf else None
            services.put_collection(session, slug, {}, seen, list(images))
            steps.append(Arrange(slug, images, seen))

    @precondition(lambda self: self.model.shelves)
    @rule(pick=NAMES, now=NOW, which=NAMES)
    def discard(self, pick: int, now: bool, which: int) -> None:
        with self.session(pick, now) as (session, steps):
            slug = sorted(self.model.shelves)[which % len(self.model.shelves)]
            services.remove_collection(session, slug)
            steps.append(Discard(slug))

    @precondition(lambda self: self.sessions)
    @rule(pick=NAMES)
    def commit(self, pick: int) -> None:
        """Also one that has been asked for before, and one that was thrown away."""
        self.commit_now(list(self.sessions)[pick % len(self.sessions)])

    def commit_now(self, pk: str) -> None:
        asked = self.sessions[pk]
        asked.asked = True
        with self.surviving():
            try:
                done = commits.commit(UpdateSession.objects.get(pk=pk))
            except Conflict:
                self.follow()
                asked.asked = False
                assert pk in self.sessions, "what is committed was refused"
                assert asked.aborted or self.model.refuses(asked.steps), "refused without a reason"
                self.done["refused commits"] += 1
            else:
                self.follow()
                assert (done.transaction, done.seq <= self.seq, pk in self.sessions) == (pk, True, False)
            self.all_durable()

    @precondition(lambda self: self.open_ones())
    @rule(pick=NAMES)
    def abort(self, pick: int) -> None:
        pk = self.open_ones()[pick % len(self.open_ones())]
        services.abort(UpdateSession.objects.get(pk=pk))
        self.sessions[pk].aborted = True

    # --- changes that no session makes

    @rule(name=PEOPLE)
    def hire_or_dismiss(self, name: str) -> None:
        """By raw SQL, which no code of ours sees."""
        with connection.cursor() as cursor:
            if name in self.people:
                number = "SELECT id FROM auth_user WHERE username = %s"
                cursor.execute(f"DELETE FROM auth_user_user_permissions WHERE user_id = ({number})", [name])
                cursor.execute("DELETE FROM auth_user WHERE username = %s", [name])
                del self.people[name]
            else:
                cursor.execute(
                    "INSERT INTO auth_user (username, password, first_name, last_name, email, is_superuser, is_staff, "
                    "is_active, date_joined) VALUES (%s, '', '', '', '', %s, %s, %s, '2026-01-01 00:00:00+00:00')",
                    [name, False, False, True],
                )
                self.people[name] = []
        self.perhaps_durable.append(dict(self.people))

    @precondition(lambda self: self.people)
    @rule(which=NAMES, codename=PERMISSIONS)
    def permit_or_forbid(self, which: int, codename: str) -> None:
        name = sorted(self.people)[which % len(self.people)]
        has = codename in self.people[name]
        what = "SELECT u.id, p.id FROM auth_user u, auth_permission p WHERE u.username = %s AND p.codename = %s"
        with connection.cursor() as cursor:
            if has:
                cursor.execute(
                    f"DELETE FROM auth_user_user_permissions WHERE (user_id, permission_id) IN ({what})",
                    [name, codename],
                )
            else:
                cursor.execute(
                    f"INSERT INTO auth_user_user_permissions (user_id, permission_id) {what}", [name, codename]
                )
        self.people[name] = sorted({*self.people[name]} ^ {codename})
        self.perhaps_durable.append(dict(self.people))

    @rule()
    def flush(self) -> None:
        with self.surviving():
            commits.flush("system")
            self.all_durable()
