"""What opens S3, as AWS's own programs have it: endpoints, credentials that are kept elsewhere, a CA of one's own."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mezzotint.errors import InvalidInput, StoreRefused
from mezzotint.objects import ObjectStore
from mezzotint.objects.registry import open_store
from mezzotint.settings import Settings
from tests.backends.swift import SwiftCluster
from tests.waiting import PATIENCE

KEY = "journal/abcd"


def opened(monkeypatch: pytest.MonkeyPatch, swift: SwiftCluster, **variables: str) -> ObjectStore:
    """With these variables of AWS's alone in the environment: some are read where they stand."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return open_store(f"s3://{swift.new_container()}/pre", Settings.read(variables | {"MEZZOTINT_STORE_TIMEOUT": "5"}))


def kept(store: ObjectStore) -> bytes:
    store.put(KEY, b"kept")
    return store.read(KEY)


@pytest.fixture
def given(swift: SwiftCluster) -> dict[str, str]:
    return {name: value for name, value in swift.environment().items() if name.startswith("AWS_")}


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"])
def test_an_endpoint_has_any_of_its_names(
    name: str, swift: SwiftCluster, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = given.pop("AWS_ENDPOINT_URL")
    assert kept(opened(monkeypatch, swift, **given, **{name: address})) == b"kept"
    for wrong in ("127.0.0.1:9", "ftp://127.0.0.1", "http://", "http://127.0.0.1/?x=1"):
        with pytest.raises(InvalidInput) as refused:
            opened(monkeypatch, swift, **given, **{name: wrong})
        assert (refused.value.field, repr(wrong) in refused.value.detail) == (name, True)


def test_a_profile_has_the_credentials(
    tmp_path: Path, swift: SwiftCluster, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = f"aws_access_key_id={given['AWS_ACCESS_KEY_ID']}\naws_secret_access_key={given['AWS_SECRET_ACCESS_KEY']}\n"
    path = tmp_path / "credentials"
    path.write_text(f"[pictures]\n{pair}")
    variables = {"AWS_SHARED_CREDENTIALS_FILE": str(path), "AWS_ENDPOINT_URL": given["AWS_ENDPOINT_URL"]}
    region = {"AWS_REGION": given["AWS_REGION"]} if "AWS_REGION" in given else {}
    assert kept(opened(monkeypatch, swift, **variables, **region, AWS_PROFILE="pictures")) == b"kept"
    with pytest.raises(InvalidInput) as refused:
        opened(monkeypatch, swift, **variables, AWS_PROFILE="another")
    assert (refused.value.field, "another" in refused.value.detail) == ("AWS_PROFILE", True)


def test_a_container_is_given_credentials(
    swift: SwiftCluster, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {
        "AccessKeyId": given["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": given["AWS_SECRET_ACCESS_KEY"],
        "Token": "",
        "Expiration": (datetime.now(UTC) + timedelta(hours=2)).isoformat(),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}/creds"
        others = {name: given[name] for name in given.keys() & {"AWS_REGION", "AWS_ENDPOINT_URL"}}
        try:
            store = opened(monkeypatch, swift, **others, AWS_CONTAINER_CREDENTIALS_FULL_URI=address)
            assert kept(store) == b"kept"
        finally:
            server.shutdown()
            thread.join()


def test_without_any_credentials_the_ways_are_named(
    swift: SwiftCluster, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput, match=r"AWS_ACCESS_KEY_ID: is not set.*AWS_PROFILE"):
        opened(monkeypatch, swift, AWS_ENDPOINT_URL=given["AWS_ENDPOINT_URL"])


@pytest.fixture
def certified(tmp_path: Path, swift: SwiftCluster, given: dict[str, str]) -> Iterator[tuple[str, Path]]:
    """The same S3 behind TLS, at an address whose certificate is of a CA of one's own; and the CA's file."""
    certificate, key, authority = _certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    upstream = given["AWS_ENDPOINT_URL"]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            answer = httpx.request(
                self.command, f"{upstream}{self.path}", headers=dict(self.headers), content=body, timeout=PATIENCE
            )
            self.send_response(answer.status_code)
            for name in ("etag", "last-modified", "content-type"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_PUT = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None: ...

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Clients go away from a certificate that they do not know."""

    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"https://localhost:{server.server_address[1]}", authority
        finally:
            server.shutdown()
            thread.join()


def test_a_ca_of_ones_own_is_named(
    tmp_path: Path,
    swift: SwiftCluster,
    given: dict[str, str],
    certified: tuple[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, authority = certified
    given["AWS_ENDPOINT_URL"] = address
    assert kept(opened(monkeypatch, swift, **given, AWS_CA_BUNDLE=str(authority))) == b"kept"
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with pytest.raises(StoreRefused, match="S3's certificate is not accepted: UnknownIssuer") as refused:
        opened(monkeypatch, swift, **given).put(KEY, b"x")
    assert "AWS_CA_BUNDLE" in refused.value.hint
    with pytest.raises(InvalidInput, match="AWS_CA_BUNDLE: cannot be read"):
        opened(monkeypatch, swift, **given, AWS_CA_BUNDLE=str(tmp_path / "none.pem"))


def _certificates(directory: Path) -> tuple[Path, Path, Path]:
    """For localhost: a certificate, its key, and the CA's certificate."""
    now, keys = datetime.now(UTC), [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("a CA of one's own", "localhost")]
    paths = [directory / name for name in ("ca.pem", "server.pem", "server.key")]
    for name, key, path in zip(names, keys, paths, strict=False):
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(names[0])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=name is names[0], path_length=None), critical=True)
        )
        path.write_bytes(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    paths[2].write_bytes(
        keys[1].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths[1], paths[2], paths[0]
