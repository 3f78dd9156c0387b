"""A child's program: orders come in by a socket, with the file that each is about; answers go out by it."""

from __future__ import annotations

import base64
import json
import os
import pickle
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mezzotint.errors import InvalidInput
from mezzotint.transforms.children import confine
from mezzotint.transforms.children.crew import Order

_IDLE = 60.0
"""seconds without an order, after which it ends"""


def main(descriptor: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever this works for
    confine.no_network()
    confine.limit_always()
    connection = socket.socket(fileno=descriptor)
    while True:
        if not select.select([connection], [], [], _IDLE)[0]:
            return
        head, files, _, _ = socket.recv_fds(connection, 4, 1, socket.MSG_WAITALL)
        if len(head) < 4:
            return
        order = pickle.loads(_received(connection, struct.unpack(">I", head)[0]))  # noqa: S301  of our parent
        try:
            said, data = _done(order, Path(f"/proc/self/fd/{files[0]}"))
        finally:
            for file in files:
                os.close(file)
        said["bytes"] = len(data)
        body = json.dumps(said).encode()
        connection.sendall(struct.pack(">I", len(body)) + body)
        connection.sendall(data)


def _received(connection: socket.socket, count: int) -> bytes:
    parts = b""
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            sys.exit()
        parts += part
    return parts


def _done(order: Order, path: Path) -> tuple[dict[str, Any], bytes]:
    from mezzotint.transforms.children import work  # here, where it is confined already

    orders: dict[str, Callable[..., Any]] = {
        "header": work.header,
        "prove": work.prove,
        "render": work.render,
        "reduce": work.reduce,
        "encode": work.encode,
    }
    confine.grant(order.memory, order.seconds)
    try:
        answer = orders[order.do](path, **order.given)
    except InvalidInput as error:
        return {"refused": error.detail, "field": error.field, "limit": error.limit}, b""
    except MemoryError:
        return {"refused": "takes more memory than it may", "field": "image"}, b""
    if isinstance(answer, bytes):
        return {}, answer
    if order.do == "header":
        exif = base64.b64encode(answer.exif).decode() if answer.exif else None
        return {"facts": asdict(answer.facts), "exif": exif}, b""
    if order.do == "reduce":
        said = {"width": answer.width, "height": answer.height, "bands": answer.bands}
        return said, answer.write_to_memory()
    return {}, b""


if __name__ == "__main__":
    main(int(sys.argv[1]))
