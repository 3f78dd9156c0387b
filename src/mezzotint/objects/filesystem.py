"""An object store in a directory.

`images/abcd...` lies at `images/ab/abcd...`: each file is one level down, in a
directory named by its first two characters. Idents spread over 256 of them, and
a listing in key order needs the names of one at a time; the journal's segments,
whose names begin alike, lie in one. A key's components have three characters or
more, so the two kinds of directory cannot be confused.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mezzotint.errors import NotFound, StoreUnavailable
from mezzotint.host.files import (
    CHUNK,
    full_is_told,
    make_directory,
    place,
    remove_abandoned,
    sync,
    sync_directory,
    temporary,
    version_of,
)
from mezzotint.names import check_key
from mezzotint.objects.protocol import ObjectInfo, ObjectReader, ObjectStore, clip
from mezzotint.settings import Settings

log = logging.getLogger(__name__)
_SPOOL = ".incoming"


class FileReader(ObjectReader):
    def __init__(self, stream: BinaryIO, start: int, length: int | None) -> None:
        self._stream = stream
        self.descriptor = stream.fileno()
        status = os.fstat(self.descriptor)
        self.size, self.version = status.st_size, version_of(status)
        begin, self._left = clip(start, length, self.size)
        stream.seek(begin)

    def chunks(self) -> Iterator[bytes]:
        while self._left:
            try:
                chunk = self._stream.read(min(CHUNK, self._left))
            except OSError as error:
                raise StoreUnavailable(f"an object cannot be read: {error.strerror}") from error
            if not chunk:
                raise StoreUnavailable("an object has become shorter while it was read")
            self._left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._stream.close()


class DirectoryStore(ObjectStore):
    """Objects as files below `root`, durable when a write returns."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._strays: set[str] = set()
        make_directory(root)
        remove_abandoned(root / _SPOOL)

    def put(self, key: str, body: bytes | Path, content_type: str | None = None) -> None:
        self._put(key, body, only_if_absent=False)

    def put_if_absent(self, key: str, body: bytes | Path, content_type: str | None = None) -> bool:
        target = self.local_path(key)
        if target.exists():
            # A racer may have linked it a moment ago: its name must be durable before we vouch for it.
            sync_directory(target.parent)
            return False
        return self._put(key, body, only_if_absent=True)

    def get(self, key: str, start: int = 0, length: int | None = None) -> FileReader:
        with _answering(key):
            return FileReader(open(self.local_path(key), "rb"), start, length)

    def stat(self, key: str) -> ObjectInfo:
        with _answering(key):
            status = os.stat(self.local_path(key))
        return ObjectInfo(key, status.st_size, status.st_mtime, version_of(status))

    def arbitrates(self) -> bool:
        return True  # link(2) decides

    def list(self, prefix: str = "", start_after: str = "") -> Iterator[ObjectInfo]:
        for info in self._walk(self.root, "", prefix, start_after):
            if info.key.startswith(prefix) and info.key > start_after:
                yield info

    def delete(self, key: str) -> None:
        path = self.local_path(key)
        with suppress(NotFound), _answering(key):
            path.unlink()
            sync_directory(path.parent)

    def move(self, source: str, target: str) -> None:
        old, new = self.local_path(source), self.local_path(target)
        with _answering(source):
            os.utime(old)  # before: a crash must not leave it in the trash with the date of its upload
            place(old, new)
            if new != old:
                old.unlink(missing_ok=True)  # rename(2) leaves both names where they are links to one file
            sync_directory(old.parent)

    def local_path(self, key: str) -> Path:
        directory, _, name = check_key(key).rpartition("/")
        return self.root / directory / name[:2] / name

    def _put(self, key: str, body: bytes | Path, *, only_if_absent: bool) -> bool:
        target = self.local_path(key)
        with _answering(key), full_is_told(key):
            if isinstance(body, Path) and body.stat().st_dev == self.root.stat().st_dev:
                with open(body, "rb") as stream:
                    os.fsync(stream.fileno())
                return self._adopt(body, target, only_if_absent)
            with temporary(self.root / _SPOOL) as (part, stream):
                with open(body, "rb") if isinstance(body, Path) else io.BytesIO(body) as source:
                    shutil.copyfileobj(source, stream, CHUNK)
                sync(stream)
                return place(part, target, only_if_absent=only_if_absent)

    def _adopt(self, body: Path, target: Path, only_if_absent: bool) -> bool:
        """Take a synced file of the same file system by its name, without copying it."""
        if only_if_absent:
            return place(body, target, only_if_absent=True)
        with temporary(self.root / _SPOOL) as (part, _):
            part.unlink()
            os.link(body, part)
            return place(part, target)

    def _belongs(self, shard: Path, name: str) -> bool:
        if name.startswith(shard.name):
            return True
        self._tell(str(shard / name))
        return False

    def _tell(self, path: str) -> None:
        """Once."""
        if path not in self._strays:
            self._strays.add(path)
            log.warning("%s is no object: nobody looks at it", path)

    def _walk(self, directory: Path, above: str, prefix: str, start_after: str) -> Iterator[ObjectInfo]:
        """The objects below `directory`, in key order, leaving out what cannot be of interest.

        All that begins with the same two characters is one group: the files of
        one two-character directory and the subdirectories beside it.
        """
        groups: dict[str, list[str]] = {}
        with os.scandir(directory) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith(".") or not _may_hold(above + name[:2], prefix, start_after):
                    continue
                if entry.is_dir():
                    groups.setdefault(name[:2], []).extend([f"{name}/"] if len(name) > 2 else [])
                else:
                    self._tell(entry.path)
        for group in sorted(groups):
            shard = directory / group
            files = [name for name in os.listdir(shard) if self._belongs(shard, name)] if shard.is_dir() else []
            for name in sorted(groups[group] + files):
                if not _may_hold(above + name, prefix, start_after):
                    continue
                if name.endswith("/"):
                    yield from self._walk(directory / name[:-1], above + name, prefix, start_after)
                    continue
                try:
                    status = os.stat(shard / name)
                except FileNotFoundError:
                    continue
                if not stat.S_ISREG(status.st_mode):
                    self._tell(str(shard / name))
                    continue
                yield ObjectInfo(above + name, status.st_size, status.st_mtime, version_of(status))


@contextmanager
def _answering(key: str) -> Iterator[None]:
    """A file that is not there is a definite answer; a disk that fails is none."""
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"there is no object {key}") from None
    except OSError as error:
        raise StoreUnavailable(f"the store does not answer: {error.strerror}") from error


def _may_hold(beginning: str, prefix: str, start_after: str) -> bool:
    """Whether a key that begins with `beginning` can have `prefix` and come after `start_after`."""
    length = min(len(beginning), len(prefix))
    return beginning[:length] == prefix[:length] and beginning >= start_after[: len(beginning)]


def open_directory(host: str, path: str, settings: Settings) -> DirectoryStore:
    return DirectoryStore(Path(path))
