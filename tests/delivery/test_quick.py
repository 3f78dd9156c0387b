"""The hot path and the long one say the same: a request whole, and then cut in two, which only the long one takes."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mezzotint import tokens
from tests import pictures
from tests.conftest import Server, figure, start_server
from tests.waiting import PATIENCE

OWN = re.compile(rb"(X-Request-Id|Date): [^\r]*")
BASE = pictures.jpeg(300, 200, seed=60)


class Wire:
    """Two connections: on one each request goes out whole, on the other in two pieces."""

    def __init__(self, server: Server) -> None:
        self.server = server
        with ExitStack() as stack:
            self._whole, self._cut = (stack.enter_context(connect(server)) for _ in range(2))
            self._stack = stack.pop_all()

    def close(self) -> None:
        self._stack.close()

    def both(self, request: bytes, at: int) -> tuple[bytes, bytes]:
        is_head = request.startswith(b"HEAD")
        self._whole.sendall(request)
        whole = answer(self._whole, is_head)
        self._cut.sendall(request[:at])
        self._cut.sendall(request[at:])
        return whole, answer(self._cut, is_head)


def connect(server: Server) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def answer(connection: socket.socket, is_head: bool) -> bytes:
    said = b""
    while b"\r\n\r\n" not in said:
        said += connection.recv(65536)
    head, _, body = said.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    size = 0 if is_head or b" 304 " in head or length is None else int(length[1])
    while len(body) < size:
        body += connection.recv(65536)
    return OWN.sub(rb"\1", head) + b"\r\n\r\n" + body


@pytest.fixture(scope="module", params=[True, False], ids=["for everybody", "with a token"])
def wire(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """One worker, so that both connections see the same memory."""
    public = {"MEZZOTINT_WORKERS": "1", "MEZZOTINT_PUBLIC_READ": str(request.param).lower()}
    server = start_server(tmp_path_factory.mktemp("quick") / "data", **public)
    wire = Wire(server)
    yield wire
    wire.close()
    server.stop()


TARGETS = [
    "",
    "-150x100.jpg",
    "-w150.png",
    "-w150.auto",
    "-90x60.auto",
    "-w150.png?a=1",
    "-0x0.jpg",
    "-%31%35%30x100.jpg",
]
ETAGS = ["*", '"x"', "{etag}", "W/{etag}", '"a", {etag}', "{etag}, *", "", "W/*", '"a"' * 30]
RANGES = [
    "bytes=0-9",
    "bytes=-5",
    "bytes=5-",
    "bytes=9-1",
    "bytes=99999999-",
    "bytes=0-0,2-3",
    "lines=1-2",
    "bytes = 1 - 2 ",
    "bytes=-0",
]
ACCEPTS = ["image/avif,image/webp,*/*", "image/webp;q=0", "*/*", "", "text/html", "IMAGE/WEBP"]


def headers() -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "If-None-Match": st.sampled_from(ETAGS),
            "Range": st.sampled_from(RANGES),
            "if-range": st.sampled_from(["{etag}", '"x"', "W/{etag}"]),
            "Accept": st.sampled_from(ACCEPTS),
            "ACCEPT-ENCODING": st.just("gzip, br"),
            "Authorization": st.sampled_from(["Bearer {token}", "bearer  {token}", "Bearer x", "Basic eDp5", "Bearer"]),
            "X-Request-Id": st.sampled_from(["abc", "a b", "x" * 200]),
            "X-Sendfile-Type": st.just("X-Accel-Redirect"),
            "Connection": st.just("keep-alive"),
            "Cookie": st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
        },
    )


@given(
    target=st.sampled_from(TARGETS),
    method=st.sampled_from(["GET", "HEAD"]),
    more=headers(),
    where=st.floats(0, 1),
    of=st.sampled_from(["", "-150x100.jpg"]),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_say_the_same(wire: Wire, target: str, method: str, more: dict[str, str], where: float, of: str) -> None:
    server = wire.server
    ident = server.upload(BASE)
    token = server.token(tokens.Scope.READ)
    etag = server.writer.head(f"/images/{ident}{of}").headers["etag"]
    for suffix in TARGETS[:5]:
        server.writer.get(f"/images/{ident}{suffix}", headers={"Accept": more.get("Accept", "*/*")})
    lines = [f"{method} /images/{ident}{target} HTTP/1.1", "Host: here"]
    lines += [f"{name}: {value.replace('{etag}', etag).replace('{token}', token)}" for name, value in more.items()]
    request = "\r\n".join([*lines, "", ""]).encode()
    whole, cut = wire.both(request, 1 + int(where * (len(request) - 2)))
    assert whole == cut


def test_what_is_in_memory_goes_the_short_way(wire: Wire) -> None:
    """Else the comparison would say nothing: the long one asks for facts and files, and is seen to."""
    server = wire.server
    ident = server.upload(BASE)
    name = f"/images/{ident}-120x80.jpg"
    server.writer.get(name).raise_for_status()
    server.writer.get(name).raise_for_status()
    before = figure(server, "mezzotint_image_requests_total", answer="hit")
    authorization = f"Authorization: Bearer {server.token(tokens.Scope.READ)}"
    with connect(server) as connection:
        for _ in range(20):
            connection.sendall(f"GET {name} HTTP/1.1\r\nHost: here\r\n{authorization}\r\n\r\n".encode())
            assert answer(connection, False).startswith(b"HTTP/1.1 200 OK\r\n")
    assert figure(server, "mezzotint_image_requests_total", answer="hit") == before + 20


SPACES = b" " * 24_000


@pytest.mark.parametrize(
    "header",
    [
        b"Range: bytes=" + SPACES + b"x", b"Range: bytes=" + b"0" * 24_000 + b"-", b"Range: bytes=" + b"1-2," * 6000,
        b"If-None-Match: " + b'W/"a",' * 4000, b"If-None-Match: " + SPACES + b"x", b"Accept: " + b"a;" * 12_000,
        b"Accept: " + b"image/webp;q=" + b"1" * 24_000, b"Accept: " + b"," * 24_000,
        b"Authorization: Bearer " + b"." * 24_000,
        b"Authorization: " + SPACES + b"x", b"X-Request-Id: " + b"a" * 24_000, b"Cookie: " + b"a=b;" * 6000,
        b"If-Range: " + SPACES + b"x",
    ],
    ids=lambda header: header[:20].decode(),
)  # fmt: skip
def test_no_header_costs_more_than_its_length(wire: Wire, header: bytes) -> None:
    """A quadratic reading of the longest that is let in takes seconds of the server's own CPU."""
    ident = wire.server.upload(BASE)
    name = f"/images/{ident}-150x100.jpg".encode()
    wire.server.writer.get(name.decode()).raise_for_status()
    [worker] = wire.server.workers()
    before = cpu(worker)
    for at in (10, 1000):
        wire.both(b"GET " + name + b" HTTP/1.1\r\nHost: here\r\n" + header + b"\r\n\r\n", at)
    assert cpu(worker) - before < 1.0


def cpu(pid: int) -> float:
    """Seconds of its own; what else the machine does is not in them."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
