"""A profile of compose.yaml, each of its services as processes on loopback: its commands, environment and files, where
directories stand for volumes and ports for hosts."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg

from tests import http
from tests.backends import nginx_binary
from tests.backends.postgresql import PostgreSQL
from tests.backends.processes import accepts, lasting_port
from tests.backends.redis import Redis
from tests.deployed.compose import DATA, ROOT, Service, image_environment, services
from tests.waiting import PATIENCE, until


@dataclass
class Part:
    """One container of ours: a process."""

    name: str
    command: list[str]
    environment: dict[str, str]
    directory: Path
    log: Path
    port: int
    metrics: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_healthy(self) -> bool:
        """As the image's own check finds."""
        assert self.process
        assert self.process.poll() is None, f"{self.name} has ended:\n{self.log.read_text()[-3000:]}"
        check = [self.directory / "healthy.sh"]
        return subprocess.run(check, env=self.environment, capture_output=True).returncode == 0

    def stop(self) -> int:
        """As `docker stop` does; returns the exit status."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.kill()

    def kill(self) -> None:
        """With all that it has started."""
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
            self.process = None


@dataclass
class Deployment:
    """`scale` is how many of a service there are, where it is not as the file says."""

    directory: Path
    parts: dict[str, list[Part]] = field(default_factory=dict)
    postgresql: PostgreSQL | None = None
    redis: Redis | None = None
    volumes: dict[str, Path] = field(default_factory=dict)
    scale: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.files = self.directory / "srv"
        self.files.mkdir(parents=True)
        for path in (ROOT / "manage.py", *(ROOT / "deploy" / "image").iterdir()):
            if path.is_file():
                shutil.copy(path, self.files)

    def start(self, profile: str, variables: Mapping[str, str]) -> None:
        for service in services(profile, variables).values():
            match service.image.partition(":")[0]:
                case "postgres":
                    self._start_postgresql(service)
                case "redis":
                    self.redis = Redis.start(self.directory / "redis", None, *service.command[1:])
                case _:
                    for number in range(1, self.scale.get(service.name, service.replicas) + 1):
                        part = self._part(service, number)
                        self.parts.setdefault(service.name, []).append(part)
                        part.start()
                        if self._answers(service):
                            until(part.is_healthy, 0.2)
                        elif "nginx" in service.name:
                            until(lambda port=part.port: accepts(port))  # type: ignore[misc]

    def stop(self) -> dict[str, int]:
        """All of ours, those that need others first; what each container's process ended with."""
        ended = {
            part.name: part.stop()
            for parts in reversed(list(self.parts.values()))
            for part in parts
            if part.process is not None
        }
        self.close()
        return ended

    def close(self) -> None:
        for part in [part for parts in self.parts.values() for part in parts]:
            part.kill()
        for server in (self.postgresql, self.redis):
            if server:
                server.stop()

    def log(self, service: str) -> str:
        return "".join(part.log.read_text() for part in self.parts[service])

    def token(self, service: str) -> str:
        """The first one, as whoever started first has written it down."""
        [kept] = re.findall(r"password and a token are in \S+/(\S+):", self.log(service))
        [path] = [path for volume in self.volumes.values() for path in volume.rglob(kept)]
        found = re.search(r"^token +(\S+)$", path.read_text(), re.MULTILINE)
        assert found, self.log(service)
        return found[1]

    def _answers(self, service: Service) -> bool:
        return any(word in {"serve", "/srv/dlcs/entrypoint-api.sh"} for word in service.command)

    def _start_postgresql(self, service: Service) -> None:
        self.postgresql = server = PostgreSQL.start(self.directory / "postgresql")
        given = service.environment
        with psycopg.connect(server.url, autocommit=True) as connection:
            user, name = given["POSTGRES_USER"], given["POSTGRES_DB"]
            connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{given['POSTGRES_PASSWORD']}'".encode())
            connection.execute(f"CREATE DATABASE {name} OWNER {user}".encode())

    def _part(self, service: Service, number: int) -> Part:
        name, port, metrics = f"{service.name}-{number}", lasting_port(), lasting_port()
        places = {"/srv/dlcs": self.files} | {
            where: self._volume(source) for where, source in ({DATA: f"{name}_data"} | service.volumes).items()
        }
        given = {key: self._here(value, places) for key, value in (image_environment() | service.environment).items()}
        is_nginx = "nginx" in service.name
        given["MEZZOTINT_BIND"] = self._front(service) if is_nginx else f"127.0.0.1:{port}"
        if "MEZZOTINT_METRICS_BIND" in given:
            given["MEZZOTINT_METRICS_BIND"] = f"127.0.0.1:{metrics}"
        bins = [self.directory / f"{name}-bin", Path(sys.executable).parent, Path(nginx_binary() or "").parent]
        self._fill(bins[0], service if is_nginx else None)
        kept = {key: os.environ[key] for key in ("LANG", "TMPDIR") if key in os.environ}
        path = ":".join(map(str, [*bins, os.environ["PATH"]]))
        command = [self._here(word, places) for word in service.command]
        if is_nginx:
            command[-1] = f"127.0.0.1:{port}"
        return Part(
            name,
            [str(self.files / "run.sh"), *command],
            kept | given | {"PATH": path, "HOME": str(self.directory)},
            self.files,
            self.directory / f"{name}.log",
            port,
            metrics,
        )

    def _volume(self, source: str) -> Path:
        """A directory for a volume; a path of the host stays what it is."""
        if source not in self.volumes:
            self.volumes[source] = Path(source) if source.startswith("/") else self.directory / "volumes" / source
            self.volumes[source].mkdir(parents=True, exist_ok=True)
        return self.volumes[source]

    def _here(self, text: str, places: Mapping[str, Path]) -> str:
        for where, directory in places.items():
            if text == where or text.startswith(f"{where}/"):
                return str(directory) + text[len(where) :]
        if self.postgresql:
            text = re.sub(r"@[a-z-]*postgresql:5432/", f"@127.0.0.1:{self.postgresql.port}/", text)
        if self.redis:
            text = re.sub(r"//[a-z-]*redis:6379/", f"//127.0.0.1:{self.redis.port}/", text)
        return text

    def _front(self, service: Service) -> str:
        first = self.parts[service.environment["MEZZOTINT_BIND"].partition(":")[0]][0]
        return f"127.0.0.1:{first.port}"

    def _fill(self, directory: Path, nginx: Service | None) -> None:
        """A name of several containers has several addresses, which nginx uses in turn: here they are written down."""
        directory.mkdir()
        if nginx is None:
            return
        parts = self.parts[nginx.environment["MEZZOTINT_BIND"].partition(":")[0]]
        first, *others = (f"server 127.0.0.1:{part.port};" for part in parts)
        program = Path(sys.executable).with_name("mezzotint")
        script = directory / "mezzotint"
        script.write_text(f"#!/bin/sh\nset -eu\n'{program}' \"$@\" | sed 's/{first}/{first} {' '.join(others)}/'\n")
        script.chmod(0o755)


@contextmanager
def deployed(directory: Path, profile: str, **variables: str) -> Iterator[Deployment]:
    """A profile that is up, with the `variables` of its `.env`."""
    deployment = Deployment(directory)
    try:
        deployment.start(profile, variables)
        yield deployment
    finally:
        deployment.close()


def client(part: Part, token: str = "") -> httpx.Client:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return http.Client(base_url=part.url, timeout=PATIENCE, headers=headers)
