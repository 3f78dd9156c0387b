"""Taking over an existing composite handler's collections, members and batches, under their ids.

From its PostgreSQL (tables `common_collection`, `common_member`, `common_dlcsbatch`), or from what `dumpdata common`
wrote there.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import transaction

from mezzotint.composites.models import Batch, Collection, Member, Status, TargetKind
from mezzotint.errors import InvalidInput, first_line

_AT_ONCE = 500
_UNFINISHED = "it was under way when it was taken over from another handler; send it again"
_TABLES = ("collection", "member", "dlcsbatch")
Row = dict[str, Any]


@dataclass
class ImportReport:
    collections: int = 0
    members: int = 0
    batches: int = 0
    known: int = 0
    unfinished: int = 0


def take_over(
    source: str, *, dry_run: bool = False, progress: Callable[[int, int | None], None] = lambda done, of: None
) -> ImportReport:
    """All at once or not at all. What is here already stays as it is. Raises InvalidInput."""
    report, done = ImportReport(), 0
    try:
        with transaction.atomic():
            for table, write in zip(_TABLES, (_collections, _members, _batches), strict=True):
                rows = _rows(source, table)
                while some := list(islice(rows, _AT_ONCE)):
                    write(some, report)
                    done += len(some)
                    progress(done, None)
            transaction.set_rollback(dry_run)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InvalidInput("source", f"has a row that is none of a composite handler's: {error!r}") from None
    return report


def _rows(source: str, table: str) -> Iterator[Row]:
    if source.startswith(("postgresql://", "postgres://", "psql://", "pgsql://")):
        return _rows_of_database(source, table)
    return _rows_of_dump(Path(source), table)


def _rows_of_dump(path: Path, table: str) -> Iterator[Row]:
    try:
        dump = json.loads(path.read_text("utf-8"))
        assert isinstance(dump, list)
        for one in dump:
            if one["model"] == f"common.{table}":
                yield {"id": one["pk"]} | {
                    {"collection": "collection_id", "member": "member_id"}.get(name, name): value
                    for name, value in one["fields"].items()
                }
    except OSError as error:
        raise InvalidInput(
            "source", f"{path} cannot be read: {error.strerror}", "a file, or postgresql://..."
        ) from None
    except (ValueError, KeyError, TypeError, AssertionError, AttributeError):
        raise InvalidInput("source", f"{path} is no dump", "what `manage.py dumpdata common` writes") from None


def _rows_of_database(address: str, table: str) -> Iterator[Row]:
    import psycopg
    from psycopg.rows import dict_row

    address = "postgresql://" + address.partition("://")[2]
    try:
        with psycopg.connect(address, row_factory=dict_row, connect_timeout=10) as connection:
            connection.read_only = True
            with connection.cursor(name=f"take_over_{table}") as cursor:
                cursor.execute(f"SELECT * FROM common_{table} ORDER BY created_date, id".encode())
                yield from cursor
    except psycopg.Error as error:
        raise InvalidInput("source", f"cannot be read: {first_line(error)}", "an existing handler's database") from None


def _collections(rows: list[Row], report: ImportReport) -> None:
    here = _here(Collection, rows)
    fresh = [
        Collection(
            id=_uuid(row),
            customer=row["customer"],
            json_data={name: value for name, value in _json(row["json_data"]).items() if name != "member"},
            created_date=_moment(row["created_date"]),
            last_updated_date=_moment(row["last_updated_date"]),
        )
        for row in rows
        if _uuid(row) not in here
    ]
    report.known += len(rows) - len(fresh)
    report.collections += len(fresh)
    Collection.objects.bulk_create(fresh)


def _members(rows: list[Row], report: ImportReport) -> None:
    here = _here(Member, rows)
    collections = {uuid.UUID(str(row["collection_id"])) for row in rows}
    collections &= set(Collection.objects.filter(pk__in=collections).values_list("pk", flat=True))
    positions = {pk: Member.objects.filter(collection_id=pk).count() for pk in collections}
    fresh = []
    for row in rows:
        collection = uuid.UUID(str(row["collection_id"]))
        if _uuid(row) in here or collection not in collections:
            continue
        ended = row["status"] in {Status.COMPLETED, Status.ERROR}
        report.unfinished += not ended
        count = row.get("image_count")
        fresh.append(
            Member(
                id=_uuid(row),
                collection_id=collection,
                position=positions[collection],
                json_data=_json(row["json_data"]),
                status=row["status"] if ended else Status.ERROR,
                image_count=count,
                error=("" if row["status"] == Status.COMPLETED else row.get("error") or "") if ended else _UNFINISHED,
                created_date=_moment(row["created_date"]),
                last_updated_date=_moment(row["last_updated_date"]),
                target=TargetKind.DLCS,
                place=f"taken-over/{_uuid(row)}",
                pages_total=count,
                pages_done=(count or 0) if row["status"] == Status.COMPLETED else 0,
                ended=True,
            )
        )
        positions[collection] += 1
    report.members += len(fresh)
    Member.objects.bulk_create(fresh)


def _batches(rows: list[Row], report: ImportReport) -> None:
    members = {uuid.UUID(str(row["member_id"])) for row in rows}
    # one that came in meanwhile, or that a dump leaves out, has lost its batches
    members &= set(Member.objects.filter(pk__in=members).values_list("pk", flat=True))
    numbers = {pk: Batch.objects.filter(member_id=pk).count() for pk in members}
    known = set(Batch.objects.filter(member_id__in=members).exclude(uri="").values_list("uri", flat=True))
    fresh = []
    for row in rows:
        member = uuid.UUID(str(row["member_id"]))
        if row["uri"] in known or member not in members:
            continue
        said = _json(row["json_data"])
        fresh.append(
            Batch(
                member_id=member,
                number=numbers[member],
                json_data=said if isinstance(said.get("member"), list) else {"member": []},
                uri=row["uri"] or "",
                state=Batch.State.SENT,
                created_date=_moment(row["created_date"]),
                last_updated_date=_moment(row["last_updated_date"]),
            )
        )
        numbers[member] += 1
    report.batches += len(fresh)
    Batch.objects.bulk_create(fresh)


def _here(model: type[Collection] | type[Member], rows: Iterable[Row]) -> set[uuid.UUID]:
    return set(model._default_manager.filter(pk__in=[_uuid(row) for row in rows]).values_list("pk", flat=True))


def _uuid(row: Row) -> uuid.UUID:
    return uuid.UUID(str(row["id"]))


def _json(value: Any) -> dict[str, Any]:
    """A JSON column, or a text that holds JSON."""
    found = json.loads(value) if isinstance(value, str) else value
    return found if isinstance(found, dict) else {}


def _moment(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
