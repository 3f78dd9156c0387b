"""The desk's pages: who is let in, what is said of what is wrong, and that nothing is lost."""

from __future__ import annotations

import html
import re
import uuid
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from mezzotint.repository import commits, metadata, services
from mezzotint.repository.models import Collection, Image, SessionChange, UpdateSession
from mezzotint.wiring import Engine
from tests import pictures
from tests.repository.adding import add_image
from tests.repository.keeping import put_in
from tests.repository.people import person

HOSTILE = "<script>alert(1)</script> \"' & {{ 7*7 }} {% now %} \u202etxt.exe \N{PILE OF POO} مرحبا"


@pytest.fixture
def editor(repository: Engine) -> Client:
    return person("editor")


def session_with(engine: Engine, by: str, *seeds: int, **fields: object) -> tuple[UpdateSession, list[str]]:
    session = services.open_session(by)
    idents = []
    for seed in seeds:
        base = engine.bases.add([pictures.png(seed=seed)])
        add_image(session, base, fields)
        idents.append(str(base.ident))
    return session, idents


def form(ident: str, **changed: str) -> dict[str, Any]:
    """As the page of a live image has it, with what somebody has written."""
    image = Image.objects.get(ident=ident)
    was = {
        name: ", ".join(value) if isinstance(value := getattr(image, name), list) else value for name in metadata.FIELDS
    }
    return {"version": image.version, "where": "live", **{f"was_{k}": v for k, v in was.items()}, **was, **changed}


PAGES = (
    "/desk/",
    "/desk/images/",
    "/desk/collections/",
    "/desk/collections/shelf/",
    "/desk/spreadsheet/",
    "/desk/tokens/",
    "/desk/removed/",
)
LET_IN = {
    "viewer": set[str](),
    "contributor": set(PAGES) - {"/desk/removed/"},
    "editor": set(PAGES),
    "admin": set(PAGES),
}


@pytest.mark.parametrize("role", [None, *LET_IN])
def test_pages_are_for_those_with_the_permission(repository: Engine, role: str | None) -> None:
    put_in(repository, 1)
    client = person(role)
    found = {path for path in PAGES if client.get(path).status_code == 200}
    assert found == LET_IN.get(role or "", set())
    refused = client.get("/desk/removed/") if role == "contributor" else None
    assert refused is None or (refused.status_code == 403 and b"view_removal" in refused.content)


@pytest.mark.parametrize("path", PAGES)
def test_whoever_is_not_logged_in_is_asked_to(repository: Engine, path: str) -> None:
    put_in(repository, 1)
    answer = Client().get(path)
    assert (answer.status_code, answer["location"].split("?")[0]) == (302, "/login/")


def test_login_leads_back_and_nowhere_else(repository: Engine) -> None:
    User.objects.create_user("eve", password="a long enough one 7")
    sent = {"username": "eve", "password": "a long enough one 7"}
    assert Client().post("/login/", sent | {"next": "/desk/images/"})["location"] == "/desk/images/"
    assert Client().post("/login/", sent | {"next": "https://evil.example/"})["location"] == "/desk/"
    wrong = Client().post("/login/", sent | {"password": "x"})
    assert wrong.status_code == 200 and b"do not fit" in wrong.content
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get())
    assert client.post("/desk/sessions/").status_code == 403
    assert client.post("/logout/").status_code == 403


def held(page: Any) -> dict[str, str]:
    """What the page would send again."""
    found = re.findall(r'<textarea hidden name="([^"]+)">\n(.*?)</textarea>', page.content.decode(), re.S)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode())
    return {name: html.unescape(value) for name, value in found} | ({"csrfmiddlewaretoken": token[1]} if token else {})


