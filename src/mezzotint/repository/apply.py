"""Committed segments into the database: the only writer of what the journal holds.

A commit and a replay take this same road. Every change is a whole state, so
applying a segment twice leaves what applying it once left.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from itertools import groupby, islice

from django.db import connection, transaction

from mezzotint.errors import JournalBroken
from mezzotint.failpoints import failpoint
from mezzotint.journal import Change, Head, Segment
from mezzotint.repository import traces
from mezzotint.repository.intake import capture
from mezzotint.repository.models import Membership, UpdateSession
from mezzotint.repository.records import Records

_CHUNK = 500


def apply(segment: Segment, head: Head, records: Records | None = None) -> None:
    """Make one segment live, in one transaction. Raises JournalBroken for changes of an unknown kind."""
    records = records or Records(connection)
    with transaction.atomic(), capture.silenced():
        for (verb, kind), run in groupby(segment.changes, key=_verb):
            while chunk := list(islice(run, _CHUNK)):
                _apply(records, verb, kind, chunk, segment)
        failpoint("apply.before-commit")
        _end_session(segment)
        if records.is_current:
            traces.leave(segment)
        said = {name: getattr(segment, name) for name in ("seq", "transaction", "at", "by", "note", "epoch")}
        found = {"fingerprint": head.fingerprint, "bytes": head.bytes}
        records.table("commit").put([said | found | records.table("commit").known(_counts(segment))])


def _end_session(segment: Segment) -> None:
    """Raises JournalBroken for a transaction that is no UUID."""
    try:
        pk = uuid.UUID(segment.transaction)
    except ValueError:
        raise JournalBroken(f"segment {segment.seq} has a transaction that is no UUID") from None
    UpdateSession.objects.filter(pk=pk).update(state=UpdateSession.State.COMMITTED, seq=segment.seq)


def _apply(records: Records, verb: str, kind: str, changes: list[Change], segment: Segment) -> None:
    if verb == "put":
        records.table(kind).put(changes)
        if kind == "image":
            records.table("removal").remove(changes)
        return
    if kind == "image":
        idents = [change["ident"] for change in changes]
        members = Membership.objects.filter(image__ident__in=idents).order_by("collection__slug")
        joined = defaultdict[str, list[str]](list)
        for ident, slug in members.values_list("image__ident", "collection__slug"):
            joined[ident].append(slug)
        states = records.table("image").rows([(ident,) for ident in idents])
        was = ({**state, "collections": joined[state["ident"]]} for state in states)
        records.table("removal").put([_removal(state, segment) for state in was])
    records.table(kind).remove(changes)


def _removal(state: Change, segment: Segment) -> Change:
    state = {name: value for name, value in state.items() if name != "put"}
    return {"ident": state["ident"], "state": state, "seq": segment.seq, "at": segment.at, "by": segment.by}


def is_new(change: Change, at: str) -> bool:
    """Whether it makes an image live, in a segment of that moment: one that was here before has a later version."""
    return change.get("put") == "image" and (change["version"] == 1 or change["added"] == at)


def _counts(segment: Segment) -> dict[str, int]:
    """Of images; and how many collections were made, described, filled, put in order or removed."""
    put = sum(change.get("put") == "image" for change in segment.changes)
    added = sum(is_new(change, segment.at) for change in segment.changes)
    removed = sum(change.get("remove") == "image" for change in segment.changes)
    slugs = {change["slug"] for change in segment.changes if _verb(change)[1] in {"collection", "member"}}
    return {"added": added, "edited": put - added, "removed": removed, "collections": len(slugs)}


def _verb(change: Change) -> tuple[str, str]:
    if "put" in change:
        return "put", change["put"]
    if "remove" in change:
        return "remove", change["remove"]
    raise JournalBroken("the journal has a change that neither puts nor removes: a later version wrote it")
