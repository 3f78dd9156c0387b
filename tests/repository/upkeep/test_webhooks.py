"""Others are told of commits: signed, in order, until it is taken."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mezzotint.errors import InvalidInput
from mezzotint.repository.models import Commit
from mezzotint.repository.upkeep import webhooks
from mezzotint.settings import Settings
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import Server
from tests.repository.keeping import furnish
from tests.servers import rows, run
from tests.waiting import until

SECRET = "whsec_" + base64.b64encode(b"sixteen bytes or more").decode()


@dataclass
class Receiver:
    """Takes what it is sent, as long as `status` says so."""

    url: str = ""
    status: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    refused: int = 0

    def seqs(self) -> list[int]:
        return [json.loads(body)["data"]["seq"] for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if found.status < 300:
                found.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            else:
                found.refused += 1
            self.send_response(found.status)
            if found.status in {301, 302}:
                self.send_header("location", "http://127.0.0.1:9/")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/hook?a=b"
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def telling(serve: Callable[..., Server], receiver: Receiver) -> Server:
    return serve(MEZZOTINT_WEBHOOKS=receiver.url, MEZZOTINT_WEBHOOK_SECRET=SECRET)


def test_each_commit_is_told_signed_and_in_order(telling: Server, receiver: Receiver) -> None:
    idents = [telling.upload(pictures.png(seed=seed), collection="Shelf", title="é") for seed in range(3)]
    until(lambda: idents[2].encode() in b"".join(body for _, body in receiver.got))
    seqs = receiver.seqs()
    assert seqs == sorted(seqs) and len(set(seqs)) == len(seqs)
    told = [json.loads(body)["data"] for _, body in receiver.got]
    assert [one["added"] for one in told if one["added"]] == [[ident] for ident in idents]
    assert all(one["collections"] == ["shelf"] and one["complete"] for one in told if one["added"])
    for headers, body in receiver.got:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mac = hmac.digest(b"sixteen bytes or more", signed, hashlib.sha256)
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"
        assert headers["content-type"] == "application/json" and headers["user-agent"].startswith("Mezzotint/")
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == len(receiver.got)


@pytest.mark.parametrize("status", [500, 404, 302, 410])
def test_what_is_not_taken_is_told_again_and_nothing_before_it(
    telling: Server, receiver: Receiver, status: int
) -> None:
    first = telling.upload(pictures.png(seed=1))
    until(lambda: receiver.got and first.encode() in receiver.got[-1][1])
    before, receiver.status = len(receiver.got), status
    for seed in (2, 3):
        telling.upload(pictures.png(seed=seed))
    until(lambda: receiver.refused >= 2)
    assert len(receiver.got) == before
    assert rows(telling.data, "SELECT error FROM repository_webhook")[0][0] == f"it answered {status}"
    receiver.status = 200
    until(lambda: len(receiver.got) == before + 2)
    assert receiver.seqs() == sorted(receiver.seqs())
    until(lambda: rows(telling.data, "SELECT failures, error FROM repository_webhook") == [(0, "")])


def test_a_receiver_that_is_away_while_the_server_is_has_all_in_the_end(
    serve: Callable[..., Server], receiver: Receiver, tmp_path: Path
) -> None:
    said = {"MEZZOTINT_WEBHOOKS": receiver.url, "MEZZOTINT_WEBHOOK_SECRET": SECRET}
    server = serve(tmp_path / "data", **said)
    server.upload(pictures.png(seed=1))
    until(lambda: receiver.got)
    receiver.status = 503
    server.upload(pictures.png(seed=2))
    until(lambda: receiver.refused)
    server.kill()
    receiver.status = 200
    again = serve(tmp_path / "data", **said)
    until(lambda: len(receiver.got) >= 2)
    assert sorted(set(receiver.seqs())) == receiver.seqs() and again.http.get("/health").status_code == 200


def test_what_was_committed_before_is_not_told_and_who_is_not_set_is_forgotten(
    serve: Callable[..., Server], receiver: Receiver, tmp_path: Path
) -> None:
    first = serve(tmp_path / "data")
    first.upload(pictures.png(seed=1))
    first.stop()
    second = serve(tmp_path / "data", MEZZOTINT_WEBHOOKS=receiver.url, MEZZOTINT_WEBHOOK_SECRET=SECRET)
    until(lambda: rows(second.data, "SELECT told FROM repository_webhook"))
    ident = second.upload(pictures.png(seed=2))
    until(lambda: receiver.got)
    assert json.loads(receiver.got[0][1])["data"]["added"] == [ident]


def test_a_large_commit_is_told_in_part(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from mezzotint.repository import history

    furnish(repository)
    monkeypatch.setattr(webhooks, "_NAMED", 1)
    made = Commit.objects.get(seq=5)
    said: Any = webhooks.payload(made, history.segment(5))["data"]
    assert said["collections"] == ["other"] and said["complete"] and said["counts"]["collections"] == 1


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"MEZZOTINT_WEBHOOKS": "https://a.example/"}, "MEZZOTINT_WEBHOOK_SECRET"),
        ({"MEZZOTINT_WEBHOOKS": "a.example"}, "MEZZOTINT_WEBHOOKS"),
        ({"MEZZOTINT_WEBHOOK_SECRET": "short"}, "MEZZOTINT_WEBHOOK_SECRET"),
        ({"MEZZOTINT_WEBHOOK_SECRET": "whsec_not base64 at all!"}, "MEZZOTINT_WEBHOOK_SECRET"),
    ],
)
def test_what_is_set_wrong_is_told(said: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput, match=field) as told:
        _ = Settings.read({"MEZZOTINT_DATA": "/srv", **said}).webhooks
    assert "short" not in str(told.value) and "base64 at all" not in str(told.value)


def test_a_server_that_cannot_sign_does_not_start(tmp_path: Path) -> None:
    done = run(tmp_path / "data", "serve", MEZZOTINT_WEBHOOKS="https://a.example/")
    assert done.returncode != 0 and "MEZZOTINT_WEBHOOK_SECRET" in done.stderr and "Traceback" not in done.stderr
