"""Mezzotint behind an nginx that runs with the configuration which it prints."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from mezzotint.cache.places import path_of
from tests import http
from tests.archive import Archive
from tests.backends import missing_nginx, nginx_binary
from tests.backends.nginx import Nginx
from tests.backends.processes import lasting_port
from tests.imagecloud.nodes import OPEN
from tests.servers import Server, run, start_server
from tests.waiting import PATIENCE

BY_NGINX = ("x-served-by", "nginx-cache")
AS_US = ("--user", "root") if os.geteuid() == 0 else ()
"""nobody else can reach the directories of tests"""
SAID_BY_NGINX_ITSELF = frozenset({"connection", "date", "last-modified", "server", "x-request-id", "x-served-by"})


@dataclass
class Front:
    """`http` goes through nginx, `server.http` past it."""

    server: Server
    nginx: Nginx
    http: httpx.Client

    def file(self, name: str) -> Path:
        """Where the cache has what it calls so."""
        return self.server.settings.cache / path_of(name)


def needs_nginx() -> None:
    if missing := missing_nginx():
        pytest.skip(missing)


def reaching(archive: Archive) -> dict[str, str]:
    """The variables of a server whose archive this is."""
    return OPEN | {"MEZZOTINT_COVER_ART_UPSTREAM": archive.url}


def printed(data: Path, *arguments: str, **variables: str) -> str:
    done = run(data, "nginx-config", *AS_US, *arguments, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def checked(directory: Path, configuration: str) -> subprocess.CompletedProcess[str]:
    """What `nginx -t` says of it."""
    file = directory / "checked.conf"
    file.write_text(configuration)
    command = [nginx_binary() or "nginx", "-t", "-p", str(directory), "-c", str(file), "-e", "stderr"]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


@contextmanager
def fronted(data: Path, **variables: str) -> Iterator[Front]:
    """Skips where there is no nginx."""
    needs_nginx()
    data.parent.mkdir(parents=True, exist_ok=True)
    server = start_server(data, **variables)
    try:
        with in_front_of(server, **variables) as front:
            yield front
    finally:
        server.stop()


@contextmanager
def in_front_of(server: Server, **variables: str) -> Iterator[Front]:
    port = lasting_port()
    address = {"MEZZOTINT_BIND": f"127.0.0.1:{server.port}"}
    configuration = printed(server.data, "--listen", f"127.0.0.1:{port}", **(variables | address))
    nginx = Nginx.start(server.data.parent / "nginx", configuration, port)
    try:
        with http.Client(base_url=nginx.url, timeout=PATIENCE) as client:
            yield Front(server, nginx, client)
    finally:
        nginx.stop()


def said(answer: httpx.Response) -> dict[str, str]:
    """Its headers, each of which it has once, less what nginx says of itself and of the file, and less the seconds
    that a picture by its URL is still good for."""
    names = [name.lower() for name, _ in answer.headers.multi_items()]
    assert sorted(names) == sorted(set(names)), names
    found = {name: value for name, value in answer.headers.items() if name not in SAID_BY_NGINX_ITSELF}
    if answer.url.path.startswith("/get_"):
        found["cache-control"] = re.sub("max-age=[0-9]+", "max-age=...", found["cache-control"])
    return found


def by_nginx(answer: httpx.Response) -> bool:
    return BY_NGINX in answer.headers.items()
