"""Taking over an existing handler: from its database, from a dump, twice."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mezzotint.composites import importing, receiving
from mezzotint.composites.api import collection_json, member_json
from mezzotint.composites.models import Batch, Collection, Member, Status
from mezzotint.errors import InvalidInput
from tests.backends.postgresql import PostgreSQL
from tests.documents import anything, request

pytestmark = pytest.mark.django_db(transaction=True)
AT = datetime(2023, 4, 5, 6, 7, 8, 123456, UTC)
COLLECTION, DONE, FAILED, RUNNING = (uuid.UUID(int=n) for n in range(1, 5))
ASKED = request(anything(compositeId="a"), anything(compositeId="b"), anything(compositeId="c"))
ROWS: dict[str, list[dict[str, Any]]] = {
    "collection": [{"id": COLLECTION, "json_data": ASKED, "customer": 99}],
    "member": [
        {"id": DONE, "collection_id": COLLECTION, "json_data": ASKED["member"][0], "status": "COMPLETED",
         "image_count": 3, "error": "an old error"},
        {"id": FAILED, "collection_id": COLLECTION, "json_data": ASKED["member"][1], "status": "ERROR",
         "image_count": None, "error": "it failed"},
        {"id": RUNNING, "collection_id": COLLECTION, "json_data": ASKED["member"][2], "status": "RASTERIZING",
         "image_count": None, "error": None},
    ],
    "dlcsbatch": [
        {"id": uuid.UUID(int=9), "member_id": DONE, "json_data": {"member": [{"id": "a"}]}, "uri": "http://dlcs/1"},
        {"id": uuid.UUID(int=10), "member_id": DONE, "json_data": {"member": [{"id": "b"}]}, "uri": "http://dlcs/2"},
    ],
}  # fmt: skip


def dump(path: Path) -> str:
    """As `manage.py dumpdata common` writes it."""
    written = []
    for table, members in ROWS.items():
        for row in members:
            fields = {name.removesuffix("_id"): value for name, value in row.items() if name != "id"}
            fields |= {"created_date": AT.isoformat(), "last_updated_date": AT.isoformat()}
            written.append({"model": f"common.{table}", "pk": str(row["id"]), "fields": fields})
    path.write_text(json.dumps(written, default=str))
    return str(path)


def database(postgresql: PostgreSQL) -> str:
    """As the existing handler has it."""
    address = postgresql.new_database()
    dates = "created_date timestamptz DEFAULT %s, last_updated_date timestamptz DEFAULT %s"
    with psycopg.connect(address, autocommit=True) as connection:
        text = f"'{AT.isoformat()}'"
        for create in (
            "CREATE TABLE common_collection (id uuid PRIMARY KEY, json_data jsonb, customer integer, ",
            "CREATE TABLE common_member (id uuid PRIMARY KEY, json_data jsonb, status text, image_count integer, "
            "error text, collection_id uuid, ",
            "CREATE TABLE common_dlcsbatch (id uuid PRIMARY KEY, json_data jsonb, uri text, member_id uuid, ",
        ):
            connection.execute(f"{create}{dates % (text, text)})".encode())
        for table, members in ROWS.items():
            for row in members:
                values = {n: json.dumps(v) if isinstance(v, dict) else v for n, v in row.items()}
                names, places = ", ".join(values), ", ".join(["%s"] * len(values))
                insert = f"INSERT INTO common_{table} ({names}) VALUES ({places})"
                connection.execute(insert.encode(), list(values.values()))
    return address


@pytest.fixture(params=["dump", "database"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "dump":
        return dump(tmp_path / "dump.json")
    return database(request.getfixturevalue("postgresql"))


def test_links_that_were_given_out_still_answer(source: str) -> None:
    planned = importing.take_over(source, dry_run=True)
    assert not Collection.objects.exists()
    report = importing.take_over(source)
    assert asdict(planned) == asdict(report) == {
        "collections": 1, "members": 3, "batches": 2, "known": 0, "unfinished": 1,
    }  # fmt: skip
    said = collection_json(Collection.objects.get())
    assert [one["id"].rpartition("/")[2] for one in said["members"]] == [str(pk) for pk in (DONE, FAILED, RUNNING)]
    done, failed, running = said["members"]
    assert (done["status"], done["image_count"], done["created"]) == ("COMPLETED", 3, "2023-04-05T06:07:08.123456Z")
    assert done["dlcs_uris"] == ["http://dlcs/1", "http://dlcs/2"]
    assert "error" not in done
    assert (failed["status"], failed["error"]) == ("ERROR", "it failed")
    assert running["status"] == "ERROR" and "send it again" in running["error"]
    assert "member" not in Collection.objects.get().json_data
    again = importing.take_over(source)
    assert (again.collections, again.members, again.batches, again.known) == (0, 0, 0, 1)
    assert (Member.objects.count(), Batch.objects.count()) == (3, 2)


def test_nothing_of_it_is_worked_on_by_itself(source: str, engine: object) -> None:
    importing.take_over(source)
    assert not Member.objects.filter(ended=False).exists()
    assert receiving.retry(Member.objects.all()) == 0, "there are no credentials"
    assert member_json(Member.objects.get(pk=FAILED))["status"] == Status.ERROR


@pytest.mark.parametrize("content", ["", "{}", "[3]", '[{"model": "common.member"}]', "\xff"])
def test_what_is_no_dump_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "dump.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidInput):
        importing.take_over(str(path))
    with pytest.raises(InvalidInput, match="cannot be read"):
        importing.take_over(str(tmp_path / "absent.json"))


def test_a_database_that_does_not_answer_or_is_another_one_is_told(postgresql: PostgreSQL) -> None:
    for address in ("postgresql://nobody@127.0.0.1:1/none", postgresql.new_database()):
        with pytest.raises(InvalidInput, match="cannot be read"):
            importing.take_over(address)