def test_what_was_written_as_the_login_ended_is_kept(repository: Engine) -> None:
    """And sent again once there is another login, which makes the form's own token stale."""
    ident = str(put_in(repository, 90, title="Old"))
    person("editor")
    browser = Client(enforce_csrf_checks=True, headers={"Sec-Fetch-Site": "same-origin"})
    browser.force_login(User.objects.get())
    address = f"/desk/images/{ident}/"
    stale = held(browser.get(address))["csrfmiddlewaretoken"]
    browser.cookies.pop("sessionid")
    sent = form(ident, title="New & <old>", description="two\nlines") | {"csrfmiddlewaretoken": stale}
    first = browser.post(address, sent)
    assert first.status_code == 403 and b"has ended" in first.content and "no-store" in first["Cache-Control"]
    kept = held(first)
    assert (kept["title"], kept["description"], kept["was_title"]) == ("New & <old>", "two\nlines", "Old")
    credentials = {"username": "eve", "password": "a long enough one 7"}
    login = browser.post(
        "/login/", credentials | {"csrfmiddlewaretoken": held(browser.get("/login/"))["csrfmiddlewaretoken"]}
    )
    assert login.status_code == 302
    second = browser.post(address, kept)
    assert second.status_code == 403 and b"has changed" in second.content
    assert browser.post(address, held(second)).status_code == 302
    assert Image.objects.get(ident=ident).title == "New & <old>"


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}])
def test_what_another_site_sends_is_not_offered_to_be_sent_again(repository: Engine, headers: dict[str, str]) -> None:
    person("editor")
    browser = Client(enforce_csrf_checks=True, headers=headers)
    browser.force_login(User.objects.get())
    answer = browser.post("/desk/sessions/", {"note": "from elsewhere"})
    assert answer.status_code == 403 and b"from elsewhere" not in answer.content


def test_a_contributor_fills_sessions_and_an_editor_commits_them(repository: Engine) -> None:
    contributor = person("contributor", "carl")
    begun = contributor.post("/desk/sessions/", {"note": "for Ede"})
    files = [SimpleUploadedFile(f"{n}.png", pictures.png(seed=40 + n), "image/png") for n in (1, 2)]
    files.append(SimpleUploadedFile("bad.png", b"nothing", "image/png"))
    came = contributor.post(f"{begun['location']}files/", {"file": files}, follow=True)
    assert b"2 pictures came in" in came.content and b"bad.png: " in came.content
    assert contributor.post(f"{begun['location']}commit/").status_code == 403
    assert not Image.objects.exists()
    other = person("contributor", "cora")
    assert other.get(begun["location"]).status_code == 404
    editor = person("editor")
    assert b"for Ede" in editor.get("/desk/").content
    assert editor.post(f"{begun['location']}commit/", {"note": "looked at"}).status_code == 302
    assert sorted(Image.objects.values_list("file_name", flat=True)) == ["1.png", "2.png"]
    assert b"looked at" in editor.get("/desk/").content


def test_files_of_a_form_need_its_token(repository: Engine) -> None:
    user = User.objects.create_superuser("root", password="x")
    session = services.open_session("root")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    file = SimpleUploadedFile("1.png", pictures.png(seed=41), "image/png")
    assert client.post(f"/desk/sessions/{session.pk}/files/", {"file": file}).status_code == 403
    assert not session.changes.exists()


def test_what_two_people_write_meets_nobody_unseen(repository: Engine, editor: Client) -> None:
    ident = put_in(repository, 2, title="First", description="Old")
    seen = form(ident, title="Mine")
    services.at_once("other", partial(services.edit_image, ident=ident, version=1, fields={"title": "Theirs"}))
    clash = editor.post(f"/desk/images/{ident}/", seen)
    assert (
        clash.status_code == 422 and "“Theirs”" in clash.content.decode() and 'value="Mine"' in clash.content.decode()
    )
    assert Image.objects.get().title == "Theirs"
    other_field = form(ident, description="New") | {"version": 1, "title": "First", "was_title": "First"}
    assert editor.post(f"/desk/images/{ident}/", other_field).status_code == 302
    image = Image.objects.get()
    assert (image.title, image.description) == ("Theirs", "New")
    assert editor.post(f"/desk/images/{ident}/", form(ident, title="Mine")).status_code == 302
    assert Image.objects.get().title == "Mine"


