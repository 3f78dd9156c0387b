"""Files appear whole: written aside, made durable, then given their name.

Every file that Mezzotint writes gets its name through `place`, so no reader
ever sees half of one, and after a crash a name stands for all of its bytes or
does not exist.
"""

from __future__ import annotations

import errno
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from mezzotint.errors import StorageFull
from mezzotint.failpoints import failpoint

T = TypeVar("T")
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
CHUNK = 1 << 20
_ABANDONED = 86_400
_TRIES, _PAUSE = 30, 0.001


@contextmanager
def full_is_told(what: str) -> Iterator[None]:
    """Turn "no space left" in its several spellings into `StorageFull`."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(f"no space left to write {what}") from error
        raise


@contextmanager
def temporary(directory: Path, *, durable: bool = True) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file in `directory` to write to; it is gone afterwards, unless it was placed.

    Flush it before anybody reads it by its path.
    """
    make_directory(directory, durable)
    path = directory / f".{uuid.uuid4().hex}.part"
    with full_is_told(directory.name):
        stream = open(path, "xb")  # noqa: SIM115  closed below, where a full disk must not be told a second time
        try:
            yield path, stream
        finally:
            with suppress(OSError):
                stream.close()
            path.unlink(missing_ok=True)


def remove_abandoned(directory: Path) -> None:
    """What killed processes left half-written in `directory`: temporary files of more than a day."""
    for path in directory.glob(".*.part"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()


def make_directory(directory: Path, durable: bool = True) -> None:
    """Make `directory` and its parents; each newly made one is durable in its parent."""
    if directory.is_dir():
        return
    make_directory(directory.parent, durable)
    with suppress(FileExistsError):
        directory.mkdir()
    if durable:
        sync_directory(directory.parent)


def beginning_with(prefix: str, directory: Path) -> list[Path]:
    """What is in `directory` under such a name; nothing where it is gone."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return [directory / name for name in os.listdir(directory) if name.startswith(prefix)]
    return []


def while_removed(work: Callable[[], T]) -> T:
    """`work`, again while somebody removes the directories that it makes and needs. Raises FileNotFoundError where
    that does not end."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            return work()
        time.sleep(_PAUSE)
    return work()


def lies_at(path: Path, status: os.stat_result) -> bool:
    """Whether the file of this status still has that name: nobody has removed it, or put another in its place."""
    try:
        return os.path.samestat(path.stat(), status)
    except FileNotFoundError:
        return False


def open_shared(path: Path) -> int:
    """A descriptor of a small file that processes share, made if need be; also while somebody removes it all."""

    def opened() -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def made() -> int:
        make_directory(path.parent, durable=False)
        return opened()

    try:
        return opened()
    except FileNotFoundError:
        return while_removed(made)


def version_of(status: os.stat_result) -> str:
    """Of a file's bytes. The kernel sets the change time with every write to them, and nobody can set it back."""
    return f"{status.st_ino}-{status.st_size}-{status.st_ctime_ns}"


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync(stream: BinaryIO) -> None:
    """What was written to `stream` is on the disk."""
    stream.flush()
    os.fsync(stream.fileno())


def place_secret(path: Path, text: str, *, only_if_absent: bool = False) -> None:
    """A file that its user alone can read, durable."""
    with temporary(path.parent) as (part, stream):
        part.chmod(0o600)
        stream.write(text.encode())
        sync(stream)
        place(part, path, only_if_absent=only_if_absent)


def place(source: Path, target: Path, *, only_if_absent: bool = False, durable: bool = True) -> bool:
    """Give the whole file `source` the name `target`, on the same file system.

    `source` must be synced already where `durable` matters. With
    `only_if_absent` an existing target stays and False is returned (POSIX
    `link` decides, so of many racers exactly one wins).
    """
    make_directory(target.parent, durable)
    failpoint("files.before-place")
    if only_if_absent:
        try:
            os.link(source, target)
        except FileExistsError:
            return False
    else:
        os.replace(source, target)
    failpoint("files.after-place")
    if durable:
        sync_directory(target.parent)
    return True
