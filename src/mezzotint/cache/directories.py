"""Which directories the cache's files are in: others come after them where somebody removes them all."""

from __future__ import annotations

import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

from mezzotint.cache.places import KINDS
from mezzotint.files import make_directory

_MARK = ".id-"
_SETTLED = 600.0
"""seconds after which nobody who removed the directories before is still at it"""


def identity_of(top: Path, nothing_before: bool = False) -> str:
    """The directories of all kinds below `top`, made if need be, as what tells them from others; nothing while
    somebody removes them.

    It becomes another one once they are settled: while they are new, whoever removed the ones before them may go on,
    and remove files that a rescan has seen.
    """
    with suppress(FileNotFoundError):
        marks = [_mark_of(top / kind) for kind in KINDS]
        if nothing_before:
            for mark in marks:
                os.utime(mark, (0, 0))
        settled = [_is_settled(mark) for mark in marks]
        return "".join(mark.name for mark in marks) + ("" if all(settled) else ".new")
    return ""


def _is_settled(mark: Path) -> bool:
    """Once it is, that is written down as its date: hosts whose clocks differ agree, whatever they show later."""
    made = mark.stat().st_mtime
    if made and time.time() - made >= _SETTLED:
        with suppress(PermissionError):
            os.utime(mark, (0, 0))
        return True
    return not made


def _mark_of(directory: Path) -> Path:
    """An empty directory in it, whose name no other has. (An inode may be given to another one after it.)"""
    make_directory(directory, durable=False)
    if not any(name.startswith(_MARK) for name in os.listdir(directory)):
        (directory / f"{_MARK}{uuid.uuid4().hex}").mkdir()
    return directory / min((name for name in os.listdir(directory) if name.startswith(_MARK)), default=_MARK)
