"""Cover art over HTTP: a server, the archive that it asks, and releases of every kind of picture."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from tests.archive import Archive, Art
from tests.archive.holdings import Shape
from tests.imagecloud.nodes import OPEN
from tests.pictures import encoded, jpeg, photograph
from tests.servers import Server, start_server
from tests.waiting import PATIENCE

FRONT = jpeg(800, 800, seed=1)
BACK = encoded(photograph(400, 300, seed=2), "PNG")
BOOKLET = b"%PDF-1.4\nof some pages\n%%EOF\n"
LABEL = encoded(photograph(300, 300, seed=3).convert("P"), "GIF")
LARGE = encoded(photograph(1400, 1400, seed=4), "PNG")
ARTS = [
    Art(11, FRONT),
    Art(12, BACK, "png", ("Back",), front=False, back=True),
    Art(13, BOOKLET, "pdf", ("Booklet",), front=False),
    Art(14, LABEL, "gif", ("Medium",), front=False, comment="Seite A"),
    Art(15, LARGE, "png", ("Other",), front=False),
]
PICTURES = {
    "front": (FRONT, "image/jpeg"),
    "back": (BACK, "image/png"),
    "11": (FRONT, "image/jpeg"),
    "12": (BACK, "image/png"),
    "13": (BOOKLET, "application/pdf"),
    "14": (LABEL, "image/gif"),
    "15": (LARGE, "image/png"),
}
"""by name: the original, and what it is"""


@dataclass
class Covers:
    server: Server
    archive: Archive

    @property
    def http(self) -> httpx.Client:
        return self.server.http

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def release(self, shape: Shape = "new") -> str:
        return self.archive.release(images=ARTS, shape=shape)

    def warmed(self, path: str) -> httpx.Response:
        """What is given once it is here."""
        for _ in range(2):
            answer = self.http.get(path)
            assert answer.status_code == 200, answer.text
        return answer

    def raw(
        self, target: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """A request whose target and Host go out as they stand."""
        given = {"Host": self.host, **(headers or {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                connection.putheader(name, value.encode("latin-1"))
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


class ServeCovers(Protocol):
    def __call__(self, archive: Archive | None = None, **variables: str) -> Covers: ...


@contextmanager
def covers_of(data: Path, archive: Archive | None = None, **variables: str) -> Iterator[Covers]:
    with archive or Archive() as asked:
        server = start_server(data, **(OPEN | {"MEZZOTINT_COVER_ART_UPSTREAM": asked.url} | variables))
        try:
            yield Covers(server, asked)
        finally:
            server.stop()


def etag(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()}"'
