"""What happened to remote images, written down for the database, which is told later.

One file for all processes of the host; each note is one line. Whoever reads takes the file away first, so no writer
waits for the database, and a reader that is killed leaves what it took for the next one.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from mezzotint import tracing
from mezzotint.host.files import lies_at, make_directory

_CURRENT = "notes.jsonl"
_TAKEN = "taken-*.jsonl"
_HANDFUL = 200


class Notes:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._current = directory / _CURRENT

    def append(self, note: dict[str, Any]) -> None:
        """It is there after a kill -9. No error where the disk is full: the pictures matter more."""
        if asked := tracing.request_id.get():
            note = note | {"request": asked}
        line = b"\n" + json.dumps(note).encode() + b"\n"  # so that one which a full disk cut off ends there
        with suppress(OSError):
            make_directory(self._directory, durable=False)
            while True:
                descriptor = os.open(self._current, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_SH)
                    if self._is_current(descriptor):
                        os.write(descriptor, line)
                        return
                finally:
                    os.close(descriptor)

    def are_there(self) -> bool:
        try:
            return any(name.endswith(".jsonl") for name in os.listdir(self._directory))
        except FileNotFoundError:
            return False

    def take(self) -> Generator[list[dict[str, Any]]]:
        """Everything that was written, in handfuls. A file goes when the handful after its last is asked for, or
        none is left: whoever gives up before finds it again. For one at a time."""
        with suppress(FileNotFoundError):
            descriptor = os.open(self._current, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # nobody is half-way through a line
                self._current.rename(self._directory / _TAKEN.replace("*", uuid.uuid4().hex))
            finally:
                os.close(descriptor)
        for path in sorted(self._directory.glob(_TAKEN), key=lambda path: path.stat().st_mtime):
            yield from _read(path)
            path.unlink(missing_ok=True)

    def _is_current(self, descriptor: int) -> bool:
        return lies_at(self._current, os.fstat(descriptor))


def _read(path: Path) -> Iterator[list[dict[str, Any]]]:
    notes = []
    with path.open("rb") as lines:
        for line in lines:
            with suppress(ValueError, RecursionError):  # a line that a full disk cut off, and those between
                note = json.loads(line)
                if isinstance(note, dict):
                    notes.append(note)
            if len(notes) >= _HANDFUL:
                yield notes
                notes = []
    if notes:
        yield notes