def test_lines_survive_a_form(repository: Engine, editor: Client) -> None:
    """A browser sends CR LF, and a single line has none."""
    ident = put_in(repository, 3, title="Two\nlines", description="One\nTwo\n\nThree", rights="a\nb")
    sent = {
        name: value.replace("\n", "\r\n") if isinstance(value, str) else value for name, value in form(ident).items()
    }
    sent["title"] = sent["was_title"].replace("\r\n", " ")
    assert editor.post(f"/desk/images/{ident}/", sent).status_code == 302
    assert Image.objects.get().version == 1
    editor.post(f"/desk/images/{ident}/", sent | {"description": "One\r\nTwo"})
    image = Image.objects.get()
    assert (image.title, image.description, image.version) == ("Two\nlines", "One\nTwo", 2)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("title", "x" * 501, "500"),
        ("captured", "1901-13", "YYYY"),
        ("tags", ", ".join(map(str, range(101))), "100"),
        ("rights", "\x07", "text"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_kept(
    repository: Engine, editor: Client, field: str, value: str, told: str
) -> None:
    ident = put_in(repository, 4)
    sent = form(ident, description="kept all the same") | {field: value}
    answer = editor.post(f"/desk/images/{ident}/", sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert f'id="w-{field}"' in page and told in page and "kept all the same" in page
    assert Image.objects.get().version == 1


def test_hostile_words_are_words(repository: Engine, editor: Client) -> None:
    session, (ident,) = session_with(repository, "eve", 5, title=HOSTILE, description=HOSTILE, tags=[HOSTILE[:90]])
    services.put_collection(session, "hostile", {"title": HOSTILE})
    live = put_in(repository, 6, title=HOSTILE, alt=HOSTILE)
    services.edit_image(session, live, 1, {"description": HOSTILE})
    services.set_note(session, HOSTILE)
    for path in ("/desk/", f"/desk/sessions/{session.pk}/", f"/desk/sessions/{session.pk}/?show=edit",
                 f"/desk/sessions/{session.pk}/?show=collection", f"/desk/sessions/{session.pk}/images/{ident}/",
                 "/desk/images/", f"/desk/images/{live}/", f"/desk/images/{live}/remove/"):  # fmt: skip
        page = editor.get(path).content.decode()
        assert "alert(1)" in page and "<script>alert" not in page and "{{ 7*7 }}" in page, path


def test_the_same_is_done_with_many(repository: Engine, editor: Client) -> None:
    session, idents = session_with(repository, "eve", 7, 8, 9, title="A ship", tags=["sea"])
    live = put_in(repository, 10, title="A ship", tags=["land"])
    address = f"/desk/sessions/{session.pk}/many/"
    for sent in (
        {"what": "add", "value": "ship, sea", "all": "1"},
        {"what": "replace", "field": "title", "value": "ship", "by": "boat", "ident": [*idents[:2], live]},
        {"what": "set", "field": "creator", "value": "Anna", "ident": idents[0]},
        {"what": "take", "value": "sea", "ident": idents[2]},
        {"what": "join", "value": "Boats", "ident": [*idents, live]},
        {"what": "remove", "ident": idents[1]},
    ):
        assert editor.post(address, sent).status_code == 302
    assert Image.objects.get().title == "A ship", "nothing is live yet"
    assert editor.post(f"/desk/sessions/{session.pk}/commit/").status_code == 302
    found = {image.ident: (image.title, image.creator, image.tags) for image in Image.objects.all()}
    assert found == {
        idents[0]: ("A boat", "Anna", ["sea", "ship"]),
        idents[2]: ("A ship", "", ["ship"]),
        str(live): ("A boat", "", ["land"]),
    }
    members = Collection.objects.get(slug="boats").memberships.values_list("image__ident", flat=True)
    assert set(members) == {idents[0], idents[2], str(live)}


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"what": "set", "field": "title", "value": "x"}, "pictures"),
        ({"what": "explode", "field": "title", "all": "1"}, "what"),
        ({"what": "set", "field": "exif", "value": "x", "all": "1"}, "field"),
        ({"what": "set", "field": "captured", "value": "soon", "all": "1"}, "captured"),
        ({"what": "add", "value": " ", "all": "1"}, "value"),
        ({"what": "replace", "field": "title", "value": "", "all": "1"}, "value"),
        ({"what": "join", "value": "", "all": "1"}, "collection"),
        ({"what": "join", "value": "???", "all": "1"}, "collection"),
    ],
)
def test_what_cannot_be_done_with_many_changes_nothing(
    repository: Engine, editor: Client, sent: dict[str, str], told: str
) -> None:
    session, _ = session_with(repository, "eve", 11, title="Here")
    before = session.changes.count()
    back = f"/desk/sessions/{session.pk}/"
    page = editor.post(f"{back}many/", sent | {"back": back}, follow=True).content.decode()
    assert f"Nothing was changed: {told}: " in page
    assert session.changes.count() == before


