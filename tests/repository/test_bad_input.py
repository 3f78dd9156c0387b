"""Whatever is sent: one clear message with the field and the limit, and nothing else is lost."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from mezzotint.tokens import Scope
from tests import pictures
from tests.conftest import Server, start_server
from tests.waiting import until

LIMIT = 300_000


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes little."""
    limits = {"MEZZOTINT_MAX_UPLOAD": str(LIMIT), "MEZZOTINT_MAX_PIXELS": "1M"}
    server = start_server(tmp_path_factory.mktemp("small") / "data", **limits)
    yield server
    server.stop()


def send(server: Server, *files: bytes, **fields: Any) -> httpx.Response:
    parts = [("file", (f"{number}.jpg", data)) for number, data in enumerate(files)]
    return server.writer.post("/api/images/", files=parts, data=fields)


def is_told(answer: httpx.Response, status: int, field: str | None = None, limit: str = "") -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    if field is not None:
        assert problem["errors"][0]["field"] == field
        assert limit in problem["errors"][0]["limit"]


def left_behind(server: Server) -> list[Path]:
    """Spooled files, and bases in the store."""
    below = [server.data / "incoming", server.data / "store" / "images", server.data / "store" / ".incoming"]
    return [path for directory in below if directory.exists() for path in directory.rglob("*") if path.is_file()]


def stays_the_same(server: Server) -> Callable[[], None]:
    before = set(left_behind(server)), server.http.get("/api/status/").json()

    def check() -> None:
        until(lambda: set(left_behind(server)) == before[0])
        after = server.http.get("/api/status/").json()
        names = ("images", "live", "durable", "collections", "open_sessions")
        assert {name: after[name] for name in names} == {name: before[1][name] for name in names}

    return check


