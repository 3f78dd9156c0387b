"""Reading every base and hashing it. What does not match its name is put where nobody finds it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from django.db.models import Sum

from mezzotint.errors import StoreUnavailable
from mezzotint.host.files import place, sync, temporary
from mezzotint.names import Ident, is_ident
from mezzotint.names.keys import IMAGES, damaged_key, trash_key
from mezzotint.objects import ObjectInfo
from mezzotint.objects.protocol import digest_of
from mezzotint.repository import queries, standing
from mezzotint.repository.locks import committing
from mezzotint.repository.models import Image
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
_BATCH = 256
_THREADS = 4

Progress = Callable[[int, int], None]
"""told of objects and bytes, as they are done"""


@dataclass
class VerifyReport:
    """`damaged` were quarantined (a node that writes nothing only tells them); `healed` were, and the trash had
    the right bytes; `missing` have an entry and no object; `unread` could not be read now."""

    objects: int = 0
    bytes: int = 0
    damaged: list[str] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


class Pace:
    """So many bytes a second at the most; 0 for as many as come."""

    def __init__(self, rate: int) -> None:
        self._rate, self._started, self._bytes = rate, time.monotonic(), 0

    def spend(self, count: int) -> None:
        self._bytes += count
        if self._rate and (ahead := self._bytes / self._rate - (time.monotonic() - self._started)) > 0:
            time.sleep(ahead)


def total_bytes() -> int:
    """Of all entries: what a progress bar ends at."""
    return Image.objects.aggregate(bytes=Sum("bytes"))["bytes"] or 0


def verify(rate: int = 0, *, restart: bool = False, progress: Progress = lambda objects, size: None) -> VerifyReport:
    """Hash every base. Stopped half-way it goes on from there the next time, unless it shall `restart`."""
    report, pace = VerifyReport(), Pace(rate)
    place_kept = _Place(engine().settings.data / "verify.json")
    after = "" if restart else place_kept.read()
    objects = (info for info in engine().store.list(IMAGES, after) if is_ident(info.key[len(IMAGES) :]))
    last = after
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="verify") as threads:
        while batch := list(islice(objects, _BATCH)):

            def check(info: ObjectInfo) -> bool | None:
                pace.spend(info.size)
                progress(1, info.size)
                try:
                    return _is_whole(info)
                except StoreUnavailable as error:
                    log.warning("%s cannot be read: %s", info.key, error)
                    return None

            for info, whole in zip(batch, threads.map(check, batch), strict=True):
                report.objects += 1
                report.bytes += info.size
                if whole is None:
                    report.unread.append(info.key[len(IMAGES) :])
                elif not whole:
                    _quarantine(Ident(info.key[len(IMAGES) :]), report)
            _find_missing(last, batch[-1].key, batch, report)
            last = batch[-1].key
            place_kept.write(last)
    _find_missing(last, "", [], report)
    place_kept.forget()
    return report


def quick(progress: Progress = lambda objects, size: None) -> VerifyReport:
    """Presence and size only, from the listing: what is of another size is damaged, and quarantined."""
    report, last = VerifyReport(), ""
    objects = (info for info in engine().store.list(IMAGES) if is_ident(info.key[len(IMAGES) :]))
    while batch := list(islice(objects, _BATCH)):
        idents = [info.key[len(IMAGES) :] for info in batch]
        sizes = dict(Image.objects.filter(ident__in=idents).values_list("ident", "bytes"))
        for info in batch:
            ident = info.key[len(IMAGES) :]
            report.objects += 1
            report.bytes += info.size
            if sizes.get(ident, info.size) != info.size and not _is_whole(info):
                _quarantine(Ident(ident), report)
            progress(1, info.size)
        _find_missing(last, batch[-1].key, batch, report)
        last = batch[-1].key
    _find_missing(last, "", [], report)
    return report


def _is_whole(info: ObjectInfo) -> bool:
    """Read it, and once more where it does not match: memory errs too. What has gone meanwhile is no damage."""
    ident = info.key[len(IMAGES) :]
    return any(digest_of(engine().store, info.key) in {ident, None} for _ in range(2))


def _quarantine(ident: Ident, report: VerifyReport) -> None:
    """Out of the way, where nothing serves it; the right bytes come back from the trash, if it has them."""
    if not standing.is_writable():
        report.damaged.append(ident)
        return
    life = engine().bases.life
    with committing():
        life.quarantine(ident)
        if digest_of(engine().store, damaged_key(ident)) == ident:  # somebody has put the right bytes there meanwhile
            life.release(ident)
            return
    if digest_of(engine().store, trash_key(ident)) == ident and life.recover(ident):
        report.healed.append(ident)
    else:
        report.damaged.append(ident)


def _find_missing(after: str, until: str, batch: list[ObjectInfo], report: VerifyReport) -> None:
    """Entries between two keys that have no object, by the store's own word."""
    entries = Image.objects.filter(ident__gt=after[len(IMAGES) :]).order_by("ident")
    if until:
        entries = entries.filter(ident__lte=until[len(IMAGES) :])
    there = {info.key[len(IMAGES) :] for info in batch}
    for ident in entries.values_list("ident", flat=True).iterator(5000):
        if ident in there or ident in report.damaged or engine().bases.exists(Ident(ident)):
            continue
        report.missing += queries.live_idents([ident])


class _Place:
    """How far it came, in a small file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        try:
            return str(json.loads(self._path.read_text())["after"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return ""

    def write(self, after: str) -> None:
        with temporary(self._path.parent) as (part, stream):
            stream.write(json.dumps({"after": after}).encode())
            sync(stream)
            place(part, self._path)

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)
