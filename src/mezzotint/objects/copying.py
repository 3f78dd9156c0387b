"""A whole repository from one store to another: resumable, verified, the marker last."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from mezzotint.errors import Conflict, DamagedBase, NotFound
from mezzotint.files import temporary
from mezzotint.names import is_ident
from mezzotint.names.keys import COPYING_KEY, IMAGES, JOURNAL, LATEST_KEY, MARKER_KEY
from mezzotint.objects.protocol import ObjectInfo, ObjectStore

_BATCH = 256
_ROUNDS = 10
_LAST = (LATEST_KEY, MARKER_KEY)

Progress = Callable[[int, int], None]
"""told of objects and bytes, as they are done"""


@dataclass
class Report:
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
) -> Report:
    """Copy what `target` does not have yet, and read it back. Stopped half-way it can be begun again.

    First everything but the journal, then the journal in its order, until nothing
    new is found: what is committed meanwhile is complete over there as well. The
    marker, which makes it a repository, is the last. `content_type` is asked with the
    key and the bytes in a local file. Raises Conflict where the target is another
    repository already.
    """
    if _marker(target) not in {None, _marker(source)}:
        raise Conflict("the target is another repository already, and stays what it is")
    report = Report()
    target.put(COPYING_KEY, b"{}\n", "application/json")
    for turn in range(_ROUNDS):
        before, there = report.copied, report.there
        for journal in (False, True):
            objects = (
                i for i in source.list() if i.key.startswith(JOURNAL) == journal and i.key not in {*_LAST, COPYING_KEY}
            )
            _copy_all(objects, lambda info: _copy_one(source, target, info, spool, content_type), report, progress)
        if turn:
            report.there = there  # else what was copied before would be counted
        if report.copied == before:
            break
    for key in _LAST:
        try:
            target.put(key, source.read(key), "application/json")
        except NotFound:
            continue
    target.delete(COPYING_KEY)
    return report


def _marker(store: ObjectStore) -> bytes | None:
    try:
        return store.read(MARKER_KEY)
    except NotFound:
        return None


def _copy_all(
    objects: Iterator[ObjectInfo], one: Callable[[ObjectInfo], str], report: Report, progress: Progress
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


def _copy_one(
    source: ObjectStore, target: ObjectStore, info: ObjectInfo, spool: Path, content_type: Callable[[str, Path], str]
) -> str:
    try:
        if target.stat(info.key).size == info.size:
            return "there"
    except NotFound:
        pass
    with temporary(spool) as (path, stream):
        digest = hashlib.sha256()
        try:
            with source.get(info.key) as reader:
                for chunk in reader.chunks():
                    digest.update(chunk)
                    stream.write(chunk)
        except NotFound:
            return "gone"
        stream.close()
        found, name = digest.hexdigest(), info.key.removeprefix(IMAGES)
        if info.key.startswith(IMAGES) and is_ident(name) and found != name:
            return "damaged"
        target.put(info.key, path, content_type(info.key, path))
        _check(target, info.key, found)
    return "copied"


def _check(target: ObjectStore, key: str, expected: str) -> None:
    digest = hashlib.sha256()
    with target.get(key) as reader:
        for chunk in reader.chunks():
            digest.update(chunk)
    if digest.hexdigest() != expected:
        raise DamagedBase(f"{key} does not come back from the target as it went in")
