"""Who asks in the soak of the whole set-up, through every door, and what each of them knows to be right."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests import http, pictures
from tests.archive import Archive, Art
from tests.documents import anything, request, text_pdf
from tests.origin import Origin
from tests.waiting import PATIENCE

CUSTOMER = 99
ALLOWED = {502, 503, 504, 507}
"""what the docs name for a part that is away"""
_RENDITIONS = ("w100.jpg", "60x60.png", "fit90x90.webp", "cover50x80.jpg", "w120.auto")


class Violation(Exception):
    """A promise was broken."""


@dataclass
class World:
    """What all visitors know. `titles` are by ident, the last that was acknowledged, where nobody else changes it."""

    url: str
    token: str
    origin: Origin
    archive: Archive
    bases: dict[str, bytes] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    remote: dict[str, bytes] = field(default_factory=dict)
    covers: dict[str, bytes] = field(default_factory=dict)
    documents: list[str] = field(default_factory=list)
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for number in range(12):
            data = pictures.jpeg(160, 120, seed=1000 + number)
            self.remote[self.origin.picture(f"/{number}.jpg", data)] = data
        for number in range(6):
            data = pictures.jpeg(180, 180, seed=2000 + number)
            release = self.archive.release(images=[Art(number + 10, data)])
            self.covers[f"/release/{release}/front"] = data
        self.pdf = self.origin.picture("/pages.pdf", text_pdf(2), content_type="application/pdf")

    def break_promise(self, what: str) -> None:
        with self.lock:
            self.broken.append(what)


class Visitor(threading.Thread):
    """Asks one thing after the other until it is stopped. What fails as it may is counted, and not tried again."""

    def __init__(self, world: World, number: int, seed: int) -> None:
        super().__init__(name=f"visitor-{number}", daemon=True)
        self._world, self._number = world, number
        self._random = random.Random(seed * 1000 + number)
        self._mine: list[str] = []
        self._made = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        acts = [self.upload, self.describe, self.derive, self.derive, self.base, self.fetch, self.cover, self.page]
        acts += [self.derive, self.cover, self.list_ahead, self.document]
        headers = {"authorization": f"Bearer {self._world.token}"}
        with http.Client(base_url=self._world.url, timeout=PATIENCE, headers=headers) as web:
            while not self.stopped.is_set():
                act = self._random.choice(acts)
                try:
                    act(web)
                except Violation as error:
                    self._world.break_promise(str(error))
                except httpx.HTTPError as error:
                    self._count(act.__name__, type(error).__name__)
                self.stopped.wait(0.02)

    def upload(self, web: httpx.Client) -> None:
        self._made += 1
        data = pictures.jpeg(120, 90, seed=self._number * 100_000 + self._made)
        title = f"picture {self._made} of {self._number}"
        answer = self._ask(
            web, "upload", "POST", "/api/images/", files={"file": ("a.jpg", data)}, data={"title": title}
        )
        if answer is not None:
            told = answer.json()
            if told["ident"] != hashlib.sha256(data).hexdigest():
                raise Violation(f"an upload was given the ident {told['ident']}")
            self._mine.append(told["ident"])
            with self._world.lock:
                self._world.bases[told["ident"]] = data
                self._world.titles[told["ident"]] = title

    def describe(self, web: httpx.Client) -> None:
        if not self._mine:
            return
        ident = self._random.choice(self._mine)
        before = self._ask(web, "read", "GET", f"/api/images/{ident}/", expected={200, 404})
        if before is None:
            return
        if before.status_code == 404:
            raise Violation(f"{ident} was acknowledged, and is not there")
        title = f"{self._random.random()}"
        change = {"version": before.json()["version"], "title": title}
        with self._world.lock:
            self._world.titles.pop(ident, None)  # until it is known which of the two it is
        answer = self._ask(web, "describe", "PATCH", f"/api/images/{ident}/", json=change, expected={200, 409})
        if answer is not None and answer.status_code == 200:
            with self._world.lock:
                self._world.titles[ident] = title

    def derive(self, web: httpx.Client) -> None:
        ident = self._some()
        if ident is None:
            return
        name = f"{ident}-{self._random.choice(_RENDITIONS)}"
        answer = self._ask(web, "derive", "GET", f"/images/{name}", headers={"accept": "image/webp"})
        if answer is not None:
            self._same(name, answer.content)

    def base(self, web: httpx.Client) -> None:
        ident = self._some()
        if ident is None:
            return
        answer = self._ask(web, "base", "GET", f"/images/{ident}")
        if answer is not None and answer.content != self._world.bases[ident]:
            raise Violation(f"the base of {ident} has other bytes")

    def fetch(self, web: httpx.Client) -> None:
        url, data = self._random.choice(list(self._world.remote.items()))
        answer = self._ask(web, "get_image", "GET", "/get_image", params={"url": url})
        if answer is not None and answer.content != data:
            raise Violation(f"{url} has other bytes")

    def cover(self, web: httpx.Client) -> None:
        path, data = self._random.choice(list(self._world.covers.items()))
        answer = self._ask(web, "cover", "GET", path)
        if answer is not None and answer.content != data:
            raise Violation(f"{path} has other bytes")

    def page(self, web: httpx.Client) -> None:
        self._ask(web, "page", "GET", self._random.choice(["/", "/api/images/", "/api/status/", "/cache-status"]))

    def list_ahead(self, web: httpx.Client) -> None:
        self._ask(web, "prefetch", "POST", "/fire_and_forget", json={"urls": list(self._world.remote)[:3]})

    def document(self, web: httpx.Client) -> None:
        if len(self._world.documents) > 60:
            return
        self._made += 1
        asked = request(anything(origin=self._world.pdf, compositeId=f"d{self._number}-{self._made}"))
        answer = self._ask(web, "document", "POST", f"/customers/{CUSTOMER}/queue", json=asked)
        if answer is not None:
            with self._world.lock:
                self._world.documents.append("/" + answer.json()["members"][0]["id"].split("/", 3)[3])

    def _some(self) -> str | None:
        known = list(self._world.bases)
        return self._random.choice(known) if known else None

    def _same(self, name: str, data: bytes) -> None:
        digest = hashlib.sha256(data).hexdigest()
        with self._world.lock:
            known = self._world.seen.setdefault(name, digest)
        if known != digest:
            raise Violation(f"{name} has other bytes than before")

    def _ask(
        self, web: httpx.Client, kind: str, method: str, path: str, expected: frozenset[int] | set[int] = frozenset(),
        **options: Any,
    ) -> httpx.Response | None:  # fmt: skip
        """The answer; None where it is an error that may be. Raises Violation for one that may not."""
        begun = time.perf_counter()
        answer = web.request(method, path, **options)
        self._world.took[kind].append(time.perf_counter() - begun)
        if answer.is_success or answer.status_code in expected:
            return answer
        self._count(kind, str(answer.status_code))
        if answer.status_code not in ALLOWED:
            raise Violation(f"{method} {path} was answered {answer.status_code}: {answer.text[:300]}")
        return None

    def _count(self, kind: str, what: str) -> None:
        with self._world.lock:
            self._world.errors[f"{kind} {what}"] += 1
