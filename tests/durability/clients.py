"""Clients of a server that is killed now and then. Each remembers what it was told, and looks whether it is so."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import httpx

from tests import http, pictures
from tests.waiting import PATIENCE

T = TypeVar("T")
_PATIENCE = 120
"""seconds until a server has to answer again"""


class Violation(Exception):
    """A promise was broken."""


class NoAnswer(Exception):
    """Nobody can tell what came of the request."""


@dataclass(eq=False)
class Known:
    """A picture: `titles` has everything that it may be called now, and None where it may not be there."""

    data: bytes
    ident: str = ""
    titles: set[str | None] = field(default_factory=lambda: {None})

    def __post_init__(self) -> None:
        self.ident = hashlib.sha256(self.data).hexdigest()


@dataclass
class World:
    """What the clients share. `servers` maps a name to its address, and to nothing while it is down."""

    token: str = ""
    servers: dict[str, str] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)
    violations: list[str] = field(default_factory=list)
    count: Counter[str] = field(default_factory=Counter)
    seq: int = 0
    """the last commit that somebody was told of"""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def counted(self, what: str) -> None:
        with self.lock:
            self.count[what] += 1

    def violated(self, what: str) -> None:
        self.violations.append(what)
        self.ended.set()

    def acknowledged(self, seq: int) -> None:
        with self.lock:
            self.seq = max(self.seq, seq)
            self.count["commits acknowledged"] += 1


class Client(threading.Thread):
    """It alone changes its pictures, so nobody else's changes come between."""

    def __init__(self, number: int, seed: int, world: World) -> None:
        super().__init__(name=f"client-{number}")
        self._random, self._number, self._world = random.Random(seed * 1000 + number), number, world
        self._http = http.Client(timeout=PATIENCE)
        self.pictures: list[Known] = []

    def run(self) -> None:
        doings = [self.upload, self.edit, self.remove, self.several, self.look, self.look, self.look_elsewhere]
        try:
            while not self._world.ended.is_set():
                doing = self._random.choice(doings)
                try:
                    doing()
                    self._world.counted(doing.__name__)
                except NoAnswer:
                    self._world.counted("no answer")
                    time.sleep(0.2)
        except Violation as violation:
            self._violated(str(violation))
        except Exception as error:
            self._violated(f"a client broke: {error!r}")
        finally:
            self._http.close()

    def _violated(self, what: str) -> None:
        self._world.violated(f"{time.strftime('%H:%M:%S')} {self.name}: {what}")

    def upload(self) -> None:
        """A new one, or one that was removed, or one that is there."""
        known, title = self._any_picture(), self._title()
        with self._perhaps(known, title):
            answer = self.ask("POST", "/api/images/", {200, 201}, files={"file": ("a.jpg", known.data)}, title=title)
        told = answer.json()
        self._world.acknowledged(told["commit"]["seq"])
        if told["known"] and told["title"] not in known.titles:
            raise Violation(f"{known.ident} is called {told['title']!r}, and not one of {known.titles}")
        known.titles = {told["title"]}

    def edit(self) -> None:
        known, title = self._any_picture(), self._title()
        seen = self._see(known)
        if seen is None:
            return
        with self._perhaps(known, title):
            body = {"version": seen["version"], "title": title}
            answer = self.ask("PATCH", f"/api/images/{known.ident}/", {200, 404, 409}, json=body)
        self._settle(known, answer, {title})

    def remove(self) -> None:
        known = self._any_picture()
        with self._perhaps(known, None):
            answer = self.ask("DELETE", f"/api/images/{known.ident}/", {200, 404})
        self._settle(known, answer, {None})

    def several(self) -> None:
        """Some in and one out, all at once: in the end all of it, or nothing."""
        sure = [one for one in self.pictures if len(one.titles) == 1]
        going = [one for one in sure if None not in one.titles][:1]
        coming = [one for one in sure if None in one.titles][:2] + [self._new() for _ in range(2)]
        after: dict[Known, str | None] = {one: self._title() for one in coming} | dict.fromkeys(going)
        session = f"/api/sessions/{self.ask('POST', '/api/sessions/', {201}, json={}).json()['id']}/"
        for known, title in after.items():
            path = f"{session}images/" if title is not None else f"{session}images/{known.ident}/"
            if title is None:
                answer = self.ask("DELETE", path, {204, 404})
            else:
                files = {"file": ("a.jpg", known.data)}
                answer = self.ask("POST", path, {200, 201, 404}, files=files, title=title)
            if answer.status_code == 404:  # the session went with the database
                return
        for known, title in after.items():
            known.titles.add(title)
        answer = self.insist(lambda: self.ask("POST", f"{session}commit/", {200, 404, 409}))
        if answer.status_code == 200:
            self._world.acknowledged(answer.json()["seq"])
            for known, title in after.items():
                known.titles = {title}
        else:
            self._all_or_nothing(after)

    def look(self) -> None:
        if self.pictures:
            self.check(self._random.choice(self.pictures), "writer")
        promised = self._world.seq
        status = self.ask("GET", "/api/status/", {200}).json()
        if (status["durable"] is not None and status["durable"] < promised) or status["alarm"]:
            raise Violation(f"commit {promised} was acknowledged, and now it is {status}")

    def look_elsewhere(self) -> None:
        """The read node may lag, but bytes are bytes."""
        if self.pictures:
            known = self._random.choice(self.pictures)
            answer = self.ask("GET", f"/images/{known.ident}", {200, 404}, server="reader")
            self._compare(known, answer)

    def check(self, known: Known, server: str) -> None:
        """Raises Violation, NoAnswer."""
        seen = self._see(known, server)
        answer = self.ask("GET", f"/images/{known.ident}", {200, 404}, server=server)
        self._compare(known, answer)
        if answer.status_code == 404 and None not in known.titles:
            raise Violation(f"the bytes of {known.ident} are gone, but {seen}")
        self._world.counted("checks")

    def _see(self, known: Known, server: str = "writer") -> dict[str, Any] | None:
        answer = self.ask("GET", f"/api/images/{known.ident}/", {200, 404}, server=server)
        seen = answer.json() if answer.status_code == 200 else None
        if (seen["title"] if seen else None) not in known.titles:
            raise Violation(f"{known.ident} is {seen}, and not one of {known.titles}")
        return seen

    def _compare(self, known: Known, answer: httpx.Response) -> None:
        if answer.status_code == 200 and answer.content != known.data:
            raise Violation(f"the bytes of {known.ident} are others")

    def _all_or_nothing(self, after: dict[Known, str | None]) -> None:
        """The session is refused, or went with its database: what was promised shows whether it was committed."""
        seen = [self.insist(partial(self._see, known)) for known in after]
        shown = [one["title"] if one else None for one in seen]
        done = [title == now for title, now in zip(shown, after.values(), strict=True)]
        if any(done) != all(done):
            raise Violation(f"a session was committed by halves: {dict(zip(after.values(), shown, strict=True))}")
        for known, title in zip(after, shown, strict=True):
            known.titles = {title}
        self._world.counted("sessions lost")

    def _settle(self, known: Known, answer: httpx.Response, titles: set[str | None]) -> None:
        if answer.status_code == 200:
            known.titles = titles
            if "seq" in answer.json():
                self._world.acknowledged(answer.json()["seq"])
        elif answer.status_code == 404 and None not in known.titles:
            raise Violation(f"{known.ident} is gone")

    @contextmanager
    def _perhaps(self, known: Known, title: str | None) -> Iterator[None]:
        """From when it is asked for until it is answered both is right."""
        before = set(known.titles)
        known.titles.add(title)
        yield
        known.titles = before

    def insist(self, asking: Callable[[], T]) -> T:
        """Ask until there is an answer. Raises Violation after long."""
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return asking()
            except NoAnswer:
                if time.monotonic() > until:
                    raise Violation("nobody has answered for long") from None
                time.sleep(0.2)

    def ask(
        self,
        method: str,
        path: str,
        right: set[int],
        *,
        server: str = "writer",
        title: str | None = None,
        files: dict[str, tuple[str, bytes]] | None = None,
        json: object = None,
    ) -> httpx.Response:
        """Raises NoAnswer, and Violation for an answer that is not `right`."""
        address = self._world.servers.get(server)
        if not address:
            raise NoAnswer
        headers = {"authorization": f"Bearer {self._world.token}"}
        data = {"title": title} if title else None
        try:
            answer = self._http.request(method, f"{address}{path}", headers=headers, files=files, data=data, json=json)
        except httpx.HTTPError:
            raise NoAnswer from None
        if answer.status_code == 503:
            self._world.counted("503")
            raise NoAnswer
        if answer.status_code not in right:
            raise Violation(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer

    def _any_picture(self) -> Known:
        if len(self.pictures) < 5 or self._random.random() < 0.2:
            return self._new()
        return self._random.choice(self.pictures)

    def _new(self) -> Known:
        known = Known(pictures.jpeg(160, 120, seed=self._number * 100_000 + len(self.pictures)))
        self.pictures.append(known)
        return known

    def _title(self) -> str:
        return f"{self.name} {self._random.randrange(10**9)}"
