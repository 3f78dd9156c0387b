"""The client and what is not to be reached from here: by literal, by name, by redirect, in every spelling.

127.0.0.1 and 127.0.1.1 are open; 127.0.0.2 and ::1, where the same origin listens, are closed.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mezzotint.errors import InvalidInput, OriginFailed
from mezzotint.network import resolver
from mezzotint.network.addresses import Patterns, Policy
from mezzotint.network.client import Client
from mezzotint.network.urls import parse_url
from tests.network.host import OPEN, Host, infos, leading, load, outcome, resolving
from tests.origin import Origin

BODY = b"\x89PNG and so on"
INSIDE = ("127.0.0.2", "::1")


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin(hosts=("127.0.0.1", "127.0.1.1", *INSIDE)) as started:
        started.picture("/a", BODY)
        yield started


def refused(host: Host, origin: Origin, url: str, **options: Any) -> None:
    with pytest.raises(OriginFailed):
        host.load(url, **options)
    assert not any(origin.most_connections[inside] for inside in INSIDE)


# 127.0.0.2, ::1, and what leads to this host too
SPELLINGS = [
    "127.0.0.2", "127.0.0.2.", "127.2", "127.0.2", "2130706434", "0x7f000002", "0x7f.0.0.2", "0177.0.0.2",
    "017700000002", "127.0.0.002", "0x7f.2", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "[::127.0.0.2]", "[::7f00:2]",
    "[64:ff9b::127.0.0.2]", "[64:ff9b::7f00:2]", "[2002:7f00:2::]", "[::ffff:0:127.0.0.2]", "[::1]",
    "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::1%25lo]", "[::1%lo]", "[fe80::1%25lo]", "[::]", "0", "0.0.0.0", "0x0",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2461", "127\u30020\u30020\u30022", "\uff11\uff12\uff17.0.0.2",
    "127%2e0%2e0%2e2", "127.0.0.1@127.0.0.2", "127.0.0.1:80@127.0.0.2", "localhost", "LOCALHOST", "localhost.",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_closed_address_is_not_reached_however_it_is_spelled(host: Host, origin: Origin, spelling: str) -> None:
    policy = Policy(allow=Patterns.of(["127.0.1.1/32"]), ports=None)
    url = f"http://{spelling}:{origin.port}/a"
    origin.answers["/redirect"] = leading(url.encode().decode("latin-1"))
    refused(host, origin, origin.url("/redirect", "127.0.1.1"), policy=policy)
    assert origin.asked == {"/redirect": 1}
    try:
        target = parse_url(url)
    except InvalidInput:
        return
    refused(host, origin, target.url, policy=policy)
    assert origin.asked == {"/redirect": 1}
    assert not origin.most_connections["127.0.0.1"]


@pytest.mark.parametrize("answer", [["127.0.0.2"], ["::1"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"],
                                    ["127.0.0.1", "::1"], ["127.0.0.1", "169.254.169.254"], ["::ffff:127.0.0.1"],
                                    ["127.0.0.1", "fe80::1%lo"], []])  # fmt: skip
def test_a_name_with_one_closed_address_is_refused_whole(host: Host, origin: Origin, answer: list[str]) -> None:
    refused(host, origin, f"http://mixed.test:{origin.port}/a", resolve=resolving(mixed_test=answer))
    assert not origin.most_connections["127.0.0.1"]


def test_a_name_with_open_addresses_is_loaded_under_its_own_name(host: Host, origin: Origin) -> None:
    resolve = resolving(open_test=["127.0.0.1", "127.0.1.1"])
    assert host.load(f"http://open.test:{origin.port}/a", resolve=resolve)[1] == BODY
    assert origin.seen[0].headers["host"] == f"open.test:{origin.port}"


def test_an_open_ipv6_literal_is_loaded(host: Host, origin: Origin) -> None:
    policy = Policy(allow=Patterns.of(["::1/128"]), ports=None)
    assert host.load(origin.url("/a", "[::1]"), policy=policy)[1] == BODY


def test_what_was_checked_is_what_is_connected_to(host: Host, origin: Origin) -> None:
    """A name server that answers otherwise the second time is not asked a second time."""
    answers = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]]
    resolve = lambda name, port: infos(answers.pop(0), port)  # noqa: E731
    assert host.load(f"http://rebound.test:{origin.port}/a", resolve=resolve)[1] == BODY
    assert origin.most_connections == {"127.0.0.1": 1}
    assert len(answers) == 2


def test_a_name_is_checked_again_at_each_connection(
    host: Host, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "FLOOR", 0.0)
    origin.picture("/a", BODY, connection="close")
    answers = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"], ["127.0.0.2"]]
    resolve = lambda name, port: infos(answers.pop(0), port)  # noqa: E731

    async def twice(client: Client) -> list[bytes | Exception]:
        return [await outcome(client, f"http://rebound.test:{origin.port}/a") for _ in range(2)]

    first, second = host.run(twice, resolve=resolve)
    assert first == BODY
    assert isinstance(second, OriginFailed)
    assert not origin.most_connections["127.0.0.2"]


def test_a_redirect_to_the_same_name_is_checked_again(host: Host, origin: Origin) -> None:
    origin.answers["/redirect"] = leading("/a")
    answers = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]]
    resolve = lambda name, port: infos(answers.pop(0) if len(answers) > 1 else answers[0], port)  # noqa: E731
    try:
        _, body = host.load(f"http://rebound.test:{origin.port}/redirect", resolve=resolve)
    except OriginFailed:
        pass
    else:
        assert body == BODY  # over the connection that was checked
    assert not origin.most_connections["127.0.0.2"]


def test_connections_of_one_name_are_not_used_for_another(host: Host, origin: Origin) -> None:
    """`closed.test` has only a closed address; that there is a connection to the same port changes nothing."""
    resolve = resolving(open_test="127.0.0.1", closed_test="127.0.0.2")
    host.limit(test=1)

    async def both(client: Client) -> list[bytes | Exception]:
        return [await outcome(client, f"http://{name}.test:{origin.port}/a") for name in ("open", "closed")]

    first, second = host.run(both, resolve=resolve)
    assert first == BODY
    assert isinstance(second, OriginFailed)
    assert origin.most_connections == {"127.0.0.1": 1}


def test_denying_beats_allowing(host: Host, origin: Origin) -> None:
    allow = Patterns.of(["127.0.0.0/8", "*.test"])
    by_network = Policy(allow, Patterns.of(["127.0.0.2/32"]), None)
    refused(host, origin, origin.url("/a", "127.0.0.2"), policy=by_network)
    refused(host, origin, f"http://a.test:{origin.port}/a", policy=by_network, resolve=resolving(a_test="127.0.0.2"))
    by_name = Policy(allow, Patterns.of(["a.test"]), None)
    refused(host, origin, f"http://a.test:{origin.port}/a", policy=by_name, resolve=resolving(a_test="127.0.0.1"))
    assert not origin.seen
    assert host.load(origin.url("/a"), policy=by_network)[1] == BODY


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/a", "gopher://127.0.0.1/_x", "javascript:alert(1)", "data:image/png,x",
     "dict://127.0.0.1/", "http://me@127.0.0.1:{port}/a", "http://me:secret@127.0.0.1:{port}/a", "http://:@127.0.0.1/",
     "http://127.0.0.1:0/", "http://127.0.0.1:99999/", "//",
     "http://[::1", "http://[]/", "http://127.0.0.2:{port}/a", "//127.0.0.2:{port}/a", "//[::1]:{port}/a",
     "http://" + "a" * 5000, "http://10.0.0.1/", "http://closed.test:{port}/a", "http://nowhere.test:{port}/a"],
)  # fmt: skip
def test_a_redirect_to_where_nothing_is_fetched_is_a_failure(host: Host, origin: Origin, location: str) -> None:
    origin.answers["/redirect"] = leading(location.format(port=origin.port))
    refused(host, origin, origin.url("/redirect"), resolve=resolving(closed_test="127.0.0.2"))
    assert "/a" not in origin.asked


def test_a_redirect_to_a_port_that_is_not_listed_is_a_failure(host: Host, origin: Origin) -> None:
    policy = Policy(OPEN.allow, ports=frozenset({origin.port}))
    with Origin() as other:
        other.picture("/a", BODY)
        origin.answers |= {"/out": leading(other.url("/a")), "/in": leading(origin.url("/a"))}
        with pytest.raises(OriginFailed):
            host.load(origin.url("/out"), policy=policy)
        assert not other.most_connections
        assert host.load(origin.url("/in"), policy=policy)[1] == BODY


def test_bytes_in_a_location_are_escaped_as_they_are(host: Host, origin: Origin) -> None:
    origin.answers |= {"/utf-8": leading("/\xc3\xa4"), "/latin-1": leading("/\xe4")}
    origin.picture("/%C3%A4", b"as UTF-8")
    origin.picture("/%E4", b"as Latin-1")
    assert host.load(origin.url("/utf-8"))[1] == b"as UTF-8"
    assert host.load(origin.url("/latin-1"))[1] == b"as Latin-1"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "path"),
    [("a", "/deep/a"), ("/a", "/a"), ("../a", "/a"), ("?b", "/deep/redirect?b"), ("//127.0.1.1:{port}/a", "/a"),
     ("HTTP://127.0.1.1:{port}/x/../a#f", "/a"),
     # as browsers read them
     ("b c", "/deep/b%20c"), (" a ", "/deep/a"), ("\\a\\b", "/a/b"), ("/a\tb", "/ab"), ("/a?b\\c", "/a?b%5Cc"),
     ("\\\\127.0.1.1:{port}\\a", "/a"), ("http:\\\\127.0.1.1:{port}/a", "/a"), ("http:a", "/deep/a"),
     ("http://127.0.1.1:{port}\\@127.0.0.2/a", "/@127.0.0.2/a")],
)  # fmt: skip
def test_redirects_are_followed_as_the_rfc_says(
    host: Host, origin: Origin, location: str, path: str, code: int
) -> None:
    origin.answers["/deep/redirect"] = leading(location.format(port=origin.port), code)
    origin.picture(path, b"there")
    response, body = host.load(origin.url("/deep/redirect"))
    assert body == b"there"
    there = "127.0.1.1" if "127.0.1.1" in location else "127.0.0.1"
    assert response.target.url == origin.url(path, there)
    assert (origin.seen[-1].host, origin.seen[-1].path) == (there, path)


def test_ten_redirects_are_followed_and_eleven_are_not(host: Host, origin: Origin) -> None:
    for number in range(11):
        origin.answers[f"/{number}"] = leading(f"/{number + 1}")
    origin.picture("/11", BODY)
    assert host.load(origin.url("/1"))[1] == BODY
    origin.asked.clear()
    with pytest.raises(OriginFailed):
        host.load(origin.url("/0"))
    assert origin.asked.total() == 11
    assert "/11" not in origin.asked


def test_a_redirect_loop_ends(host: Host, origin: Origin) -> None:
    origin.answers |= {"/x": leading(origin.url("/y", "127.0.1.1")), "/y": leading(origin.url("/x"))}
    with pytest.raises(OriginFailed):
        host.load(origin.url("/x"))
    assert origin.asked == {"/x": 6, "/y": 5}


def certified(directory: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's context with a certificate for `name` that is trusted here."""
    x509 = pytest.importorskip("cryptography.x509")
    from datetime import UTC, datetime, timedelta

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(issuer, issuer, key.public_key(), 1, now, now + timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    pem = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "pem").write_bytes(pem + secret)
    monkeypatch.setenv("SSL_CERT_FILE", str(directory / "pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "pem")
    return context


def test_over_tls_the_name_is_asked_for_and_its_certificate_looked_at(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certified(tmp_path, "picture.test", monkeypatch)
    names: list[str | None] = []
    context.sni_callback = lambda connection, name, own: names.append(name)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async def work(client: Client) -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        assert (await load(client, f"https://picture.test:{port}/"))[1] == b"abc"
        assert isinstance(await outcome(client, f"https://other.test:{port}/"), OriginFailed)
        assert isinstance(await outcome(client, f"https://127.0.0.1:{port}/"), OriginFailed)
        assert isinstance(await outcome(client, f"http://picture.test:{port}/"), OriginFailed)
        server.close()
        await server.wait_closed()

    host.run(work, resolve=resolving(picture_test="127.0.0.1", other_test="127.0.0.1"))
    assert names[:2] == ["picture.test", "other.test"]


def test_the_systems_own_names_for_this_host_are_closed(host: Host, origin: Origin) -> None:
    refused(host, origin, f"http://{socket.gethostname()}:{origin.port}/a", policy=Policy(ports=None))
    assert not origin.seen
