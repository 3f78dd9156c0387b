"""A whole OpenStack Swift on loopback, which is also an S3."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx

from tests import http
from tests.backends import memcached_binary, missing_swift, swift_configuration
from tests.backends.processes import Leashed, accepts, lasting_port, wait_for
from tests.waiting import PATIENCE

_WHERE_ELSE = (Path("/var/tmp"), Path("/dev/shm"), Path.home())


@dataclass
class SwiftCluster:
    """Account, container, object and proxy server, one device, TempAuth with one user, and memcached.

    It ends with its owner, a process, if nobody stops it before. None of Swift's background daemons run: an expired
    object stays in its listing, and an account's totals stay behind.
    """

    directory: Path
    owner: int
    port: int
    memcached_port: int
    proxy: Leashed | None
    others: list[Leashed]

    user: ClassVar = f"{swift_configuration.ACCOUNT}:{swift_configuration.USER}"
    key: ClassVar = swift_configuration.KEY
    s3_access_key: ClassVar = user
    s3_secret_key: ClassVar = key
    region: ClassVar = swift_configuration.REGION

    @classmethod
    def start(cls, directory: Path, owner: int | None = None) -> Self:
        """Make a new one in `directory`, which it makes; back when it answers. `owner`: this process if not given."""
        memcached = memcached_binary()
        assert memcached, missing_swift()
        owner = owner or os.getpid()
        directory.mkdir(parents=True, exist_ok=True)
        devices, elsewhere = _devices(directory)
        ports = {kind: lasting_port() for kind in ("memcached", *swift_configuration.STORAGE)}
        swift_configuration.write_storage(directory, devices, ports)
        command = [memcached, "-l", "127.0.0.1", "-p", str(ports["memcached"]), "-U", "0", "-u", "root"]
        others = [Leashed.start(command, owner=owner, log=directory / "memcached.log", remove=elsewhere)]
        cluster = cls(directory, owner, lasting_port(), ports["memcached"], None, others)
        try:
            for kind in swift_configuration.STORAGE:
                others.append(cluster._start(kind, kind))
            cluster.restart()
            for (name, port), process in zip(ports.items(), others, strict=True):
                wait_for(partial(accepts, port), process, directory / f"{name}.log")
        except BaseException:
            cluster.stop()
            raise
        return cluster

    def another_proxy(self) -> Self:
        """The same Swift through one more proxy, to be paused and killed in peace. `stop` ends only that proxy."""
        another = type(self)(self.directory, self.owner, lasting_port(), self.memcached_port, None, [])
        another.restart()
        return another

    def stop(self) -> None:
        for process in filter(None, (self.proxy, *self.others)):
            process.stop()
        self.proxy, self.others = None, []

    @property
    def auth_url(self) -> str:
        return f"{self.s3_endpoint}/auth/v1.0"

    @property
    def storage_url(self) -> str:
        return f"{self.s3_endpoint}/v1/AUTH_{swift_configuration.ACCOUNT}"

    @property
    def s3_endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What Swift's and S3's own programs and libraries read."""
        return {
            "ST_AUTH": self.auth_url,
            "ST_USER": self.user,
            "ST_KEY": self.key,
            "AWS_ENDPOINT_URL": self.s3_endpoint,
            "AWS_ACCESS_KEY_ID": self.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": self.s3_secret_key,
            "AWS_REGION": self.region,
            "AWS_ALLOW_HTTP": "true",
        }

    def token(self) -> str:
        """A token of TempAuth's, good for a day."""
        headers = {"x-auth-user": self.user, "x-auth-key": self.key}
        return self._request("GET", self.auth_url, headers).headers["x-auth-token"]

    def new_container(self) -> str:
        """The name of a new, empty container, which is a bucket to S3."""
        name = f"box-{uuid.uuid4().hex[:12]}"
        self._request("PUT", f"{self.storage_url}/{name}", {"x-auth-token": self.token()})
        return name

    def pause(self) -> None:
        """The proxy accepts connections but does not answer, until `resume`."""
        self._running().send(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send(signal.SIGCONT)

    def kill(self) -> None:
        """The proxy is gone, with what it was doing; connections are refused, until `restart`."""
        self._running().end(signal.SIGKILL)
        self.proxy = None

    def restart(self) -> None:
        """A proxy at the same address, back when it answers; the one before, if there is one, is killed."""
        if self.proxy:
            self.kill()
        name = f"proxy-{self.port}"
        swift_configuration.write_proxy(self.directory, name, self.port, self.memcached_port)
        self.proxy = self._start("proxy", name)
        try:
            wait_for(self._answers, self.proxy, self.directory / f"{name}.log")
        except BaseException:
            self.proxy.stop()
            raise

    def state(self) -> dict[str, Any]:
        """As JSON takes it, for `attach` in another process."""
        return asdict(self) | {"directory": str(self.directory)}

    @classmethod
    def attach(cls, state: Mapping[str, Any]) -> Self:
        """The cluster another process started, from its `state`."""
        known = dict(state) | {"directory": Path(state["directory"]), "proxy": Leashed(**state["proxy"])}
        return cls(**known | {"others": [Leashed(**process) for process in state["others"]]})

    def _start(self, kind: str, name: str) -> Leashed:
        configuration = self.directory / f"{name}.conf"
        main = f"from swift.{'obj' if kind == 'object' else kind}.server import main; main()"
        command = [sys.executable, "-c", main, str(configuration), "--verbose"]
        return Leashed.start(command, owner=self.owner, log=self.directory / f"{name}.log")

    def _running(self) -> Leashed:
        assert self.proxy, "the proxy was killed"
        return self.proxy

    def _answers(self) -> bool:
        try:
            return self._request("GET", f"{self.s3_endpoint}/healthcheck", {}).is_success
        except httpx.HTTPError:
            return False

    def _request(self, method: str, url: str, headers: dict[str, str]) -> httpx.Response:
        answer = http.request(method, url, headers=headers, timeout=PATIENCE, trust_env=False)
        return answer.raise_for_status()


def _devices(directory: Path) -> tuple[Path, Path | None]:
    """Where files have xattrs: in the directory, or else in a directory made elsewhere, which is then named twice."""
    if swift_configuration.keeps_attributes(directory):
        return directory / "devices", None
    for parent in _WHERE_ELSE:
        if os.access(parent, os.W_OK) and swift_configuration.keeps_attributes(parent):
            elsewhere = Path(tempfile.mkdtemp(prefix="swift-devices-", dir=parent))
            return elsewhere, elsewhere
    raise AssertionError(f"no user xattrs in {directory}, {', '.join(map(str, _WHERE_ELSE))}")