def test_an_edit_that_somebody_overtook_is_told_before_the_commit(repository: Engine, editor: Client) -> None:
    ident = put_in(repository, 12, title="First")
    session = services.open_session("eve")
    services.edit_image(session, ident, 1, {"title": "Mine"})
    services.at_once("other", partial(services.edit_image, ident=ident, version=1, fields={"title": "Theirs"}))
    address = f"/desk/sessions/{session.pk}/"
    page = editor.get(f"{address}?show=edit").content.decode()
    assert "Somebody else has changed title since" in page and "Theirs" in page
    refused = editor.post(f"{address}commit/", {"back": address}, follow=True)
    assert b"Nothing was changed" in refused.content and Image.objects.get().title == "Theirs"
    shown = editor.get(f"{address}images/{ident}/").content.decode()
    assert "Somebody else has made this “Theirs” since" in shown
    was = {f"was_{name}": "" for name in metadata.FIELDS} | {"was_title": "Mine", "title": "Mine", "version": "2"}
    editor.post(f"{address}images/{ident}/", was)
    editor.post(f"{address}commit/")
    assert Image.objects.get().title == "Mine"


def test_a_session_that_has_ended_is_looked_at_and_not_changed(repository: Engine, editor: Client) -> None:
    session, (ident,) = session_with(repository, "eve", 13)
    address = f"/desk/sessions/{session.pk}/"
    editor.post(f"{address}commit/")
    page = editor.get(address).content.decode()
    assert "Live since commit" in page and "Commit: make" not in page
    (link,) = re.findall(r'href="(/desk/commits/\d+/)"', page)
    assert ident in editor.get(link).content.decode()
    assert editor.get("/desk/commits/999999/").status_code == 404
    late = editor.post(f"{address}many/", {"what": "set", "field": "title", "value": "x", "ident": ident})
    assert late.status_code == 409
    assert Image.objects.get().title == ""
    other = services.open_session("eve")
    editor.post(f"/desk/sessions/{other.pk}/abort/")
    other.refresh_from_db()
    assert other.state == UpdateSession.State.ABORTED


def test_a_large_session_is_shown_in_pages(
    repository: Engine, editor: Client, django_assert_max_num_queries: Any
) -> None:
    session, (ident,) = session_with(repository, "eve", 14)
    step = session.changes.get()
    facts = step.fields
    SessionChange.objects.bulk_create(
        SessionChange(session=session, kind="add", key=f"{n:064x}", fields=facts) for n in range(5000)
    )
    with django_assert_max_num_queries(40):
        page = editor.get(f"/desk/sessions/{session.pk}/").content.decode()
    assert "5001" in page and page.count('name="ident"') == 60 and "More of them" in page
    assert ident in page


@pytest.mark.parametrize("pk", [uuid.UUID(int=0)])
def test_what_is_not_there_is_not_found(repository: Engine, editor: Client, pk: uuid.UUID) -> None:
    for path in (f"/desk/sessions/{pk}/", f"/desk/sessions/{pk}/images/{'0' * 64}/", f"/desk/images/{'0' * 64}/",
                 "/desk/collections/none/", f"/desk/images/{'0' * 64}/remove/"):  # fmt: skip
        assert editor.get(path).status_code == 404, path
    assert editor.get("/desk/images/no-ident/").status_code == 400
    assert editor.post(f"/desk/removed/{'0' * 64}/").status_code == 404
    assert editor.get("/desk/sessions/").status_code == 405


def test_collections_are_made_and_changed(repository: Engine, editor: Client) -> None:
    made = editor.post("/desk/collections/+/", {"title": "Ships & sails", "visibility": "from", "from": "2099-01-01"})
    assert made["location"] == "/desk/collections/ships-sails/"
    assert Collection.objects.get().visibility == "2099-01-01"
    twice = editor.post("/desk/collections/+/", {"title": "Ships & sails", "visibility": "public"})
    assert twice.status_code == 422 and Collection.objects.count() == 1
    for visibility, day in (("from", ""), ("from", "soon"), ("group:none", ""), ("nobody", "")):
        sent = {"title": "Other", "version": 1, "visibility": visibility, "from": day}
        answer = editor.post("/desk/collections/ships-sails/", sent)
        known = visibility == "from" and day == ""
        assert answer.status_code == (302 if known else 422), (visibility, day)
    stale = editor.post("/desk/collections/ships-sails/", {"title": "Late", "version": 1, "visibility": "public"})
    assert stale.status_code == 422 and b"Somebody else" in stale.content and b"Late" in stale.content
    editor.post("/desk/collections/ships-sails/remove/")
    assert not Collection.objects.exists()


