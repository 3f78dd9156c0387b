"""What became of images and collections, and taking a commit back."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from mezzotint.errors import Conflict, StoreUnavailable
from mezzotint.journal import Segment
from mezzotint.names import Ident
from mezzotint.repository import history, roles, services, standing, undoing
from mezzotint.repository.commits import commit
from mezzotint.repository.models import Collection, Commit, Image, Installation, Membership, Removal, UpdateSession
from mezzotint.repository.tables import Trace
from mezzotint.wiring import Engine
from tests.durability.oracle import rows
from tests.repository.keeping import emptied_database, furnish, put_in


def edit(ident: Ident, **fields: object) -> Commit:
    version = Image.objects.get(ident=ident).version
    return services.at_once("anna", lambda s: services.edit_image(s, ident, version, fields))[1]


def put(slug: str, fields: dict[str, Any] | None = None, images: list[Ident] | None = None) -> Commit:
    found = Collection.objects.filter(slug=slug).first()
    version = found.version if found is not None else None
    return services.at_once("anna", lambda s: services.put_collection(s, slug, fields or {}, version, images))[1]


def members(slug: str) -> list[str]:
    found = Membership.objects.filter(collection__slug=slug).order_by("position")
    return list(found.values_list("image__ident", flat=True))


def take_back(done: Commit) -> list[str]:
    """What stays as it is."""
    plan = undoing.plan(done.seq)
    commit(undoing.session_of(done.seq, plan, "bela"))
    return plan.kept


def last() -> Commit:
    return Commit.objects.latest("seq")


def described() -> dict[str, Any]:
    """All that is live and people have said, whatever its versions and its places' numbers."""
    images = {
        row["ident"]: {name: value for name, value in row.items() if name not in {"version", "field_versions", "added"}}
        for row in rows()["image"]
    }
    collections = {c.slug: (c.title, c.description, c.visibility, members(c.slug)) for c in Collection.objects.all()}
    return {"images": images, "collections": collections}


def test_what_became_of_a_picture_is_told_the_newest_first(repository: Engine) -> None:
    ident = put_in(repository, 1, title="One")
    edit(ident, title="Two", tags=["a"])
    put("other", {"title": "Other"}, [ident])
    put("other", {}, [])
    services.at_once("anna", lambda s: services.remove_image(s, ident))
    found, before = history.events("image", ident)
    assert [event.what for event in found] == ["removed", "filled", "filled", "described", "new"] and before is None
    assert found[3].fields == {"title": ("One", "Two"), "tags": ([], ["a"])}
    assert found[4].fields == {"title": ("", "One")} and found[4].joined == ["shelf"]
    assert (found[2].joined, found[1].left) == (["other"], ["other"])
    assert [event.commit.by for event in found] == ["anna"] * 4 + ["tester"]


def test_it_comes_in_pages(repository: Engine) -> None:
    ident = put_in(repository, 1, title="0")
    for number in range(1, 5):
        edit(ident, title=str(number))
    first, before = history.events("image", ident, most=2)
    second, before = history.events("image", ident, before, most=2)
    third, end = history.events("image", ident, before, most=2)
    titles = [event.fields["title"] for event in (*first, *second, *third)]
    assert titles == [("3", "4"), ("2", "3"), ("1", "2"), ("0", "1"), ("", "0")] and end is None


def test_traces_of_what_was_there_before_them_are_made_in_the_background(repository: Engine) -> None:
    furnish(repository)
    wanted = set(Trace.objects.values_list("about", "seq"))
    assert wanted
    Trace.objects.all().delete()
    Installation.objects.update(traced=standing.head().seq)
    history.go_on(lambda: True)
    assert not Trace.objects.exists() and history.untraced(), "it went on although it was to stop"
    history.go_on(lambda: False)
    assert set(Trace.objects.values_list("about", "seq")) == wanted and history.untraced() == 0


def test_traces_come_with_a_replay(repository: Engine) -> None:
    furnish(repository)
    from mezzotint.repository import commits

    wanted = set(Trace.objects.values_list("about", "seq"))
    Trace.objects.all().delete()
    emptied_database()
    commits.catch_up()
    assert set(Trace.objects.values_list("about", "seq")) == wanted


