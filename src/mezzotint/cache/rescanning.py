"""The index out of the files: after it was lost, or files were."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from mezzotint.cache.ledger import Ledger, Verdict
from mezzotint.cache.places import CONTROL, KINDS, name_at
from mezzotint.host.files import beginning_with

_ABANDONED = 3600
_BATCH = 500


def rescan(ledger: Ledger, progress: Callable[[int], None]) -> bool:
    """Record what is on disk, forget the rest. For one at a time. Returns whether the index knew of all as it was:
    it may not once it was mended, where whoever has removed files is still at it."""
    identity, was_complete, mended = ledger.index.identity, ledger.is_complete(), 0
    token = ledger.stamps.begin()
    _remove_what_was_used_before(ledger.directory)
    for count, path in enumerate(_files(ledger.directory), start=1):
        mended += _record(ledger, path, was_complete)
        progress(count)
        if not ledger.index.available:
            return False
    for batch in ledger.index.batches(_BATCH):
        mended += _forget(ledger, [entry.path for entry in batch])
    if not mended and ledger.index.identity == identity:
        ledger.stamps.end(token, identity)
    return not mended


def _record(ledger: Ledger, path: str, was_complete: bool) -> bool:
    """A file that is not as it was written goes. Returns whether there was anything to mend."""

    def judged() -> tuple[Verdict, os.stat_result]:
        status = (ledger.directory / path).stat()
        return ledger.judge(path, status, lambda: was_complete), status

    with suppress(FileNotFoundError):  # the cleaner may be at work
        if judged()[0] is Verdict.RECORDED:
            return False
        with ledger.alone():
            match judged():
                case Verdict.RECORDED, _:
                    return False
                case Verdict.WRONG, _:
                    if not ledger.remove(path):
                        return False  # nobody is given it, and it cannot be mended
                    ledger.forget([path])
                case _, status:
                    ledger.count(path, status)
        return True
    return False


def _forget(ledger: Ledger, paths: list[str]) -> int:
    gone = [path for path in paths if not (ledger.directory / path).exists()]
    if gone:
        with ledger.alone():
            gone = [path for path in gone if not (ledger.directory / path).exists() and ledger.index.find(path)]
            ledger.forget(gone)
    return len(gone)


def _remove_what_was_used_before(top: Path) -> None:
    """By releases whose index lay in the cache's own directory."""
    for name in ("index.sqlite3", "generation", "missed", "purged", "deleted"):
        for path in beginning_with(name, top / CONTROL):
            path.unlink(missing_ok=True)
    for kind in KINDS:
        for path in beginning_with(".id-", top / kind):
            with suppress(OSError):
                path.rmdir()


def _files(top: Path) -> Iterator[str]:
    """The paths of what has a name of ours; what killed writers have left goes."""
    for kind in KINDS:
        for directory, _, names in os.walk(top / kind):
            for name in names:
                path = Path(directory, name)
                if name_at(relative := str(path.relative_to(top))):
                    yield relative
                    continue
                if name.startswith(".") and name.endswith(".part"):
                    with suppress(FileNotFoundError):
                        if time.time() - path.stat().st_mtime > _ABANDONED:
                            path.unlink()
