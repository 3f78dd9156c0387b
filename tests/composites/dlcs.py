"""A DLCS on loopback: it knows customers, validates batches as the real one, remembers what it has taken, and fails
where it is told to."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

KEY = "Basic a2V5OnNlY3JldA=="
_NOT_ALLOWED = {"width", "height", "duration", "finished", "created"}
Fault = Callable[["_Handler"], bool]


@dataclass
class Dlcs:
    """`faults` are asked in turn for each POST: one that returns True has answered it, or not."""

    max_batch: int = 250
    spaces: tuple[int, ...] = (7, 8)
    says_batch: bool = True
    batches: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    images: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    posts: int = 0
    looked: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    down: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"dlcs": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.root = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, customer: int, members: list[dict[str, Any]]) -> str:
        with self.lock:
            uri = f"{self.root}/customers/{customer}/queue/batches/{len(self.batches) + 1}"
            self.batches[uri] = members
            for member in members:
                known = {"batch": uri} if self.says_batch else {}
                self.images[member["space"], member["id"]] = member | known
            return uri

    def wrong(self, body: Any) -> str:
        """What it has against a batch; nothing where it takes it."""
        members = body.get("member") if isinstance(body, dict) else None
        if not isinstance(members, list) or not members:
            return "members are missing"
        if len(members) > self.max_batch:
            return f"Max batch size is {self.max_batch}"
        places = [(member.get("space"), member.get("id")) for member in members]
        if len(set(places)) < len(places):
            return "Members contains duplicate identifiers"
        for member in members:
            if not member.get("id"):
                return "Id must not be empty"
            if member.get("space") not in self.spaces:
                return f"Space {member.get('space')} does not exist"
            if not member.get("mediaType"):
                return "Media type must be specified"
            if _NOT_ALLOWED & member.keys():
                return "Should not include " + ", ".join(_NOT_ALLOWED & member.keys())
        return ""


class _Handler(BaseHTTPRequestHandler):
    dlcs: Dlcs
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.dlcs.down:
            self.hang_up()
        elif self.headers.get("Authorization") != KEY:
            self.answer(401, {"title": "Unauthorized"})
        elif len(parts := self.path.strip("/").split("/")) == 2:
            self.answer(200, {"@id": self.path}) if parts[1] == "99" else self.answer(403, {})
        else:
            self.dlcs.looked[parts[-1]] += 1
            with self.dlcs.lock:
                found = self.dlcs.images.get((int(parts[3]), parts[5]))
            self.answer(200, found) if found else self.answer(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.dlcs.down:
            self.hang_up()
            return
        with self.dlcs.lock:
            self.dlcs.posts += 1
            faults = list(self.dlcs.faults)
        self.body = json.loads(body)
        self.wrong = self.dlcs.wrong(self.body)
        if any(fault(self) for fault in faults):
            return
        if self.headers.get("Authorization") != KEY:
            self.answer(401, {"title": "Unauthorized"})
        elif self.wrong:
            self.answer(400, {"@type": "Error", "title": "Invalid request", "detail": self.wrong})
        else:
            self.answer(201, {"@id": self.taken()})

    def taken(self) -> str:
        return self.dlcs.take(int(self.path.split("/")[2]), self.body["member"])

    def answer(self, status: int, body: Any, **headers: str) -> None:
        data = json.dumps(body).encode() if not isinstance(body, bytes) else body
        self.send_response_only(status)
        for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(data))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def once(fault: Fault) -> Fault:
    """The first time only."""
    left = [1]

    def maybe(handler: _Handler) -> bool:
        return bool(left and left.pop() and fault(handler))

    return maybe


def now_and_then(chance: float, seed: int, *faults: Fault) -> Fault:
    choices = random.Random(seed)

    def maybe(handler: _Handler) -> bool:
        return choices.random() < chance and choices.choice(faults)(handler)

    return maybe


def answers(status: int, body: Any = b"", **headers: str) -> Fault:
    """And nothing is done."""

    def fault(handler: _Handler) -> bool:
        handler.answer(status, body, **headers)
        return True

    return fault


def loses_answer(handler: _Handler) -> bool:
    """It takes the batch, and hangs up."""
    if handler.wrong:
        return False
    handler.taken()
    handler.hang_up()
    return True


def hangs_up(handler: _Handler) -> bool:
    handler.hang_up()
    return True


def garbled(handler: _Handler) -> bool:
    """It takes the batch, and says nothing that could be read."""
    if handler.wrong:
        return False
    handler.taken()
    handler.answer(201, b"<html>created</html>")
    return True