@pytest.mark.parametrize(
    "what", ["edit", "add", "remove", "new collection", "removed collection", "order", "out", "in"]
)
def test_a_commit_that_is_taken_back_leaves_what_was_before(repository: Engine, what: str) -> None:
    idents = furnish(repository)
    before = described()
    match what:
        case "edit":
            done = edit(idents[1], title="Other", description="new", tags=["z"])
        case "add":
            put_in(repository, 9, title="New")
            done = last()
        case "remove":
            done = services.at_once("anna", lambda s: services.remove_image(s, idents[2]))[1]
        case "new collection":
            done = put("third", {"title": "Third"}, idents[:2])
        case "removed collection":
            done = services.at_once("anna", lambda s: services.remove_collection(s, "shelf"))[1]
        case "order":
            done = put("shelf", {"title": "Turned"}, list(reversed(idents)))
        case "out":
            done = put("shelf", {}, idents[1:])
        case _:
            done = put("other", {"description": "fuller"}, [*idents[1:], idents[0]])
    assert described() != before
    assert take_back(done) == []
    if what == "remove":  # it comes back at the end of its collections, which is where it was
        assert set(members("other")) == set(before["collections"]["other"][3])
    assert described() == before
    take_back(last())
    assert described() != before, "what was taken back is taken back"


def test_what_others_changed_since_stays_and_is_told(repository: Engine) -> None:
    idents = furnish(repository)
    done = edit(idents[1], title="Mine", description="mine")
    edit(idents[1], title="Theirs")
    kept = take_back(done)
    image = Image.objects.get(ident=idents[1])
    assert (image.title, image.description) == ("Theirs", "")
    assert kept == [f"{idents[1][:12]}: title changed again since"]
    done = put("third", {"title": "Third"}, idents[:1])
    put("third", {"title": "Theirs"})
    with pytest.raises(Conflict, match="changed since"):
        take_back(done)
    assert not UpdateSession.objects.filter(state="open").exists()


def test_it_is_told_where_a_picture_is_gone_for_ever(repository: Engine) -> None:
    ident = put_in(repository, 1)
    done = services.at_once("anna", lambda s: services.remove_image(s, ident))[1]
    repository.bases.life.delete(ident, 2**40)
    with pytest.raises(Conflict, match="not in the trash any more"):
        take_back(done)


def test_what_came_into_a_collection_since_stays(repository: Engine) -> None:
    idents = furnish(repository)
    done = put("other", {}, [idents[2], idents[0]])
    fresh = put_in(repository, 9)
    put("other", {}, [idents[2], idents[0], fresh])
    take_back(done)
    assert members("other") == [idents[1], idents[2], fresh]