JPEG = pictures.jpeg(400, 300, seed=400)
BROKEN: list[tuple[str, bytes, int]] = [
    ("empty", b"", 415),
    ("text", b"this is no picture at all\n" * 100, 415),
    ("a program", b"\x7fELF" + bytes(2000), 415),
    ("a document", b"%PDF-1.7\n" + b"x" * 2000, 415),
    ("a drawing with script", b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', 415),
    ("cut off", JPEG[: len(JPEG) // 2], 422),
    ("a png cut off", pictures.png(400, 300, seed=401)[:-500], 422),
    ("only magic bytes", JPEG[:4], 422),
    ("magic bytes and noise", JPEG[:4] + bytes(range(256)) * 20, 422),
    ("too many pixels", pictures.encoded(Image.new("RGB", (1200, 900)), "PNG"), 422),
]


@pytest.mark.parametrize(("data", "status"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_what_is_no_good_picture_is_refused_and_leaves_nothing(small: Server, data: bytes, status: int) -> None:
    unchanged = stays_the_same(small)
    is_told(send(small, data, title="Broken"), status, "file")
    unchanged()


def test_too_many_pixels_are_told_with_their_limit(small: Server) -> None:
    many = pictures.encoded(Image.new("RGB", (1200, 900)), "PNG")
    is_told(send(small, many), 422, "file", "MEZZOTINT_MAX_PIXELS")


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 1_000_000, LIMIT + 5_000_000])
def test_too_many_bytes_are_told_with_their_limit(small: Server, size: int) -> None:
    unchanged = stays_the_same(small)
    is_told(send(small, JPEG.ljust(size, b"\0")), 413)
    assert "MEZZOTINT_MAX_UPLOAD" in send(small, JPEG.ljust(size, b"\0")).json()["errors"][0]["limit"]
    unchanged()


@pytest.mark.parametrize("pieces", [30, 300], ids=["the file", "the body"])
def test_too_many_bytes_of_unknown_length_are_told(small: Server, pieces: int) -> None:
    unchanged = stays_the_same(small)

    def body() -> Iterator[bytes]:
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + JPEG
        for _ in range(pieces):
            yield bytes(20_000)
        yield b"\r\n--b--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=b"}
    is_told(small.writer.post("/api/images/", content=body(), headers=headers), 413)
    unchanged()


def test_an_upload_of_unknown_length_goes_in(small: Server) -> None:
    def body() -> Iterator[bytes]:
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        yield JPEG
        yield b"\r\n--b--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = small.writer.post("/api/images/", content=body(), headers=headers)
    assert answer.status_code in {200, 201}, answer.text
    assert answer.json()["ident"] == hashlib.sha256(JPEG).hexdigest()


def test_others_go_in_beside_broken_ones(small: Server) -> None:
    session = small.writer.post("/api/sessions/", json={}).json()["id"]
    good = [pictures.png(seed=seed) for seed in (402, 403, 404)]
    broken = [b"no picture", JPEG[:2000], JPEG.ljust(LIMIT + 1, b"\0")]
    order = [good[0], broken[0], good[1], broken[1], broken[2], good[2]]
    parts = [("file", (f"{number}.png", data)) for number, data in enumerate(order)]
    answer = small.writer.post(f"/api/sessions/{session}/images/", files=parts, data={"title": "Many"})
    assert answer.status_code == 201
    assert [image["ident"] for image in answer.json()["images"]] == [hashlib.sha256(d).hexdigest() for d in good]
    refused = answer.json()["refused"]
    assert [one["name"] for one in refused] == ["1.png", "3.png", "4.png"]
    assert all(one["field"] == "file" and one["detail"] for one in refused)
    done = small.writer.post(f"/api/sessions/{session}/commit/").json()
    assert done["added"] == 3


WRONG_METADATA: list[tuple[dict[str, Any], str]] = [
    ({"title": 5}, "title"),
    ({"title": None}, "title"),
    ({"title": ["a"]}, "title"),
    ({"title": {"a": 1}}, "title"),
    ({"title": "x" * 501}, "title"),
    ({"title": "a\x00b"}, "title"),
    ({"title": "\ud800"}, "title"),
    ({"title": "a\x1bb"}, "title"),
    ({"description": "x" * 20_001}, "description"),
    ({"creator": True}, "creator"),
    ({"tags": 5}, "tags"),
    ({"tags": [5]}, "tags"),
    ({"tags": {"a": "b"}}, "tags"),
    ({"tags": ["x" * 101]}, "tags"),
    ({"tags": [str(i) for i in range(101)]}, "tags"),
    ({"captured": "yesterday"}, "captured"),
    ({"captured": "2020-02-30"}, "captured"),
    ({"captured": "2020-13"}, "captured"),
    ({"captured": 2020}, "captured"),
    ({"captured": "２０２０"}, "captured"),
    ({"width": 5}, "width"),
    ({"ident": "0" * 64}, "ident"),
    ({"field_versions": {}}, "field_versions"),
    ({"\ud800": "x"}, r"\ud800"),  # told escaped, as UTF-8 cannot hold it
    ({"x" * 5000: "x"}, "x" * 100),
]


@pytest.mark.parametrize(("fields", "field"), WRONG_METADATA, ids=[str(i) for i in range(len(WRONG_METADATA))])
def test_wrong_metadata_is_told_with_its_field_and_limit(small: Server, fields: dict[str, Any], field: str) -> None:
    ident = small.upload(pictures.png(seed=405))
    before = small.http.get(f"/api/images/{ident}/").json()
    body = json.dumps(fields | {"version": before["version"]})
    headers = {"content-type": "application/json"}
    answer = small.writer.patch(f"/api/images/{ident}/", content=body, headers=headers)
    is_told(answer, 400, field)
    assert answer.json()["errors"][0]["limit"]
    assert small.http.get(f"/api/images/{ident}/").json() == before


@pytest.mark.parametrize("version", [0, -1, 2**31, 2**63, 10**400, 1.5, "x", None, [], True])
def test_a_wrong_version_is_told(small: Server, version: object) -> None:
    ident = small.upload(pictures.png(seed=405))
    is_told(small.writer.patch(f"/api/images/{ident}/", json={"version": version, "title": "x"}), 400, "version")
    assert small.http.get(f"/api/images/{ident}/").json()["version"] == 1


def test_wrong_metadata_of_an_upload_leaves_nothing(small: Server) -> None:
    unchanged = stays_the_same(small)
    is_told(send(small, pictures.png(seed=406), captured="yesterday"), 400, "captured")
    is_told(send(small, pictures.png(seed=406), title="x" * 501), 400, "title")
    is_told(send(small, pictures.png(seed=406), nonsense="x"), 400, "nonsense")
    is_told(send(small, pictures.png(seed=406), collection="---"), 400, "collection")
    is_told(small.writer.post("/api/images/", files={"picture": pictures.png(seed=406)}), 400, "file")
    is_told(send(small, pictures.png(seed=406), pictures.png(seed=407)), 400, "file")
    unchanged()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b"\xff\xfe", b"[]", b"5", b"null", b'"text"', b"[" * 100_000, b'{"note": NaN}']
)
def test_malformed_json_is_told(small: Server, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    for method, path in (("POST", "/api/collections/"), ("PATCH", "/api/images/" + "0" * 64 + "/")):
        is_told(small.writer.request(method, path, content=body, headers=headers), 400)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "", "/"]
)
def test_another_content_type_is_told(small: Server, content_type: str) -> None:
    for path in ("/api/sessions/", "/api/images/"):
        answer = small.writer.post(path, content=b"x=1", headers={"content-type": content_type})
        assert answer.status_code in {400, 415}, answer.text
        is_told(answer, answer.status_code)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b\r\n",
        b"--b--\r\n",
        b"nonsense",
        b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nno file name\r\n--b--\r\n',
        b'--b\r\ncontent-disposition: form-data; filename="a.jpg"\r\n\r\nno name\r\n--b--\r\n',
        b'--b\r\ncontent-disposition: form-data; name="title"\r\n\r\n' + b"x" * 2000 + b"\r\n--b--\r\n",
    ],
)
def test_a_broken_form_is_told(small: Server, body: bytes) -> None:
    unchanged = stays_the_same(small)
    for content_type in ("multipart/form-data; boundary=b", "multipart/form-data", "multipart/form-data; boundary="):
        answer = small.writer.post("/api/images/", content=body, headers={"content-type": content_type})
        is_told(answer, 400)
    unchanged()


