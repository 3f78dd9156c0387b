"""Uploads that break off, and go on: tus 1.0.0, as its clients speak it."""

from __future__ import annotations

import base64
import io
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client

from mezzotint.errors import Conflict, StoreUnavailable
from mezzotint.repository import services
from mezzotint.repository.intake import partial
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import Server
from tests.waiting import until

TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture(scope="module")
def photograph() -> bytes:
    return pictures.jpeg(900, 700, seed=31)


@pytest.fixture
def session(server: Server) -> str:
    return f"/api/sessions/{server.writer.post('/api/sessions/', json={}).json()['id']}/"


def told(**metadata: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())


def begin(server: Server, session: str, length: int, **metadata: str) -> httpx.Response:
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": told(**metadata)}
    return server.writer.post(f"{session}uploads/", headers=headers)


def send(server: Server, upload: str, offset: int, data: bytes, **headers: str) -> httpx.Response:
    said = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream", **headers}
    return server.writer.patch(upload, content=data, headers=said)


def offset(server: Server, upload: str) -> int:
    answer = server.writer.head(upload, headers=TUS)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


def test_a_picture_comes_in_pieces_and_is_in_the_session(server: Server, session: str, photograph: bytes) -> None:
    begun = begin(server, session, len(photograph), filename="Ä photo.jpg", filetype="image/jpeg", collection="Sent",
                  title="Sent in pieces")  # fmt: skip
    assert begun.status_code == 201 and begun.headers["tus-resumable"] == "1.0.0"
    upload = begun.headers["location"]
    assert send(server, upload, 0, photograph[:10_000]).headers["upload-offset"] == "10000"
    assert offset(server, upload) == 10_000
    done = send(server, upload, 10_000, photograph[10_000:])
    assert done.status_code == 204 and done.headers["x-known"] == "false"
    ident = done.headers["x-ident"]
    assert server.http.get(f"/images/{ident}").content == photograph
    assert server.writer.post(f"{session}commit/").status_code == 200
    image = server.http.get(f"/api/images/{ident}/").json()
    assert (image["title"], image["file_name"], image["collections"]) == ("Sent in pieces", "Ä photo.jpg", ["sent"])


def test_what_came_before_a_piece_broke_off_is_kept(server: Server, session: str) -> None:
    """Many clients send all in one piece, and go on where the server says it is."""
    data = pictures.jpeg(900, 700, seed=34)
    upload, half = begin(server, session, len(data)).headers["location"], len(data) // 2
    lines = [f"PATCH {upload} HTTP/1.1", "Host: localhost", "Upload-Offset: 0", f"Content-Length: {len(data)}",
             "Content-Type: application/offset+octet-stream", "Tus-Resumable: 1.0.0",
             f"Authorization: {server.writer.headers['authorization']}"]  # fmt: skip
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port)) as sent:
        sent.sendall("\r\n".join([*lines, "", ""]).encode() + data[:half])
    assert until(lambda: offset(server, upload) == half)
    assert send(server, upload, half, data[half:]).headers["x-known"] == "false"


def test_a_piece_of_nobody_known_that_breaks_off_leaves_nothing(server: Server, session: str) -> None:
    upload = begin(server, session, 1000).headers["location"]
    lines = [f"PATCH {upload} HTTP/1.1", "Host: localhost", "Upload-Offset: 0", "Content-Length: 1000",
             "Content-Type: application/offset+octet-stream", "Tus-Resumable: 1.0.0"]  # fmt: skip
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port)) as sent:
        sent.sendall("\r\n".join([*lines, "", ""]).encode() + b"1" * 500)
    assert send(server, upload, 0, b"2" * 500).status_code == 204  # later, on another connection
    assert offset(server, upload) == 500


def test_the_answer_to_the_last_piece_may_be_lost(server: Server, session: str) -> None:
    data = pictures.png(seed=32)
    upload = begin(server, session, len(data)).headers["location"]
    first = send(server, upload, 0, data)
    again = server.writer.head(upload, headers=TUS)
    assert again.headers["upload-offset"] == str(len(data)) and again.headers["x-ident"] == first.headers["x-ident"]
    repeated = send(server, upload, len(data), b"")
    assert repeated.status_code == 204 and repeated.headers["x-ident"] == first.headers["x-ident"]
    changes = server.writer.get(session).json()["changes"]
    assert [change["kind"] for change in changes] == ["add"]


def test_a_server_that_is_killed_goes_on_with_it(serve: Callable[..., Server], photograph: bytes) -> None:
    server = serve()
    session = f"/api/sessions/{server.writer.post('/api/sessions/', json={}).json()['id']}/"
    upload = begin(server, session, len(photograph)).headers["location"]
    send(server, upload, 0, photograph[:30_000])
    data = server.data
    server.kill()
    server = serve(data)
    here = offset(server, upload)
    assert here == 30_000
    assert send(server, upload, here, photograph[here:]).headers["x-known"] == "false"


@pytest.mark.parametrize(
    ("data", "status"), [(b"no picture at all", 415), (pictures.jpeg(300, 200, seed=33)[:4_000], 422)]
)
def test_what_is_no_picture_is_refused_and_forgotten(server: Server, session: str, data: bytes, status: int) -> None:
    upload = begin(server, session, len(data), filename="a.jpg").headers["location"]
    refused = send(server, upload, 0, data)
    assert refused.status_code == status and refused.json()["errors"][0]["field"] == "file"
    assert server.writer.head(upload, headers=TUS).status_code == 404
    assert server.writer.get(session).json()["changes"] == []


