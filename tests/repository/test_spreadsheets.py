"""Descriptions out into a file, edited, and back in."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mezzotint.errors import Busy, Conflict, InvalidInput
from mezzotint.names import Ident
from mezzotint.repository import services
from mezzotint.repository.models import Commit, Image
from mezzotint.repository.spreadsheets import describing, exporting
from mezzotint.repository.streaming import Room
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import Server
from tests.servers import run

pytestmark = pytest.mark.django_db(transaction=True)
ODD = {
    "title": 'Straße, "quoted"; tab\there <b>=1+1</b> \u202eRTL 🎨',
    "description": "two\nlines, with ; and ,",
    "creator": "O'Brien",
    "tags": ["plain", "with, comma", "[bracket]"],
    "captured": "1901-05",
}


def add(engine: Engine, seed: int, collection: str | None = None, **fields: Any) -> Ident:
    base = engine.bases.add([pictures.png(seed=seed)])
    addition = services.Addition(base, fields, {collection: collection} if collection else {})
    services.at_once("tests", lambda session: services.add_images(session, [addition]))
    return base.ident


def exported(form: str) -> bytes:
    return "".join(exporting.lines(form, Image.objects.all())).encode()


@pytest.fixture
def three(repository: Engine) -> list[Ident]:
    return [add(repository, 1, "Some", **ODD), add(repository, 2, title="Second", tags=["a"]), add(repository, 3)]


@pytest.mark.parametrize("form", exporting.FORMS)
def test_what_comes_out_changes_nothing_when_it_comes_back(three: list[Ident], form: str) -> None:
    found = describing.plan(exported(form), "file", "ident")
    assert (found.edits, found.wrong, found.same) == ([], [], 3)


def test_json_is_a_list_of_what_there_is(three: list[Ident]) -> None:
    rows = {row["ident"]: row for row in json.loads(exported("json"))}
    assert set(rows) == set(three)
    assert {name: rows[three[0]][name] for name in ODD} == ODD
    assert rows[three[0]]["collections"] == ["some"] and rows[three[1]]["version"] == 1


def test_an_edited_file_is_one_commit(three: list[Ident]) -> None:
    rows = list(csv.reader(io.StringIO(exported("csv").decode("utf-8-sig"), newline="")))
    at = {name: place for place, name in enumerate(rows[0])}
    for row in rows[1:]:
        if row[0] == three[1]:
            row[at["title"]], row[at["tags"]] = "Renamed", "b, c"
        if row[0] == three[0]:
            row[at["description"]] = ""
    before = Commit.objects.count()
    for separator, encoding in ((";", "utf-16"), ("\t", "utf-8")):
        buffer = io.StringIO(newline="")
        csv.writer(buffer, delimiter=separator).writerows(rows)
        found = describing.plan(buffer.getvalue().encode(encoding), "file")
        assert found.wrong == []
        if found.edits:
            assert {one.ident: one.new for one in found.edits} == {
                three[0]: {"description": ""},
                three[1]: {"title": "Renamed", "tags": ["b", "c"]},
            }
            assert describing.put_in(found, "me", "by file") is not None
    assert Commit.objects.count() == before + 1
    assert Image.objects.get(ident=three[1]).tags == ["b", "c"]
    assert describing.put_in(describing.plan(buffer.getvalue().encode(), "file"), "me", "") is None


def test_each_row_that_is_wrong_is_told_and_costs_only_itself(three: list[Ident]) -> None:
    lines = [
        "ident,title,captured",
        f"{three[0]},Right,1902",
        f"{three[0]},Again,1903",
        "nonsense,x,",
        f"{'0' * 64},x,",
        ",x,",
        f"{three[1]},Kept,about 1900",
        "",
        f"{three[2]},{'x' * 501},1904-02-30",
    ]
    found = describing.plan("\n".join(lines).encode(), "file")
    assert {(one.ident, *one.new.values()) for one in found.edits} == {
        (three[0], "Right", "1902"),
        (three[1], "Kept"),
    }
    assert [wrong.partition(":")[0] for wrong in found.wrong] == [f"line {n}" for n in (3, 4, 5, 6, 7, 9, 9)]
    for wrong, words in zip(
        found.wrong, ("line 2", "hexadecimal", "no image", "hexadecimal", "captured", "title", "captured"), strict=True
    ):
        assert words in wrong


def test_what_somebody_else_has_changed_since_is_not_overwritten(three: list[Ident]) -> None:
    file = exported("csv").decode().replace("Second", "Mine")
    edit: Callable[..., Any] = lambda session: services.edit_image(session, three[1], 1, {"title": "Theirs"})  # noqa: E731
    services.at_once("other", edit)
    found = describing.plan(file.encode(), "file")
    assert found.edits == [] and "changed by somebody else" in found.wrong[0]
    late = describing.plan(f"ident,title\n{three[1]},Mine".encode(), "file")
    services.at_once("other", lambda session: services.edit_image(session, three[1], 2, {"title": "Theirs again"}))
    with pytest.raises(Conflict):
        describing.put_in(late, "me", "")
    assert Image.objects.get(ident=three[1]).title == "Theirs again"


def test_rows_may_be_found_by_what_is_not_one_images_alone(repository: Engine, three: list[Ident]) -> None:
    add(repository, 4, title="Twice")
    add(repository, 5, title="Twice")
    found = describing.plan(b"title;creator\nSecond;Me\nTwice;Me\nNone;Me", "file", "title")
    assert [one.ident for one in found.edits] == [three[1]]
    assert "2 images" in found.wrong[0] and "no image" in found.wrong[1]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"ident", b"title\nx", b"ident,colour\na,b", b"ident,title,title\na,b,c", b"ident,title\na,b,c",
        b"[1]", b"{}",
        b"[{", b'ident,title\na,"b', b"\x00\x01\x02", b'[{"ident": {"a": 1}, "titel": 1}]', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_says_why(three: list[Ident], data: bytes) -> None:
    with pytest.raises(InvalidInput) as raised:
        describing.plan(data, "file")
    assert raised.value.field == "file"


@pytest.mark.parametrize("row", [{"title": 7}, {"title": None}, {"tags": {"a": 1}}, {"version": "x"}, {"version": -1}])
def test_values_of_another_kind_are_told(three: list[Ident], row: dict[str, Any]) -> None:
    found = describing.plan(json.dumps([{"ident": three[0]} | row]).encode(), "file")
    assert found.edits == [] and len(found.wrong) == 1 and found.wrong[0].startswith("line 1: ")


def test_idents_of_another_kind_are_none(three: list[Ident]) -> None:
    for ident in (7, None, ["a"], {"a": 1}, "a\x00b"):
        found = describing.plan(json.dumps([{"ident": ident, "title": "x"}]).encode(), "file")
        assert found.edits == [] and len(found.wrong) == 1


def test_files_of_the_shell(tmp_path: Path, three: list[Ident]) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        describing.read_file(tmp_path / "none.csv")


def test_by_command_and_over_http(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve()
    ident = server.upload(pictures.png(seed=61), title="One", collection="Kept")
    other = server.upload(pictures.png(seed=62), title="Two, too")
    out = run(server.data, "export").stdout
    over = server.http.get("/api/export/").raise_for_status()
    assert over.headers["content-type"].startswith("text/csv") and "attachment" in over.headers["content-disposition"]
    assert over.text.replace("\r\n", "\n") == out and ident in out and other in out
    some = server.http.get("/api/export/?as=json&collection=kept").json()
    plain = server.http.get("/api/export/?as=json&collection=kept", headers={"accept-encoding": "identity"})
    assert plain.json() == some and "content-encoding" not in plain.headers
    assert [row["ident"] for row in some] == [ident]
    assert server.http.get("/api/export/?as=xml").status_code == 400
    assert server.http.get("/api/export/?colection=kept").status_code == 400
    head = server.http.head("/api/export/?as=json")
    assert head.status_code == 200 and head.headers["content-type"] == "application/json" and head.content == b""
    file = tmp_path / "some.csv"
    assert run(server.data, "export", "--collection", "kept", "-o", str(file)).returncode == 0
    file.write_text(file.read_text(encoding="utf-8-sig").replace("One", "First"))
    would = run(server.data, "describe", str(file), "--dry-run")
    assert would.returncode == 0 and "First" in would.stdout and "1 images would be" in would.stdout
    assert server.http.get(f"/api/images/{ident}/").json()["title"] == "One"
    done = run(server.data, "describe", str(file), "--json")
    assert json.loads(done.stdout)["commit"] > 0
    assert server.http.get(f"/api/images/{ident}/").json()["title"] == "First"
    file.write_text("ident,title\nnonsense,x\n")
    wrong = run(server.data, "describe", str(file))
    assert wrong.returncode == 1 and "line 2" in wrong.stdout
    for arguments in (
        ["export", "--format", "xml"],
        ["export", "-o", "/dev/null/x.csv"],
        ["describe", "/nowhere.csv"],
        ["describe", str(file), "--by", "colour"],
        ["export", "--collection", "none"],
    ):
        told = run(server.data, *arguments)
        assert told.returncode != 0 and "Traceback" not in told.stderr and told.stderr


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("ident", [7, None, ["a"], {"a": 1}, "a\x00b", "\ud800"]),
        ("title", [7, None, [], "\x00", "\ud800", "", "x" * 501]),
    ],
)
def test_a_row_without_a_key_costs_only_itself(three: list[Ident], by: str, keys: list[Any]) -> None:
    good = {"ident": three[1], "title": "Second", "creator": "Me"}
    rows = [{by: key, "creator": "x"} for key in keys] + [{"creator": "x"}, good]
    found = describing.plan(json.dumps(rows).encode(), "file", by)
    assert [one.ident for one in found.edits] == [three[1]]
    assert len(found.wrong) == len(keys) + 1


def test_what_programs_for_tables_do_to_a_cell_is_no_change(repository: Engine) -> None:
    ident = add(repository, 7, title="Caf\u00e9 in composed", description="one\r\ntwo", tags=["a"])
    Image.objects.filter(ident=ident).update(creator="Rene\u0301")  # as a file's own EXIF may have had it
    rows = [{"ident": ident, "description": "one\ntwo", "creator": "Ren\u00e9", "title": "Caf\u00e9 in composed "}]
    found = describing.plan(json.dumps(rows).encode(), "file")
    assert (found.edits, found.wrong, found.same) == ([], [], 1)
    by_title = describing.plan("title;source\nCafe\u0301 in composed;x".encode(), "file", "title")
    assert [one.ident for one in by_title.edits] == [ident]


@pytest.mark.parametrize("column", ["collections", "width", "added", "format"])
def test_what_is_not_changed_so_is_told(three: list[Ident], column: str) -> None:
    found = describing.plan(f"ident,{column},title\n{three[1]},7,New".encode(), "file")
    assert [one.new for one in found.edits] == [{"title": "New"}]
    assert found.wrong == [f"line 2: {column} is not changed by describe; left out"]


@pytest.mark.parametrize("cell", ['["a", "b', '["a" b]', "[\u201ca\u201d]", '["' + "[" * 5000, "[1, 2]"])
def test_tags_that_only_look_like_json_are_told(three: list[Ident], cell: str) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([["ident", "tags"], [three[1], cell]])
    found = describing.plan(buffer.getvalue().encode(), "file")
    assert found.wrong or found.edits[0].new == {"tags": ["[1", "2]"]}
    assert not found.wrong or found.edits == []


def test_a_cell_may_be_long_and_bytes_that_are_no_text_are_not_guessed_at(three: list[Ident]) -> None:
    assert "up to" in describing.plan(f"ident,title\n{three[1]},{'x' * 200_000}".encode(), "file").wrong[0]
    with pytest.raises(InvalidInput, match="no text"):
        describing.plan(b'[{"ident": "\xff"}]', "file")


def test_one_title_of_thousands_costs_a_count(repository: Engine, django_assert_max_num_queries: Any) -> None:
    for seed in range(20, 30):
        add(repository, seed, title="Scan")
    with django_assert_max_num_queries(3):
        found = describing.plan(b"title,creator\nScan,x", "file", "title")
    assert found.wrong == ["line 2: title 'Scan' is that of 10 images"]


def test_so_many_exports_go_on_at_once_and_no_more() -> None:
    room = Room("exports", 4)
    places = [room.enter() for _ in range(4)]
    with pytest.raises(Busy, match="4 exports"):
        room.enter()
    places[0].leave()
    places[0].leave()
    again = room.enter()
    with pytest.raises(Busy):
        room.enter()
    del places[1:]
    again.leave()
    assert len([room.enter() for _ in range(4)]) == 4
