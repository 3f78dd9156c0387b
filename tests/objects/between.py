"""An HTTP proxy in front of a Swift, which makes of it a server that behaves otherwise."""

from __future__ import annotations

import http.client
import threading
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from tests.backends.swift import SwiftCluster
from tests.waiting import PATIENCE


class Between:
    """Passes everything on to `swift`, and listens in threads of this process until `stop`. What can be set:

    overwrites   a PUT with If-None-Match replaces what is there: an S3 that ignores conditions
    one_by_one   PUTs wait for each other, so that conditions hold: an S3 that arbitrates
    unanswered   so many PUTs from now on are done, and their answers are lost
    says         the status that each PUT is answered with, and nothing is done
    damages      the first byte of what is PUT becomes another one
    cut          so many answers to GET from now on break off in the middle

    expired      the status that a token which has expired is answered with

    `ranges` are those that were asked for, in their order; the empty text is all of an object. `logins` are counted.
    """

    overwrites = one_by_one = damages = False
    expired = 401
    unanswered = cut = generation = logins = says = 0

    def __init__(self, swift: SwiftCluster) -> None:
        self.swift, self.lock = swift, threading.Lock()
        self.ranges: list[str] = []
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"between": self}))
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        """What opens a store through it."""
        variables = {"AWS_ENDPOINT_URL": self.address, "ST_AUTH": f"{self.address}/auth/v1.0"}
        return self.swift.environment() | variables

    def expire(self) -> None:
        """Every token that was given out until now is refused."""
        self.generation += 1

    def remove(self, path: str) -> None:
        httpx.delete(f"{self.swift.storage_url}{path}", headers={"x-auth-token": self.swift.token()})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may go away."""


class _Handler(BaseHTTPRequestHandler):
    between: Between
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.between.logins += self.path.startswith("/auth/")
        self._pass_on(b"")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.between.says:
            self._answer(self.between.says, [], b"")
            return
        if self.between.damages and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        with self.between.lock if self.between.one_by_one else nullcontext():
            if self.between.overwrites and "if-none-match" in self.headers:
                self.between.remove(self.path)
            self._pass_on(body)

    def do_HEAD(self) -> None:
        self._pass_on(b"")

    def do_COPY(self) -> None:
        self._pass_on(b"")

    def do_DELETE(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers.get("content-length", 0))))

    def _pass_on(self, body: bytes) -> None:
        headers = {name.title(): value for name, value in self.headers.items()}
        if "X-Auth-Token" in headers:
            headers["X-Auth-Token"], _, generation = headers["X-Auth-Token"].partition("-")
            if generation != str(self.between.generation):
                return self._answer(self.between.expired, [], b"")
        upstream = http.client.HTTPConnection("127.0.0.1", self.between.swift.port, timeout=PATIENCE)
        try:
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            return self._answer(answer.status, answer.getheaders(), answer.read())
        finally:
            upstream.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        between = self.between
        if self.command == "PUT" and between.unanswered:
            between.unanswered -= 1
            self.close_connection = True
            return
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() in {"x-auth-token", "x-storage-token"}:
                self.send_header(name, f"{value}-{between.generation}")
            elif name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                self.send_header(name, value)
        given = dict(headers).get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", given or str(len(body)))
        self.end_headers()
        if self.command == "GET" and status in {200, 206} and "etag" in {name.lower() for name, _ in headers}:
            between.ranges.append(self.headers.get("range", ""))
            if between.cut:
                between.cut -= 1
                self.close_connection = True
                body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""