def test_what_does_not_fit_is_refused_in_words(server: Server, session: str) -> None:
    upload = begin(server, session, 100).headers["location"]
    assert send(server, upload, 7, b"abc").status_code == 409
    assert send(server, upload, 0, b"x" * 101).status_code == 400
    assert send(server, upload, 0, b"abc", **{"Content-Type": "text/plain"}).status_code == 415
    assert send(server, upload, 0, b"abc", **{"Tus-Resumable": "0.2.2"}).status_code == 412
    assert send(server, upload, 0, b"abc", **{"Upload-Offset": "-1"}).status_code == 400
    assert server.writer.delete(upload, headers=TUS).status_code == 204
    assert server.writer.head(upload, headers=TUS).status_code == 404
    assert begin(server, session, 0).status_code == 415
    assert begin(server, session, 1 << 40).status_code == 413
    assert begin(server, session, 10, nonsense="x").status_code == 400
    assert begin(server, session, 10, title="x" * 501).status_code == 400
    broken = {**TUS, "Upload-Length": "10", "Upload-Metadata": "title ???"}
    assert server.writer.post(f"{session}uploads/", headers=broken).status_code == 400


def test_nothing_is_sent_to_a_session_that_has_ended(server: Server, session: str) -> None:
    upload = begin(server, session, 10).headers["location"]
    server.writer.delete(session)
    assert send(server, upload, 0, b"abc").status_code == 409
    assert begin(server, session, 10).status_code == 409


def test_whoever_may_not_add_may_not_send(server: Server, session: str) -> None:
    headers = {**TUS, "Upload-Length": "10"}
    assert server.http.post(f"{session}uploads/", headers=headers).status_code == 401
    upload = begin(server, session, 10).headers["location"]
    assert server.http.head(upload, headers=TUS).status_code == 401
    assert server.http.patch(upload, content=b"a", headers=TUS).status_code == 401


def test_what_it_can_is_told(server: Server, session: str) -> None:
    answer = server.writer.options(f"{session}uploads/")
    assert answer.status_code == 204 and answer.headers["tus-version"] == "1.0.0"
    assert set(answer.headers["tus-extension"].split(",")) == {"creation", "expiration", "termination"}
    assert int(answer.headers["tus-max-size"]) > 1 << 30


def test_two_at_once_do_not_write_over_each_other(repository: Engine) -> None:
    session = services.open_session("tester")
    begun = partial.begin(session.pk, "a", 100, {}, {})

    class Meanwhile:
        def read(self, size: int, /) -> bytes:
            with pytest.raises(Conflict):
                partial.append(begun, 0, self)
            return b""

    partial.append(begun, 0, Meanwhile())


def test_what_nobody_goes_on_with_is_forgotten(repository: Engine) -> None:
    session = services.open_session("tester")
    old, new = (partial.begin(session.pk, name, 100, {}, {}) for name in ("old", "new"))
    directory = Path(repository.settings.data) / "uploads"
    long_ago = time.time() - partial.KEPT - 60
    for path in directory.rglob(f"{old.id}*"):
        os.utime(path, (long_ago, long_ago))
    partial.forget_old()
    assert {one.id for one in partial.waiting(session.pk)} == {new.id}


def test_one_that_was_whole_and_not_taken_in_is_taken_in_by_the_next_question(
    repository: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is told that all is there asks no more, and must not believe that it is in the session."""
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("root"))
    session = services.open_session("root")
    data = pictures.png(seed=34)
    begun = client.post(f"/api/sessions/{session.pk}/uploads/", headers={**TUS, "Upload-Length": str(len(data))})
    upload = begun["location"]

    def fails(spool: object) -> None:
        raise StoreUnavailable("it does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(repository.bases, "keep", fails)
        sent = client.patch(upload, data, "application/offset+octet-stream", headers={**TUS, "Upload-Offset": "0"})
        assert sent.status_code == 503 and client.head(upload, headers=TUS).status_code == 503
    assert not session.changes.exists()
    told = client.head(upload, headers=TUS)
    assert told.status_code == 200 and told["x-known"] == "false"
    assert session.changes.get().key == told["x-ident"]


def test_one_that_is_whole_is_not_taken_into_a_session_that_has_ended(repository: Engine) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("root"))
    session = services.open_session("root")
    begun = partial.begin(session.pk, "a", 3, {}, {})
    partial.append(begun, 0, io.BytesIO(b"abc"))
    services.abort(session)
    told = client.head(f"/api/sessions/{session.pk}/uploads/{begun.id}/", headers=TUS)
    assert told.status_code == 409


def test_uploads_that_are_not_whole_are_bounded(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial, "MOST_UNFINISHED", 2)
    session = services.open_session("root")
    first, _ = (partial.begin(session.pk, "a", 3, {}, {}) for _ in range(2))
    with pytest.raises(Conflict, match="2 uploads"):
        partial.begin(session.pk, "a", 3, {}, {})
    partial.forget(first)
    partial.begin(session.pk, "a", 3, {}, {})
