"""What the image cloud's tests share: nodes that may fetch from loopback, peers of each other, and raw requests."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import httpx

from mezzotint import tokens
from mezzotint.network.urls import parse_url
from tests.servers import Server, rows, start_server
from tests.waiting import PATIENCE, until

T = TypeVar("T")
OPEN = {"MEZZOTINT_FETCH_ALLOW": "127.0.0.0/8", "MEZZOTINT_FETCH_PORTS": "*"}
"""loopback may be fetched from"""


def key_of(url: str) -> str:
    return parse_url(url).key


def image(client: httpx.Client, url: str, path: str = "/get_image", **parameters: object) -> httpx.Response:
    return client.get(path, params={"url": url, **{k: str(v) for k, v in parameters.items()}})


def record_file(data: Path, url: str) -> Path:
    """Where a node with a directory as its store keeps what it knows of a URL."""
    return next((data / "store").rglob(f"{key_of(url)}.json"), data / "store" / "no-such-record")


def has_base(data: Path, ident: str) -> bool:
    return any("trash" not in path.parts for path in (data / "store").rglob(ident))


def in_trash(data: Path, ident: str) -> bool:
    return any("trash" in path.parts for path in (data / "store").rglob(ident))


def clones(data: Path) -> list[tuple[Any, ...]]:
    """Task, state and peer of each request."""
    return sorted(rows(data, 'SELECT task, state, "group" FROM imagecloud_clonerequest'))


def named(
    server: Server, name: str, *, clone: bool = False, scope: tokens.Scope = tokens.Scope.WRITE
) -> dict[str, Any]:
    """A node as a peer of another: its entry in `peers.json`."""
    return {"name": name, "url": server.url, "token": server.token(scope), "clone": clone}


def befriend(data: Path, *peers: dict[str, Any]) -> None:
    (data / "peers.json").write_text(json.dumps(list(peers)))


def limit(data: Path, **limits: int) -> None:
    """How many downloads at once: `limit(data, all=3)`."""
    data.mkdir(parents=True, exist_ok=True)
    named_so = {"*" if name == "all" else name: count for name, count in limits.items()}
    (data / "max_downloads.json").write_text(json.dumps(named_so))


def again(node: Server, **more: str) -> Server:
    """The same node, started anew at the address it had."""
    with patch("tests.servers.lasting_port", return_value=node.port):
        return start_server(node.data, **(OPEN | more))


def stop_hard(pid: int) -> None:
    """The whole process group, with SIGKILL."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def raw(port: int, *lines: bytes) -> tuple[int, bytes]:
    """Send these lines as a request's head; the answer's status and all of it."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(b"\r\n".join([*lines, b"Host: here", b"Connection: close", b"", b""]))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    status = answer[:20].split(b" ")
    return (int(status[1]) if len(status) > 1 and status[1].isdigit() else 0), answer


def batch(client: httpx.Client, urls: Iterable[str]) -> dict[str, Any]:
    """Have these loaded; what is answered."""
    answer = client.post("/fire_and_forget", json={"urls": list(urls)})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def standing(client: httpx.Client, accepted: dict[str, Any]) -> dict[str, Any]:
    return dict(client.get(accepted["status"]).raise_for_status().json())


def finished(client: httpx.Client, accepted: dict[str, Any]) -> dict[str, Any]:
    """How the list stands when all is done."""
    until(lambda: standing(client, accepted)["finished"], 0.1)
    return standing(client, accepted)