@pytest.mark.parametrize(
    ("data", "status", "told"),
    [
        (b"ident,title\n", 422, "no rows"),
        (b"\x89PNG\r\n\x1a\n", 422, "Nothing was changed"),
        (b"ident,colour\nx,y\n", 422, "colour"),
        (b"ident,title\nnope,x\n", 200, "line 2"),
    ],
)
def test_a_table_that_is_none_is_told(repository: Engine, editor: Client, data: bytes, status: int, told: str) -> None:
    answer = editor.post("/desk/spreadsheet/", {"table": SimpleUploadedFile("t.csv", data), "by": "ident"})
    assert answer.status_code == status and told in answer.content.decode()
    assert not UpdateSession.objects.exists()


def test_nothing_is_kept_by_caches_on_the_way(repository: Engine, editor: Client) -> None:
    assert "no-store" in editor.get("/desk/")["cache-control"]
    assert "blob:" in editor.get("/desk/")["content-security-policy"]
    assert "blob:" not in editor.get("/")["content-security-policy"]


def test_what_others_put_into_a_collection_stays_in_it(repository: Engine, editor: Client) -> None:
    first, second = put_in(repository, 60), put_in(repository, 61)
    page = editor.get("/desk/collections/shelf/").content.decode()
    idents = re.findall(r'name="ident" value="([0-9a-f]{64})"', page)
    assert set(idents) == {first, second}
    third = put_in(repository, 62)
    places = {f"{kind}_{ident}": str(place) for kind in ("was", "at") for place, ident in enumerate(idents, 1)}
    sent = {"title": "Shelf, renamed", "version": 1, "visibility": "public", "ident": idents, **places}
    assert editor.post("/desk/collections/shelf/", sent).status_code == 302
    members = Collection.objects.get().memberships.order_by("position").values_list("image__ident", flat=True)
    assert list(members) == [*idents, third]
    moved = sent | {"version": 2, f"at_{idents[0]}": "9", "out": idents[1]}
    assert editor.post("/desk/collections/shelf/", moved).status_code == 302
    assert list(members.all()) == [idents[0], third]


@pytest.mark.parametrize("number", ["x", "9" * 5000, "-1", "1.5", "\u0663"])
def test_a_place_that_is_no_number_is_told(repository: Engine, editor: Client, number: str) -> None:
    ident = put_in(repository, 63)
    sent = {"title": "Shelf", "version": 1, "visibility": "public", "ident": ident, f"was_{ident}": "1"}
    answer = editor.post("/desk/collections/shelf/", sent | {f"at_{ident}": number})
    assert answer.status_code == 422 and 'id="w-order"' in answer.content.decode()


def test_what_is_taken_out_of_a_session_is_not_taken_from_others(repository: Engine, editor: Client) -> None:
    """Two people send the same picture; one commits it, the other had taken it out."""
    mine, (ident,) = session_with(repository, "eve", 64)
    editor.post(f"/desk/sessions/{mine.pk}/many/", {"what": "remove", "ident": ident})
    theirs, _ = session_with(repository, "other", 64, title="Theirs")
    commits.commit(theirs)
    commits.commit(mine)
    assert Image.objects.get().title == "Theirs"


def test_what_was_removed_meanwhile_does_not_come_back_by_joining(repository: Engine, editor: Client) -> None:
    ident = put_in(repository, 65, title="Live")
    session = services.open_session("eve")
    editor.post(f"/desk/sessions/{session.pk}/many/", {"what": "join", "value": "Boats", "ident": ident})
    assert "comes into Boats" in editor.get(f"/desk/sessions/{session.pk}/").content.decode()
    services.at_once("other", lambda s: services.remove_image(s, ident))
    refused = editor.post(f"/desk/sessions/{session.pk}/commit/")
    assert refused.status_code == 409 and not Image.objects.exists()


