"""Fields that an installation adds: in API, sessions, spreadsheets, search, filters, facets, manifests and pages alike,
in the journal, and required where it says so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from mezzotint.errors import Conflict, InvalidInput
from mezzotint.repository import facets, filters, history, image_fields, many, services, undoing
from mezzotint.repository.commits import commit
from mezzotint.repository.models import Captured, Collection, Image
from mezzotint.repository.presentation import Presentation
from mezzotint.repository.readers import EVERYTHING
from mezzotint.repository.spreadsheets import describing, exporting
from mezzotint.repository.upkeep import restoring
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import engine_on
from tests.repository.adding import add_image
from tests.repository.keeping import emptied_database, put_in
from tests.repository.people import person

FIELDS = """
[place]
label = {en = "Place", de = "Ort"}
facet = true

[process]
kind = "choice"
choices = ["Albumen print", "Salt print, waxed"]
several = true

[taken]
kind = "date"
collections = ["press"]

[weight]
kind = "number"

[catalogue]
kind = "link"

[notes]
kind = "long"

[shelfmark]
required = ["press"]
"""
SAID = {
    "place": "Łódź",
    "process": ["Albumen print", "Salt print, waxed"],
    "taken": "1890~",
    "weight": "12.5",
    "catalogue": "https://example.org/7",
    "notes": "two\nlines",
    "shelfmark": "A 7",
}


@pytest.fixture
def here(transactional_db: None, tmp_path: Path) -> Iterator[Engine]:
    (tmp_path / "fields.toml").write_text(FIELDS)
    with engine_on(tmp_path / "data", MEZZOTINT_FIELDS=str(tmp_path / "fields.toml")) as engine:
        Captured.objects.all().delete()
        yield engine


@pytest.fixture
def editor(here: Engine) -> Client:
    return person("editor")


def put(here: Engine, seed: int = 1, **custom: object) -> str:
    return str(put_in(here, seed, custom=custom or SAID))


def custom(ident: str) -> Any:
    return Image.objects.get(ident=ident).custom


def edit(ident: str, **fields: object) -> None:
    image = Image.objects.get(ident=ident)
    services.at_once("eve", lambda mine: services.edit_image(mine, ident, image.version, fields))


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("place", "  Lo\u0301dz ", "Lódz"),
        ("process", "albumen PRINT", ["Albumen print"]),
        ("process", ["Salt print, waxed", "salt print, waxed"], ["Salt print, waxed"]),
        ("taken", "189X", "189X"),
        ("weight", 12, "12"),
        ("weight", -3.5, "-3.5"),
        ("weight", "007.10", "007.10"),
        ("weight", 0.00001, "0.00001"),
        ("weight", 1e16, "10000000000000000"),
        ("catalogue", "HTTPS://example.org", "HTTPS://example.org"),
        ("place", "", ""),
    ],
)
def test_what_is_said_is_kept(here: Engine, name: str, given: object, kept: object) -> None:
    assert image_fields.clean({"custom": {name: given}}) == {f"custom.{name}": kept}
    assert image_fields.clean({f"custom.{name}": given}) == {f"custom.{name}": kept}


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("process", ["Woodburytype"], "Albumen print"),
        ("process", 3, "custom.process"),
        ("process", ["Albumen print"] * 101, "100"),
        ("taken", "yesterday", "custom.taken"),
        ("weight", "heavy", "a number"),
        ("weight", "1e400", "a number"),
        ("weight", True, "custom.weight"),
        ("weight", float("nan"), "custom.weight"),
        ("catalogue", "javascript:alert(1)", "http://"),
        ("catalogue", "https://", "http://"),
        ("place", "x" * 501, "500"),
        ("place", ["x"], "custom.place"),
        ("place", "a\x00b", "custom.place"),
        ("nothing", "x", "custom.nothing"),
    ],
)
def test_what_cannot_stand_there_is_refused_by_name(here: Engine, name: str, given: object, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        image_fields.clean({"custom": {name: given}})
    assert told in str(refused.value)


@pytest.mark.parametrize("given", ["x", None, ["place"], 3])
def test_custom_is_an_object(here: Engine, given: object) -> None:
    with pytest.raises(InvalidInput, match="custom"):
        image_fields.clean({"custom": given})


def test_edits_of_different_fields_are_merged_and_of_the_same_are_a_conflict(here: Engine) -> None:
    ident = put(here)
    mine, yours, late = (services.open_session(name) for name in ("eve", "bob", "lea"))
    services.edit_image(mine, ident, 1, {"custom": {"place": "Lwów"}})
    services.edit_image(yours, ident, 1, {"custom.notes": "", "title": "Seen"})
    services.edit_image(late, ident, 1, {"custom.place": "Wilno"})
    commit(mine)
    commit(yours)
    wanted: dict[str, Any] = SAID | {"place": "Lwów"}
    del wanted["notes"]
    assert custom(ident) == wanted
    with pytest.raises(Conflict, match=r"custom\.place"):
        commit(late)


def test_it_comes_back_out_of_the_journal(here: Engine) -> None:
    ident = put(here)
    edit(ident, custom={"place": "Lwów"})
    before = Image.objects.values().get(ident=ident)
    emptied_database()
    restoring.restore()
    after = Image.objects.values().get(ident=ident)
    assert {k: v for k, v in after.items() if k != "id"} == {k: v for k, v in before.items() if k != "id"}
    assert [one.ident for one in filters.images({"custom.place": "Lwów", "search": "lwow"})] == [ident]


def test_it_is_found_by_its_words_and_by_its_values(here: Engine) -> None:
    ident, other = put(here), put(here, 2, place="Place", shelfmark="B")
    found = {
        name: [one.ident for one in filters.images({"search": name})] for name in ("lodz", "albumen", "waxed", "7")
    }
    assert found == {word: [ident] for word in ("lodz", "albumen", "waxed", "7")}
    assert [one.ident for one in filters.images({"search": "lines"})] == [ident], "behind the end of a line"
    assert [one.ident for one in filters.images({"search": "place"})] == [other], "names of fields are no words of it"
    assert [one.ident for one in filters.images({"custom.process": "Salt print, waxed"})] == [ident]
    assert [one.ident for one in filters.images({"custom.place": "Łódź", "custom.weight": "12.5"})] == [ident]
    assert not filters.images({"custom.place": "łódź"}) and not filters.images({"custom.place": "Albumen print"})
    edit(ident, custom={"place": "Wilno", "process": []})
    assert not filters.images({"search": "lodz"}) and not filters.images({"custom.process": "Albumen print"})
    assert [one.ident for one in filters.images({"search": "wilno"})] == [ident]
    services.at_once("eve", lambda mine: services.remove_images(mine, [ident]))
    assert not filters.images({"custom.place": "Wilno"})


def test_facets_are_choices_and_what_the_settings_say(here: Engine) -> None:
    put(here), put(here, 2, place="Łódź", shelfmark="B")
    found = facets.of(filters.images({}), EVERYTHING).own
    assert found == {
        "custom.place": [("Łódź", 2)],
        "custom.process": [("Albumen print", 1), ("Salt print, waxed", 1)],
    }


def test_a_spreadsheet_goes_out_and_comes_back(here: Engine) -> None:
    ident = put(here)
    sheet = "".join(exporting.lines("csv", filters.images({})))
    assert 'Łódź,"[""Albumen print"", ""Salt print, waxed""]",1890~,12.5' in sheet
    assert not describing.plan(sheet.encode(), "sheet").edits and not describing.plan(sheet.encode(), "sheet").wrong
    changed = sheet.replace("Łódź", "Lwów").replace("12.5", "heavy")
    plan = describing.plan(changed.encode(), "sheet")
    assert [one.new for one in plan.edits] == [{"custom.place": "Lwów"}]
    assert len(plan.wrong) == 1 and "custom.weight" in plan.wrong[0]
    describing.put_in(plan, "eve", "by a spreadsheet")
    (row,) = json.loads("".join(exporting.lines("json", filters.images({}))))
    assert row["ident"] == ident and row["custom.place"] == "Lwów" and row["custom.process"] == SAID["process"]


def test_manifests_have_it_in_the_languages_of_the_settings(here: Engine) -> None:
    ident = put(here)
    said = Presentation("http://x").image(Image.objects.get(ident=ident))["metadata"]
    assert {"label": {"en": ["Place"], "de": ["Ort"]}, "value": {"none": ["Łódź"]}} in said
    assert {"label": {"none": ["Process"]}, "value": {"none": SAID["process"]}} in said
    assert not [one for one in said if one["label"] == {"none": ["Taken"]}], "which is shown in a collection alone"


def test_history_tells_it_and_it_is_taken_back(here: Engine) -> None:
    ident = put(here)
    edit(ident, custom={"place": "Lwów", "notes": ""})
    (event, *_), _ = history.events("image", ident)
    assert event.fields == {"custom.place": ("Łódź", "Lwów"), "custom.notes": ("two\nlines", "")}
    commit(undoing.session_of(event.commit.seq, undoing.plan(event.commit.seq), "bob"))
    assert custom(ident) == SAID


def test_many_are_described_alike(here: Engine) -> None:
    idents = [put(here, seed) for seed in (1, 2)]
    session = services.open_session("eve")
    assert many.describe_many(session, {"idents": idents, "set": {"custom": {"place": "Wilno"}}}) == 2
    commit(session)
    assert [custom(ident)["place"] for ident in idents] == ["Wilno", "Wilno"]
    again = services.open_session("eve")
    assert many.describe_many(again, {"idents": idents, "set": {"custom.place": "Wilno"}}) == 0


def test_what_is_required_comes_in_with_it_and_is_not_emptied(here: Engine) -> None:
    ident = put(here, 1, place="Łódź")
    with pytest.raises(InvalidInput, match=r"custom\.shelfmark: is missing in 1 images"):
        services.at_once("eve", lambda mine: services.put_collection(mine, "press", {"title": "Press"}, None, [ident]))
    edit(ident, custom={"shelfmark": "A 7"})
    services.at_once("eve", lambda mine: services.put_collection(mine, "press", {"title": "Press"}, None, [ident]))
    with pytest.raises(InvalidInput, match="shelfmark"):
        edit(ident, custom={"shelfmark": ""})
    base = here.bases.add([pictures.png(seed=3)])
    session = services.open_session("eve")
    add_image(session, base, {}, {"press": "Press"})
    with pytest.raises(InvalidInput, match=str(base.ident)[:12]):
        commit(session)
    services.edit_image(session, str(base.ident), None, {"custom.shelfmark": "A 8"})
    commit(session)
    assert custom(str(base.ident)) == {"shelfmark": "A 8"}


def test_what_lacked_it_before_it_was_required_can_be_described_otherwise(here: Engine) -> None:
    ident = put(here, 1, place="Łódź", shelfmark="A 7")
    services.at_once("eve", lambda mine: services.put_collection(mine, "press", {"title": "Press"}, None, [ident]))
    Image.objects.filter(ident=ident).update(custom={"place": "Łódź"})
    edit(ident, title="Seen")
    assert Image.objects.get(ident=ident).title == "Seen"


def test_a_field_that_is_no_longer_known_stays_as_it_is(here: Engine, tmp_path: Path) -> None:
    ident = put(here)
    (tmp_path / "fewer.toml").write_text("[place]\n")
    with engine_on(tmp_path / "data", MEZZOTINT_FIELDS=str(tmp_path / "fewer.toml")):
        edit(ident, custom={"place": "Lwów"})
        assert custom(ident) == SAID | {"place": "Lwów"}
        with pytest.raises(InvalidInput, match=r"custom\.weight"):
            edit(ident, custom={"weight": "3"})


def test_the_api_takes_and_gives_it(here: Engine, editor: Client) -> None:
    ident = put(here)
    address = f"/api/images/{ident}/"
    assert editor.get(address).json()["custom"] == SAID
    said = {"version": 1, "custom": {"place": "Lwów"}}
    assert editor.patch(address, said, content_type="application/json").status_code == 200
    assert editor.get(address).json()["custom"] == SAID | {"place": "Lwów"}
    wrong = editor.patch(address, {"version": 2, "custom": {"weight": "x"}}, content_type="application/json")
    assert wrong.status_code == 400 and "custom.weight" in wrong.json()["detail"]
    assert editor.get("/api/images/", {"custom.place": "Lwów"}).json()["results"][0]["ident"] == ident
    assert editor.get("/api/images/", {"custom.place": "Łódź"}).json()["results"] == []
    assert editor.get("/api/images/", {"custom.nothing": "x"}).status_code == 400


def test_pages_show_it_with_what_finds_their_like(here: Engine, editor: Client) -> None:
    ident = put(here)
    page = editor.get(f"/image/{ident}/").content.decode()
    assert "<dt>Place</dt>" in page and 'href="/?custom.process=Albumen+print"' in page
    assert "<dt>Ort</dt>" in editor.get(f"/image/{ident}/", headers={"Accept-Language": "de"}).content.decode()
    found = editor.get("/", {"custom.process": "Albumen print"}).content.decode()
    assert ident in found and "Process" in found


def test_the_desk_and_the_admin_have_a_place_for_it(here: Engine, editor: Client) -> None:
    ident = put(here)
    page = editor.get(f"/desk/images/{ident}/").content.decode()
    assert 'name="custom.place" value="Łódź"' in page
    was = {f"was_{k}": exporting.as_cell(v) for k, v in image_fields.values(Image.objects.get(ident=ident)).items()}
    sent = {k.removeprefix("was_"): v for k, v in was.items()} | {"custom.place": "Lwów"}
    answer = editor.post(f"/desk/images/{ident}/", {"version": 1, "where": "live"} | was | sent)
    assert answer.status_code == 302 and custom(ident) == SAID | {"place": "Lwów"}
    wrong = editor.post(f"/desk/images/{ident}/", {"version": 2, "where": "live"} | was | sent | {"custom.weight": "x"})
    assert wrong.status_code == 422 and "a number, as 12" in wrong.content.decode()
    User.objects.create_superuser("root", password="a long enough one 7")
    root = Client()
    root.force_login(User.objects.get(username="root"))
    pk = Image.objects.get(ident=ident).pk
    form = root.get(f"/admin/repository/image/{pk}/change/")
    assert 'name="custom.place"' in form.content.decode()
    initial = form.context["adminform"].form.initial
    fields = {name: initial.get(name, "") for name in image_fields.known()}
    root.post(f"/admin/repository/image/{pk}/change/", fields | {"seen_version": 2, "custom.place": "Wilno"})
    assert custom(ident)["place"] == "Wilno"


def other_fields(tmp_path: Path, toml: str) -> Any:
    (tmp_path / "other.toml").write_text(toml)
    return engine_on(tmp_path / "data", MEZZOTINT_FIELDS=str(tmp_path / "other.toml"))


def form_of(ident: str) -> dict[str, Any]:
    said = {k: exporting.as_cell(v) for k, v in image_fields.values(Image.objects.get(ident=ident)).items()}
    return {"version": 1, "where": "live"} | said | {f"was_{name}": text for name, text in said.items()}


def test_what_was_said_before_the_settings_changed_is_no_obstacle(here: Engine, editor: Client, tmp_path: Path) -> None:
    """A choice that is none any more, and a text where there are numbers now, stay until somebody writes there."""
    ident = put(here)
    with other_fields(tmp_path, "[process]\nkind = 'choice'\nchoices = ['Cyanotype']\n[place]\nkind = 'number'\n"):
        saved = editor.post(f"/desk/images/{ident}/", form_of(ident) | {"title": "Seen"})
        assert saved.status_code == 302 and Image.objects.get(ident=ident).title == "Seen"
        assert custom(ident) == SAID
        written = form_of(ident) | {"version": 2, "custom.place": "Lwów"}
        assert editor.post(f"/desk/images/{ident}/", written).status_code == 422


def test_one_value_and_several_become_each_other(here: Engine, editor: Client, tmp_path: Path) -> None:
    ident = put(here)
    with other_fields(tmp_path, "[place]\nseveral = true\n[process]\n"):
        image = Image.objects.get(ident=ident)
        assert image_fields.value(image, "custom.place") == ["Łódź"]
        assert image_fields.value(image, "custom.process") == "Albumen print, Salt print, waxed"
        session = services.open_session("eve")
        sent = {"ident": [ident], "what": "replace", "field": "custom.place", "value": "Ł", "by": "L"}
        assert editor.post("/desk/images/many/", sent).status_code == 302
        assert editor.get(f"/desk/sessions/{session.pk}/").status_code == 200


def test_a_session_outlives_a_field(here: Engine, editor: Client, tmp_path: Path) -> None:
    ident = put(here)
    session = services.open_session("eve")
    services.edit_image(session, ident, 1, {"custom.weight": "3"})
    with other_fields(tmp_path, "[place]\n"):
        for page in (f"/desk/sessions/{session.pk}/", f"/desk/sessions/{session.pk}/images/{ident}/"):
            assert editor.get(page).status_code == 200
        commit(session)
        assert custom(ident) == SAID | {"weight": "3"}


def test_two_who_change_one_field_meet_at_the_desk(here: Engine, editor: Client) -> None:
    ident = put(here)
    sent = form_of(ident) | {"custom.place": "Wilno"}
    edit(ident, custom={"place": "Lwów"})
    answer = editor.post(f"/desk/images/{ident}/", sent)
    assert answer.status_code == 422 and "Lwów" in answer.content.decode() and "Wilno" in answer.content.decode()


def test_choices_are_what_they_look_like(here: Engine, tmp_path: Path) -> None:
    with other_fields(tmp_path, "[process]\nkind = 'choice'\nchoices = ['Photographie argente\u0301e']\n"):
        assert image_fields.clean({"custom.process": "photographie argent\u00e9e"}) == {
            "custom.process": "Photographie argent\u00e9e"
        }


def test_whose_document_it_is_says_rasterising_alone(here: Engine, editor: Client) -> None:
    """Who knows the hash of a hidden collection's document would show it to everybody."""
    put(here)
    said = {"version": Collection.objects.get(slug="shelf").version, "document": "a" * 64}
    answer = editor.patch("/api/collections/shelf/", said, content_type="application/json")
    assert answer.status_code == 400 and "document" in answer.json()["detail"]
    said["document"] = ""
    assert editor.patch("/api/collections/shelf/", said, content_type="application/json").status_code == 200


def test_who_may_only_view_sees_it_in_the_admin(here: Engine) -> None:
    ident = put(here)
    viewer = person("viewer", "vic")
    User.objects.filter(username="vic").update(is_staff=True)
    User.objects.get(username="vic").user_permissions.add(Permission.objects.get(codename="view_image"))
    page = viewer.get(f"/admin/repository/image/{Image.objects.get(ident=ident).pk}/change/")
    assert page.status_code == 200 and "custom.place: Łódź" in page.content.decode()


def test_lines_stay_lines_in_the_admin(here: Engine) -> None:
    """A field of one line would lose them, and change what nobody has touched."""
    ident = put(here)
    User.objects.create_superuser("root", password="a long enough one 7")
    root = Client()
    root.force_login(User.objects.get(username="root"))
    page = root.get(f"/admin/repository/image/{Image.objects.get(ident=ident).pk}/change/").content.decode()
    assert re.search(r'<textarea name="custom.notes"[^>]*>\s*two\nlines</textarea>', page)
