"""The image, as `make image` builds it, and containers of it: run by buildah, which needs no daemon.

They share the host's network and processes (its chroot isolation), so their ports lie on loopback like all others.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.backends.processes import children
from tests.waiting import PATIENCE

Variables = Mapping[str, str]
NONE: Variables = {}
NAME = "localhost/mezzotint"
_VARIABLES = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}


def missing_image() -> str | None:
    """What to do before there is one, or None."""
    there = os.geteuid() == 0 and shutil.which("buildah") and _done("inspect", "--type", "image", NAME).returncode == 0
    return None if there else "there is no image; on Debian, as root: apt-get install buildah debootstrap; make image"


def image() -> dict[str, Any]:
    """What buildah says of it; `size` in bytes."""
    [about] = json.loads(_did("images", "--json", NAME))
    configuration: dict[str, Any] = json.loads(_did("inspect", "--type", "image", NAME))["OCIv1"]
    return configuration | {"size": _bytes(about["size"])}


class Container:
    def __init__(self, name: str, directory: Path) -> None:
        self.name, self.log = name, directory / f"{name}.log"

    def files(self) -> Path:
        """Its root, to look at."""
        return Path(_did("mount", self.name).strip())

    def run(
        self, *command: str, volume: Path | None = None, variables: Variables = NONE
    ) -> subprocess.CompletedProcess[str]:
        """As `docker run IMAGE COMMAND`, to its end."""
        return _done(*self._command(command, volume, variables))

    @contextmanager
    def running(self, *command: str, volume: Path | None = None, variables: Variables = NONE) -> Iterator[None]:
        """The same, while it goes on; ended as `docker stop` does it."""
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                ["buildah", *self._command(command, volume, variables)],
                env=os.environ | _VARIABLES,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield
            self._stop(process)
        finally:
            for pid in _below(process.pid):
                with_signal(pid, signal.SIGKILL)
            process.kill()
            process.wait(PATIENCE)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        [first] = [pid for pid in _below(process.pid) if _title(pid).startswith("/usr/bin/tini")]
        with_signal(first, signal.SIGTERM)
        status = process.wait(PATIENCE)
        assert status == 0, self.log.read_text()[-3000:]

    def _command(self, command: tuple[str, ...], volume: Path | None, variables: Variables) -> list[str]:
        about = image()["config"]
        given = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
        mounted = ["--volume", f"{volume}:/data"] if volume else []
        return ["run", *given, *mounted, self.name, "--", *about["Entrypoint"], *(command or about["Cmd"])]


@contextmanager
def container(directory: Path) -> Iterator[Container]:
    """A new one, of which nothing is left afterwards."""
    name = _did("from", NAME).strip()
    try:
        _did("config", "--volume", "/data-", name)  # buildah's own one would lie over ours
        yield Container(name, directory)
    finally:
        _did("rm", name)


def with_signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _below(pid: int) -> list[int]:
    found = []
    for child in children(pid):
        found += [child, *_below(child)]
    return found


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _bytes(size: str | int) -> float:
    """As buildah has it: 384 MB."""
    match = re.fullmatch(r"([0-9.]+) ([kMG]?)B", str(size))
    return float(match[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[match[2]] if match else float(size)


def _did(*arguments: str) -> str:
    done = _done(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _done(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["buildah", *arguments], env=os.environ | _VARIABLES, capture_output=True, text=True)
