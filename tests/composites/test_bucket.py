"""The bucket that the DLCS reads from: what its pages' addresses are, and what S3 may say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
import pytest
from moto import mock_aws

from mezzotint.composites import bucket
from mezzotint.composites.bucket import Bucket
from mezzotint.errors import InvalidInput, StorageFull, StoreUnavailable
from mezzotint.settings import Settings
from tests.backends.aws import Aws

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
KEY = "composites/99/7/a b/image-1.jpg"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (CREDENTIALS | {"AWS_DEFAULT_REGION": "eu-west-1"}).items():
        monkeypatch.setenv(name, value)


def opened(name: str = "pages", **more: str) -> Bucket:
    return Bucket(name, Settings.read(CREDENTIALS | more))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.jpg"
    path.write_bytes(b"a page")
    return path


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://cdn.example/pages", "https://cdn.example/pages/composites/99/7/a%20b/image-1.jpg"),
        ("https://cdn.example/{key}", "https://cdn.example/composites/99/7/a%20b/image-1.jpg"),
        ("https://cdn.example/{key}?v=1", "https://cdn.example/composites/99/7/a%20b/image-1.jpg?v=1"),
    ],
)
def test_the_address_of_a_page_is_as_the_settings_have_it(given: str, origin: str) -> None:
    assert opened(DLCS_S3_ORIGIN=given, AWS_ENDPOINT_URL="http://elsewhere").origin_of(KEY) == origin


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_otherwise_it_is_at_the_endpoint(name: str) -> None:
    origin = opened(**{name: "http://127.0.0.1:9000/"}).origin_of(KEY)
    assert origin == "http://127.0.0.1:9000/pages/composites/99/7/a%20b/image-1.jpg"


@pytest.mark.parametrize(
    ("region", "host"), [("eu-central-1", "s3-eu-central-1.amazonaws.com"), ("us-east-1", "s3.amazonaws.com")]
)
def test_otherwise_it_is_where_aws_has_the_bucket(region: str, host: str) -> None:
    with mock_aws():
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        boto3.client("s3", region_name=region).create_bucket(Bucket="pages", **where)
        assert opened().origin_of(KEY) == f"https://{host}/pages/composites/99/7/a%20b/image-1.jpg"


def test_a_bucket_that_nobody_knows_is_unavailable() -> None:
    with (
        mock_aws(),
        pytest.raises(StoreUnavailable, match=r"S3 does not say where the bucket pages is: .*NoSuchBucket"),
    ):
        _ = opened().origin


def test_an_origin_that_is_no_address_is_refused() -> None:
    with pytest.raises(InvalidInput, match="DLCS_S3_ORIGIN"):
        opened(DLCS_S3_ORIGIN="cdn.example/pages")


@contextmanager
def answering(status: int, body: bytes = b"") -> Iterator[str]:
    """An S3 that answers everything so; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


@pytest.mark.parametrize(
    ("status", "code"), [(507, "InsufficientStorage"), (403, "QuotaExceeded")], ids=["507", "quota"]
)
def test_an_s3_without_room_says_so(page: Path, status: int, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "_TRIES", 1)
    with answering(status, _error(code)) as address, pytest.raises(StorageFull, match=r"pages does not take a\.jpg: "):
        opened(AWS_ENDPOINT_URL=address).put("a.jpg", page, "image/jpeg")


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_an_s3_that_refuses_or_fails_is_told_with_the_key(
    page: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_TRIES", 1)
    with answering(status, _error("AccessDenied")) as address:
        pages = opened(AWS_ENDPOINT_URL=address)
        with pytest.raises(StoreUnavailable, match=re.escape("pages does not take a/image-1.jpg: ")):
            pages.put("a/image-1.jpg", page, "image/jpeg")
        with pytest.raises(StoreUnavailable, match="pages cannot be listed: "):
            pages.keys("a/")


def test_deleting_that_fails_is_told_with_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "_TRIES", 1)
    told = pytest.raises(StoreUnavailable, match=r"pages does not delete a/image-1\.jpg: ")
    with answering(403, _error("AccessDenied")) as address, told:
        opened(AWS_ENDPOINT_URL=address).delete(["a/image-1.jpg"])


def test_no_answer_is_a_sentence_of_one_line(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "_TRIES", 1)
    with answering(200) as address:
        pass
    with pytest.raises(StoreUnavailable) as told:
        opened(AWS_ENDPOINT_URL=address).put("a.jpg", page, "image/jpeg")
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 400


def test_pages_are_kept_listed_and_removed(aws: Aws, page: Path) -> None:
    pages = opened(aws.new_bucket(), AWS_ENDPOINT_URL=aws.url)
    for key in ("a/image-1.jpg", "a/image-2.jpg", "ab/image-1.jpg"):
        pages.put(key, page, "image/jpeg")
    assert sorted(pages.keys("a/")) == ["a/image-1.jpg", "a/image-2.jpg"]
    pages.delete(["a/image-1.jpg", "a/never-there.jpg"])
    assert pages.keys("a/") == ["a/image-2.jpg"]


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_key_with_digits_in_it_says_nothing_of_room(page: Path, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page 507 of a document."""
    monkeypatch.setattr(bucket, "_TRIES", 1)
    with answering(status, _error("AccessDenied")) as address, pytest.raises(StoreUnavailable):
        opened(AWS_ENDPOINT_URL=address).put("a/image-507.jpg", page, "image/jpeg")
