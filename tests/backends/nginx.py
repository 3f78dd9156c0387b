"""An nginx on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from tests.backends import missing_nginx, nginx_binary
from tests.backends.processes import Leashed, accepts, children, wait_for


@dataclass
class Nginx:
    """It ends with its owner, a process, if nobody stops it before."""

    directory: Path
    port: int
    owner: int
    process: Leashed | None

    @classmethod
    def start(cls, directory: Path, configuration: str, port: int, owner: int | None = None) -> Self:
        """Run it in `directory`, which it makes; back when `port` accepts. `owner`: this process if not given.

        `configuration` is a whole nginx.conf, whose relative paths lie in the directory, but says nothing of `daemon`.
        What it leaves out is as the machine's nginx was built: it should name its own `pid`, `access_log` and
        `..._temp_path`, and `user root` where we are root, as nobody else can reach the directory then.
        """
        directory.mkdir(parents=True, exist_ok=True)
        server = cls(directory, port, owner or os.getpid(), None)
        server.restart(configuration)
        return server

    def stop(self) -> None:
        """With what it was doing."""
        if self.process:
            self.process.stop()
            self.process = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reload(self, configuration: str | None = None) -> None:
        """Back when only workers with this configuration take requests; the old ones finish what they are doing.

        An AssertionError with what nginx says when it does not take the configuration; then it goes on as before.
        """
        process, before = self._running(), self._workers()
        self._configure(configuration)
        checked = subprocess.run([*self._command(), "-t"], stderr=subprocess.PIPE, text=True)
        assert checked.returncode == 0, checked.stderr
        process.send(signal.SIGHUP)
        wait_for(lambda: bool(now := self._workers()) and not now & before, process, self._log)

    def restart(self, configuration: str | None = None) -> None:
        """One at the same port, back when it accepts; the one before, if there is one, is stopped."""
        self.stop()
        self._configure(configuration)
        self.process = Leashed.start(self._command(), owner=self.owner, log=self._log, stop_signal=signal.SIGTERM)
        try:
            wait_for(partial(accepts, self.port), self.process, self._log)
        except BaseException:
            self.stop()
            raise

    def kill(self) -> None:
        """It and its workers are gone; connections are refused, until `restart`."""
        os.killpg(self._running().server, signal.SIGKILL)
        self.stop()
        while accepts(self.port):  # a worker is about to end
            time.sleep(0.01)

    @property
    def _log(self) -> Path:
        return self.directory / "nginx.log"

    @property
    def _file(self) -> Path:
        return self.directory / "nginx.conf"

    def _configure(self, configuration: str | None) -> None:
        if configuration is not None:
            self._file.write_text(configuration)

    def _command(self) -> list[str]:
        binary = nginx_binary()
        assert binary, missing_nginx()
        return [binary, "-p", str(self.directory), "-c", str(self._file), "-e", "stderr", "-g", "daemon off;"]

    def _running(self) -> Leashed:
        assert self.process, "the server was killed"
        return self.process

    def _workers(self) -> set[int]:
        """Those that take new connections."""
        return {pid for pid in children(self._running().server) if _title(pid) == "nginx: worker process"}


def _title(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().strip("\0 ")
    return ""
