"""A whole repository from one store to another: resumable, verified, the marker last."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from mezzotint.errors import Conflict, DamagedBase, NotFound
from mezzotint.host.files import temporary
from mezzotint.names import is_ident
from mezzotint.names.keys import COPYING_KEY, IMAGES, JOURNAL, LATEST_KEY, MARKER_KEY, REVOKED_KEY, TRASH
from mezzotint.objects.protocol import ObjectInfo, ObjectStore, digest_of, find

_BATCH = 256
_ROUNDS = 10
_SEGMENTS = f"{JOURNAL}0"
_LAST = (REVOKED_KEY, LATEST_KEY, MARKER_KEY)

Progress = Callable[[int, int], None]
"""told of objects and bytes, as they are done"""


@dataclass
class CopyReport:
    """`damaged` have other bytes at the source than their names say, and were not copied."""

    copied: int = 0
    there: int = 0
    bytes: int = 0
    damaged: list[str] = field(default_factory=list)


def copy(
    source: ObjectStore,
    target: ObjectStore,
    spool: Path,
    content_type: Callable[[str, Path], str],
    progress: Progress = lambda objects, size: None,
) -> CopyReport:
    """Copy what `target` does not have yet, and read it back. Stopped half-way it can be begun again.

    First everything but the journal, then the journal in its order, until nothing
    new is found: what is committed meanwhile is complete over there as well. The
    marker, which makes it a repository, is the last. `content_type` is asked with the
    key and the bytes in a local file. Raises Conflict where the target is another
    repository already, or has commits that the source has not.
    """
    _refuse_another(source, target)
    resumed = _read(target, COPYING_KEY) is not None
    report = CopyReport()
    target.put(COPYING_KEY, b"{}\n", "application/json")
    for turn in range(_ROUNDS):
        before, there = report.copied, report.there
        for journal in (False, True):
            objects = (
                i for i in source.list() if i.key.startswith(JOURNAL) == journal and i.key not in {*_LAST, COPYING_KEY}
            )
            one = _Copier(source, target, spool, content_type, doubtful=resumed and not turn)
            _copy_all(objects, one, report, progress)
        if turn:
            report.there = there  # else what was copied before would be counted
        if report.copied == before:
            break
    _follow_to_the_trash(source, target)
    for key in _LAST:
        if (body := _read(source, key)) is not None:
            target.put(key, body, "application/json")
    target.delete(COPYING_KEY)
    return report


def _refuse_another(source: ObjectStore, target: ObjectStore) -> None:
    """Raises Conflict where the target is another repository, or has gone on without the source."""
    marker = _read(target, MARKER_KEY)
    if marker is not None and marker != _read(source, MARKER_KEY):
        raise Conflict("the target is another repository already, and stays what it is")
    last = None
    for info in target.list(_SEGMENTS):
        last = info.key
    if last is not None and _read(source, last) != target.read(last):
        raise Conflict(f"the target has {last}, and the source has not, or has another: is it the right way round?")


def _follow_to_the_trash(source: ObjectStore, target: ObjectStore) -> None:
    """What was removed while it was copied is not public over there either."""
    for info in source.list(TRASH):
        base = IMAGES + info.key.removeprefix(TRASH)
        if find(target, base) is not None and find(source, base) is None:
            target.delete(base)


def _read(store: ObjectStore, key: str) -> bytes | None:
    try:
        return store.read(key)
    except NotFound:
        return None


def _copy_all(
    objects: Iterator[ObjectInfo], one: Callable[[ObjectInfo], str], report: CopyReport, progress: Progress
) -> None:
    with ThreadPoolExecutor(8, thread_name_prefix="copy") as threads:
        while batch := list(islice(objects, _BATCH)):
            for info, outcome in zip(batch, threads.map(one, batch), strict=True):
                if outcome == "damaged":
                    if info.key not in report.damaged:
                        report.damaged.append(info.key)
                elif outcome == "copied":
                    report.copied += 1
                    report.bytes += info.size
                    progress(1, info.size)
                elif outcome == "there":
                    report.there += 1


@dataclass(frozen=True, slots=True)
class _Copier:
    """Copies one object. Where it is `doubtful` what is there, being there is not enough."""

    source: ObjectStore
    target: ObjectStore
    spool: Path
    content_type: Callable[[str, Path], str]
    doubtful: bool

    def __call__(self, info: ObjectInfo) -> str:
        if self._is_there(info):
            return "there"
        with temporary(self.spool) as (path, stream):
            digest = hashlib.sha256()
            try:
                with self.source.get(info.key) as reader:
                    for chunk in reader.chunks():
                        digest.update(chunk)
                        stream.write(chunk)
            except NotFound:
                return "gone"
            stream.close()
            found, name = digest.hexdigest(), info.key.removeprefix(IMAGES)
            if info.key.startswith(IMAGES) and is_ident(name) and found != name:
                return "damaged"
            self.target.put(info.key, path, self.content_type(info.key, path))
        if digest_of(self.target, info.key) != found:
            raise DamagedBase(f"{info.key} does not come back from the target as it went in")
        return "copied"

    def _is_there(self, info: ObjectInfo) -> bool:
        there = find(self.target, info.key)
        if there is None or there.size != info.size:
            return False
        return not self.doubtful or digest_of(self.source, info.key) == digest_of(self.target, info.key)
