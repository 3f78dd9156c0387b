"""Committed segments into the database: the only writer of what the journal holds.

A commit and a replay take this same road. Every change is a whole state, so
applying a segment twice leaves what applying it once left.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django.db import connection, transaction

from mezzotint.errors import JournalBroken
from mezzotint.failpoints import failpoint
from mezzotint.journal import Change, Head, Segment
from mezzotint.repository.intake import capture
from mezzotint.repository.models import UpdateSession
from mezzotint.repository.records import Records

_CHUNK = 500


def apply(segment: Segment, head: Head, records: Records | None = None) -> None:
    """Make one segment live, in one transaction. Raises JournalBroken for changes of an unknown kind."""
    records = records or Records(connection)
    with transaction.atomic(), capture.silenced():
        counts = {"added": 0, "edited": 0, "removed": 0}
        for (verb, kind), run in groupby(segment.changes, key=_verb):
            for chunk in _chunks(list(run)):
                _apply(records, verb, kind, chunk, segment)
        for change in segment.changes:
            _count(change, counts)
        failpoint("apply.before-commit")
        _end_session(segment)
        row = {
            "seq": segment.seq,
            "fingerprint": head.fingerprint,
            "transaction": segment.transaction,
            "at": segment.at,
            "by": segment.by,
            "note": segment.note,
            "epoch": segment.epoch,
            "bytes": head.bytes,
        }
        records.put("commit", [row | counts])


def _end_session(segment: Segment) -> None:
    """Raises JournalBroken for a transaction that is no UUID."""
    try:
        pk = uuid.UUID(segment.transaction)
    except ValueError:
        raise JournalBroken(f"segment {segment.seq} has a transaction that is no UUID") from None
    UpdateSession.objects.filter(pk=pk).update(state=UpdateSession.State.COMMITTED, seq=segment.seq)


def _apply(records: Records, verb: str, kind: str, changes: list[Change], segment: Segment) -> None:
    if verb == "put":
        records.put(kind, changes)
        if kind == "image":
            records.remove("removal", changes)
        return
    if kind == "image":
        states = records.rows("image", [(change["ident"],) for change in changes])
        records.put("removal", [_removal(state, segment) for state in states])
    records.remove(kind, changes)


def _removal(state: Change, segment: Segment) -> Change:
    state = {name: value for name, value in state.items() if name != "put"}
    return {"ident": state["ident"], "state": state, "seq": segment.seq, "at": segment.at, "by": segment.by}


def _count(change: Change, counts: dict[str, int]) -> None:
    if change.get("put") == "image":
        counts["added" if change.get("version") == 1 else "edited"] += 1
    elif change.get("remove") == "image":
        counts["removed"] += 1


def _verb(change: Change) -> tuple[str, str]:
    if "put" in change:
        return "put", change["put"]
    if "remove" in change:
        return "remove", change["remove"]
    raise JournalBroken("the journal has a change that neither puts nor removes: a later version wrote it")


def _chunks(changes: list[Any]) -> Iterator[list[Any]]:
    return (changes[start : start + _CHUNK] for start in range(0, len(changes), _CHUNK))
