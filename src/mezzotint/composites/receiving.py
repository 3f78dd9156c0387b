"""Everything that changes what is asked for: a request taken in, a member cancelled, tried again."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from mezzotint import tracing
from mezzotint.composites import claims, sealing, tasks
from mezzotint.composites.models import Collection, Member, Page, Status, TargetKind
from mezzotint.composites.repositorytarget import slug_of
from mezzotint.composites.schema import Wrong, place_name, problems
from mezzotint.errors import Conflict, InvalidInput
from mezzotint.network.urls import parse_url
from mezzotint.repository import standing
from mezzotint.wiring import engine

_CHUNK = 500
_LONGEST_PLACE, _MOST_BYTES = 600, 950
"""what the table and S3 take, with a page's file name behind it"""


class RequestRefused(InvalidInput):
    """`wrong` is all that is wrong with it. Nothing of it is stored."""

    title = "Invalid request"

    def __init__(self, wrong: list[Wrong]) -> None:
        super().__init__("json_data", "; ".join(map(str, wrong[:3])) + ("; ..." if len(wrong) > 3 else ""))
        self.wrong = wrong


def target() -> TargetKind:
    return TargetKind.DLCS if engine().settings.dlcs_root else TargetKind.REPOSITORY


def accept(customer: int, request: Any, authorization: str, by: str) -> Collection:
    """A request, whole or not at all, and its members in the queue. Raises RequestRefused, ReadOnly."""
    wrong = problems(request)
    if wrong:
        raise RequestRefused(wrong)
    if target() == TargetKind.REPOSITORY:
        standing.check_writable()
    now = timezone.now()
    about = {name: value for name, value in request.items() if name != "member"}
    collection = Collection(
        customer=customer, json_data=about, request=tracing.request_id.get(), created_date=now, last_updated_date=now
    )
    members = []
    for index, asked in enumerate(request["member"]):
        try:
            members.append(_member(collection, index, asked, by))
        except InvalidInput as error:
            wrong.append(Wrong(index, "origin" if error.field == "url" else "compositeId", error.what))
    if wrong:
        raise RequestRefused(wrong[:100])
    _check_places(members)
    sealed = sealing.sealed(authorization) if members and target() == TargetKind.DLCS else ""
    for member in members:
        member.credentials = sealed
    with transaction.atomic():
        collection.save(force_insert=True)
        Member.objects.bulk_create(members, batch_size=_CHUNK)
        transaction.on_commit(lambda: tasks.enqueue([member.pk for member in members]))
    return collection


def add_file(path: str, title: str, by: str, owner: str, lease: float) -> Member:
    """A document of this host, for the repository; whoever adds it has it already."""
    standing.check_writable()
    now = timezone.now()
    collection = Collection(customer=0, json_data={}, created_date=now, last_updated_date=now)
    member = Member(
        collection=collection, position=0, json_data={}, created_date=now, last_updated_date=now,
        target=TargetKind.REPOSITORY, by=by, title=title, local=path, owner=owner, lease=lease, attempts=1,
    )  # fmt: skip
    member.place = f"repository:{slug_of(member)}"
    with transaction.atomic():
        if Member.objects.filter(place=member.place).exclude(owner="").exists():
            raise Conflict(f"a document is just being added to the collection {title}")
        collection.save(force_insert=True)
        member.save(force_insert=True)
    return member


def cancel(member: Member) -> None:
    """Whoever works on it stops; what is registered stays so. Raises Conflict where it is completed."""
    changed = Member.objects.filter(pk=member.pk).exclude(status=Status.COMPLETED)
    if not claims.end(changed, claims.CANCELLED):
        raise Conflict("it is completed")


def retry(chosen: QuerySet[Member]) -> int:
    """Have those tried again now that have failed and are not under way; returns how many.

    Credentials that are gone cannot be had back: a member for a DLCS that had ended needs its request sent again.
    """
    failed = chosen.filter(status=Status.ERROR, owner="").exclude(target=TargetKind.DLCS, credentials="")
    again = list(failed.values_list("pk", flat=True))
    # reconcile may have taken away the bases of what had ended
    Page.objects.filter(member__in=again, member__target=TargetKind.REPOSITORY, member__ended=True).delete()
    failed.update(
        status=Status.PENDING, error="", ended=False, attempts=0, sudden=0, due=0.0, queued=0.0,
        last_updated_date=timezone.now(),
    )  # fmt: skip
    tasks.enqueue(again)
    return len(again)


def _member(collection: Collection, index: int, asked: dict[str, Any], by: str) -> Member:
    now = collection.created_date
    member = Member(
        collection=collection, position=index, json_data=asked, created_date=now,
        last_updated_date=now, target=target(), by=by,
    )  # fmt: skip
    name = place_name(asked.get("compositeId")) or str(member.pk)
    engine().policy.check(parse_url(asked["origin"]))
    if member.target == TargetKind.DLCS:
        parts = (engine().settings.dlcs_prefix.strip("/"), str(collection.customer), str(int(asked["space"])), name)
        member.place = "/".join(part for part in parts if part)
    else:
        member.place = f"repository:{slug_of(member)}"
    if len(member.place) > _LONGEST_PLACE or len(member.place.encode()) > _MOST_BYTES:
        raise InvalidInput("compositeId", f"makes a key of more than {_MOST_BYTES} bytes")
    return member


def _check_places(members: list[Member]) -> None:
    """Two documents in one place would be neither. Raises RequestRefused."""
    first: dict[str, int] = {}
    wrong = []
    for member in members:
        other = first.setdefault(member.place, member.position)
        if other != member.position:
            wrong.append(Wrong(member.position, "compositeId", f"is that of member {other}"))
    if wrong:
        raise RequestRefused(wrong[:100])