def test_many_edits_are_taken_back_by_few_reads(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    idents = furnish(repository)
    session = services.open_session("anna")
    services.edit_images(session, [(i, Image.objects.get(ident=i).version, {"source": "box"}) for i in idents])
    done, read = commit(session), list[int]()
    real = history.segment

    def counted(seq: int) -> Segment:
        read.append(seq)
        return real(seq)

    monkeypatch.setattr(history, "segment", counted)
    take_back(done)
    assert len(read) == len(set(read)) and not Image.objects.filter(source="box").exists()


def client(role: str) -> Client:
    roles.make()
    user = User.objects.create_user("eve", password="a long enough one 7")
    user.groups.add(Group.objects.get(name=role))
    found = Client()
    found.force_login(user)
    return found


def test_it_is_at_the_api(repository: Engine) -> None:
    ident = put_in(repository, 1, title="One")
    done, eve = edit(ident, title="Two"), client("editor")
    shown = eve.get(f"/api/images/{ident}/history/").json()
    assert [one["what"] for one in shown["results"]] == ["described", "new"] and shown["before"] is None
    assert shown["results"][0]["fields"] == {"title": {"was": "One", "is": "Two"}}
    assert eve.get("/api/collections/shelf/history/").json()["results"][0]["joined"] == [ident]
    assert eve.get(f"/api/images/{'0' * 64}/history/").status_code == 404
    assert eve.get(f"/api/images/{ident}/history/?before=x").json()["errors"][0]["field"] == "before"
    answer = eve.post(f"/api/commits/{done.seq}/undo/")
    assert answer.status_code == 201 and answer.json()["kept"] == []
    assert eve.post(f"/api/sessions/{answer.json()['id']}/commit/").status_code == 200
    assert Image.objects.get(ident=ident).title == "One"
    assert eve.post("/api/commits/999/undo/").status_code == 404
    assert Client().get(f"/api/images/{ident}/history/").status_code == 401


def test_who_may_not_remove_takes_no_addition_back(repository: Engine) -> None:
    put_in(repository, 1)
    assert client("contributor").post(f"/api/commits/{last().seq}/undo/").status_code == 403
    assert not UpdateSession.objects.filter(state="open").exists()


def test_it_is_at_the_desk(repository: Engine) -> None:
    ident = put_in(repository, 1, title="One <b>")
    done, eve = edit(ident, title="Two"), client("editor")
    page = eve.get(f"/desk/images/{ident}/history/").content.decode()
    assert "<del>One &lt;b&gt;</del>" in page and "<ins>Two</ins>" in page
    version = Image.objects.get(ident=ident).version
    assert eve.post(f"/desk/images/{ident}/history/1/", {"version": version}).status_code == 302
    assert Image.objects.get(ident=ident).title == "One <b>" and "after commit 1" in last().note
    stale = eve.post(f"/desk/images/{ident}/history/2/", {"version": version}, follow=True)
    assert stale.status_code == 409 and Image.objects.get(ident=ident).title == "One <b>"
    answer = eve.post(f"/desk/commits/{last().seq}/undo/")
    assert answer["Location"].startswith("/desk/sessions/")
    assert "Two" in eve.get(answer["Location"]).content.decode()
    refused = eve.post(f"/desk/commits/{done.seq}/undo/", {"back": f"/desk/commits/{done.seq}/"}, follow=True)
    assert "changed again since" in refused.content.decode()


def test_what_is_hidden_is_not_told(repository: Engine) -> None:
    ident = put_in(repository, 1)
    group = Group.objects.create(name="printers")
    put("shelf", {"visibility": f"group:{group.name}"})
    roles.make()
    user = User.objects.create_user("eve", password="a long enough one 7")
    from django.contrib.auth.models import Permission

    user.user_permissions.add(Permission.objects.get(codename="view_commit"))
    eve = Client()
    eve.force_login(user)
    assert eve.get(f"/api/images/{ident}/history/").status_code == 404
    assert eve.get("/api/collections/shelf/history/").status_code == 404
    put("open", {"title": "Open"}, [ident])
    shown = eve.get(f"/api/images/{ident}/history/").json()["results"]
    assert shown and not any("shelf" in one["joined"] for one in shown)


def test_what_too_many_commits_had_to_do_with_stays(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    idents = furnish(repository)
    done = put("other", {}, [idents[2]])
    monkeypatch.setattr(history, "MOST", 1)
    with pytest.raises(Conflict, match="more than 1 commits"):
        take_back(done)
    assert members("other") == [idents[2]]


def test_nothing_is_taken_back_before_the_past_is_known(repository: Engine) -> None:
    ident = put_in(repository, 1)
    done = edit(ident, title="x")
    Installation.objects.update(traced=1)
    with pytest.raises(StoreUnavailable, match="looked through"):
        take_back(done)


def test_the_order_of_a_large_collection_is_taken_back_within_a_moment() -> None:
    before = [str(number) for number in range(30_000)]
    after = list(reversed(before))
    assert undoing.reversed_members(before, after, [*after, "new"]) == [*before, "new"]
    assert undoing.reversed_members(before, after[1:], ["new", *before[:-1]]) == ["new", *before]


def test_what_is_gone_for_ever_is_told_to_who_sees_everything(repository: Engine) -> None:
    ident = put_in(repository, 1, title="secret")
    services.at_once("anna", lambda s: services.remove_image(s, ident))
    Removal.objects.all().delete()
    user = User.objects.create_user("eve", password="a long enough one 7")
    from django.contrib.auth.models import Permission

    user.user_permissions.add(Permission.objects.get(codename="view_commit"))
    eve = Client()
    eve.force_login(user)
    assert eve.get(f"/api/images/{ident}/history/").status_code == 404
    user.user_permissions.add(Permission.objects.get(codename="view_image"))
    assert eve.get(f"/api/images/{ident}/history/").status_code == 200


def test_who_sees_everything_sees_what_went_with_its_collection(repository: Engine) -> None:
    ident = put_in(repository, 1)
    services.at_once("anna", lambda s: services.remove_image(s, ident))
    services.at_once("anna", lambda s: services.remove_collection(s, "shelf"))
    assert client("editor").get(f"/api/images/{ident}/history/").status_code == 200
