"""When the machine was last seen to run: what was written shortly before that may never have reached its disk."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path

from mezzotint.host.files import make_directory

_BEFORE, _AFTER = 600.0, 60.0
"""seconds; the kernel writes back within some thirty, this file's own date too, and a busy disk takes longer"""


class Boots:
    """A file for each boot, whose date moves on with `run`."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._current = directory, directory / f"boot-{boot_id()}"
        self.run()
        before = {path: path.stat().st_mtime for path in directory.glob("boot-*") if path != self._current}
        self._went_down = max(before.values(), default=float("-inf"))
        for path, date in before.items():
            if date < self._went_down:
                path.unlink(missing_ok=True)

    def run(self) -> None:
        """It runs: asked for every few seconds."""
        with suppress(OSError):
            make_directory(self._directory, durable=False)
            self._current.touch()

    def is_doubtful(self, moment: float) -> bool:
        """Whether bytes of that moment, in epoch seconds, may be missing without anybody's fault."""
        return -_BEFORE <= moment - self._went_down <= _AFTER


@cache
def boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""