def test_two_tabs_of_one_session_do_not_undo_each_other(repository: Engine, editor: Client) -> None:
    session, (ident,) = session_with(repository, "eve", 66, title="Old")
    was = {f"was_{name}": "" for name in metadata.FIELDS} | {"was_title": "Old"}
    address = f"/desk/sessions/{session.pk}/images/{ident}/"
    editor.post(address, was | {"title": "New"})
    editor.post(address, was | {"title": "Old", "description": "Of another tab"})
    commits.commit(session)
    image = Image.objects.get()
    assert (image.title, image.description) == ("New", "Of another tab")


def test_what_is_hidden_from_a_contributor_is_no_picture_to_describe(repository: Engine) -> None:
    ident = put_in(repository, 67, title="Secret")
    services.at_once("x", lambda s: services.put_collection(s, "shelf", {"visibility": "2099-01-01"}, 1))
    client = Client()
    user = User.objects.create_user("adder", password="x")
    user.user_permissions.add(Permission.objects.get(codename="add_image"))
    client.force_login(user)
    session = services.open_session("adder")
    answer = client.get(f"/desk/sessions/{session.pk}/images/{ident}/")
    assert answer.status_code == 404 and b"Secret" not in answer.content


def test_who_only_looks_is_led_to_the_pictures(repository: Engine) -> None:
    client = person("viewer")
    assert client.get("/desk/")["location"] == "/"
    page = client.get("/").content.decode()
    assert "/desk/" not in page.replace('/desk/">drop', "") and "Log out" in page


@pytest.mark.parametrize("name", ["???", "x" * 501, "\x07"])
def test_a_collection_that_cannot_be_loses_nothing_that_was_written(
    repository: Engine, editor: Client, name: str
) -> None:
    session, (ident,) = session_with(repository, "eve", 68)
    sent = {f"was_{field}": "" for field in metadata.FIELDS} | {
        "description": "Written for an hour",
        "collection": name,
    }
    answer = editor.post(f"/desk/sessions/{session.pk}/images/{ident}/", sent)
    page = answer.content.decode()
    assert answer.status_code == 422 and "collection: " in page and "Written for an hour" in page
    assert session.changes.count() == 1
    done = editor.post(f"/desk/sessions/{session.pk}/images/{ident}/", sent | {"collection": "Hours"})
    assert done.status_code == 302 and session.changes.count() == 3
    commits.commit(session)
    assert Image.objects.get().description == "Written for an hour" and Collection.objects.get().slug == "hours"


def test_what_stands_for_a_collection_is_chosen_and_kept(repository: Engine, editor: Client) -> None:
    idents = [str(put_in(repository, seed)) for seed in range(3)]
    outside = str(put_in(repository, 7))
    services.at_once("x", lambda s: services.put_collection(s, "other", {"title": "Other"}, None, [outside]))
    services.at_once("x", lambda s: services.put_collection(s, "shelf", {"cover": outside}, 1, idents))
    page = editor.get("/desk/collections/shelf/").content.decode()
    assert f'value="{outside}" checked' in page and "not in it stands for it" in page
    said = {"title": "Shelf", "visibility": "public", "version": 2, "cover": idents[1], "parent": "other"}
    assert editor.post("/desk/collections/shelf/", said).status_code == 302
    found = Collection.objects.get(slug="shelf")
    assert (found.cover, found.parent) == (idents[1], "other")
    page = editor.get("/desk/collections/shelf/").content.decode()
    assert f'value="{idents[1]}" checked' in page and "not in it stands for it" not in page
    wrong = editor.post("/desk/collections/other/", said | {"version": 1, "parent": "shelf", "cover": ""})
    assert wrong.status_code == 422 and "not within this collection" in wrong.content.decode()


def test_tags_with_commas_are_as_they_were(editor: Client, repository: Engine) -> None:
    """The form shows them as spreadsheets do, as JSON, and takes that back."""
    ident = str(put_in(repository, 77, tags=["Paris, 1900", "sea"]))
    page = editor.get(f"/desk/images/{ident}/").content.decode()
    assert "[&quot;Paris, 1900&quot;, &quot;sea&quot;]" in page
    was = {**form(ident), "was_tags": '["Paris, 1900", "sea"]', "tags": '["Paris, 1900", "sea", "ship"]'}
    assert editor.post(f"/desk/images/{ident}/", was).status_code == 302
    assert Image.objects.get(ident=ident).tags == ["Paris, 1900", "sea", "ship"]
