"""What an index that was out of reach was not told: written down on the disk, for whoever completes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from mezzotint.files import make_directory


class Missed:
    """Two files: what is missed now, and what somebody has taken in hand, who may have been killed since. What cannot
    be written down is known to this process alone."""

    def __init__(self, path: Path) -> None:
        self._current, self._taken = path, path.with_name(f"{path.name}.taken")
        self._unwritten = False

    def __bool__(self) -> bool:
        return self._unwritten or self._current.exists() or self._taken.exists()

    def note(self, paths: Iterable[str]) -> None:
        """Changes to these files; to any, where none are named."""
        try:
            make_directory(self._current.parent, durable=False)
            with open(self._current, "a") as missed:
                missed.write("".join(f"{path}\n" for path in paths))
        except OSError:
            self._unwritten = True

    def take(self, work: Callable[[list[str]], bool]) -> None:
        """Forget it where `work` on all of its paths succeeds. For one at a time."""
        unwritten, self._unwritten = self._unwritten, False
        paths: list[str] = []
        with suppress(OSError):
            if not self._taken.exists():
                self._current.rename(self._taken)
            paths = [path for path in self._taken.read_text().splitlines() if path]
        if not (unwritten or self._taken.exists()):
            return
        if work(paths):
            with suppress(OSError):
                self._taken.unlink()
        else:
            self._unwritten |= unwritten