def test_tokens_are_told_apart(small: Server) -> None:
    ident = small.upload(pictures.png(seed=405))
    upload = {"file": ("a.png", pictures.png(seed=408))}
    unchanged = stays_the_same(small)
    for headers in ({}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic YTpi"}):
        for answer in (
            small.http.post("/api/images/", files=upload, headers=headers),
            small.http.patch(f"/api/images/{ident}/", json={"version": 1, "title": "x"}, headers=headers),
            small.http.delete(f"/api/images/{ident}/", headers=headers),
            small.http.post("/api/sessions/", json={}, headers=headers),
        ):
            is_told(answer, 401)
            assert "bearer" in answer.headers["www-authenticate"].lower()
    with small.client(Scope.READ) as reader:
        is_told(reader.post("/api/images/", files=upload), 403)
        is_told(reader.delete(f"/api/images/{ident}/"), 403)
        is_told(reader.post("/api/sessions/", json={}), 403)
    unchanged()


@pytest.mark.parametrize(
    "path", ["/api/images/x/", "/api/images/" + "0" * 64 + "/", "/api/sessions/x/", "/api/nothing/"]
)
def test_what_is_not_there_is_told(small: Server, path: str) -> None:
    answer = small.http.get(path)
    assert answer.status_code in {400, 404}
    is_told(answer, answer.status_code)


def test_a_method_that_is_not_there_is_told(small: Server) -> None:
    is_told(small.writer.put("/api/images/", json={}), 405)
    is_told(small.writer.delete("/api/status/"), 405)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_that_is_cut_off_leaves_nothing(small: Server, chunked: bool) -> None:
    unchanged = stays_the_same(small)
    data = pictures.jpeg(800, 600, seed=409)[:LIMIT]
    part = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + data
    length = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % (len(part) + 20)
    head = (
        b"POST /api/images/ HTTP/1.1\r\nhost: here\r\ncontent-type: multipart/form-data; boundary=b\r\n"
        b"authorization: Bearer %s\r\n%s\r\n\r\n" % (small.token(Scope.WRITE).encode(), length)
    )
    for at in (0, 60, 200, len(part) // 2, len(part)):
        sent = part[:at]
        with socket.create_connection(("127.0.0.1", small.port)) as connection:
            connection.sendall(head + (b"%x\r\n%s\r\n" % (len(sent), sent) if chunked and sent else sent))
            time.sleep(0.05)
    unchanged()
    assert small.http.get(f"/images/{hashlib.sha256(data).hexdigest()}").status_code == 404


def test_a_form_of_unknown_length_that_breaks_off_behind_the_picture_is_refused(small: Server) -> None:
    unchanged = stays_the_same(small)

    def body() -> Iterator[bytes]:
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        yield pictures.jpeg(200, 100, seed=410)
        yield b'\r\n--b\r\ncontent-disposition: form-data; name="title"\r\n\r\nhalf a ti'

    headers = {"content-type": "multipart/form-data; boundary=b"}
    is_told(small.writer.post("/api/images/", content=body(), headers=headers), 400, "body")
    unchanged()


@pytest.mark.parametrize("lists", ["images", "collections", "sessions", "commits", "removals", "snapshots"])
def test_a_list_has_its_parameters_and_no_others(small: Server, lists: str) -> None:
    assert small.writer.get(f"/api/{lists}/", params={"page_size": "10"}).status_code == 200
    is_told(small.writer.get(f"/api/{lists}/", params={"page_sise": "10"}), 400, "page_sise", "page_size")
    if lists == "images":
        is_told(small.http.get("/api/images/", params={"captured_after": "soon"}), 400, "captured_after", "YYYY")
        assert small.http.get("/api/images/", params={"format": "png"}).status_code == 200
