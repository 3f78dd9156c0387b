"""What a commit has changed, what became of a picture or a collection, and taking that back: from the journal."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from mezzotint.desk.guard import desk_page
from mezzotint.desk.labels import label
from mezzotint.errors import NotFound
from mezzotint.journal import Change, kind_of
from mezzotint.names import parse_ident
from mezzotint.repository import history, image_fields, queries, services
from mezzotint.repository.api.auth import COMMIT, has, require, who
from mezzotint.repository.api.past import events, undone
from mezzotint.repository.api.reading import reader
from mezzotint.repository.api.sessions import ANY_CHANGE
from mezzotint.repository.apply import is_new
from mezzotint.repository.links import picture
from mezzotint.repository.models import Collection, Commit, Image
from mezzotint.repository.spreadsheets.exporting import as_cell

_SHOWN, _TOLD = 200, 5


@desk_page("repository.view_commit")
def made(request: HttpRequest, seq: int) -> HttpResponse:
    """Some hundred of its images, and all that became of collections and people."""
    require(request, "repository.view_image", "repository.change_image")
    segment = history.segment(seq)
    images = [one for one in segment.changes if kind_of(one) == "image"]
    shown = images[:_SHOWN]
    there = set(Image.objects.filter(ident__in=[one["ident"] for one in shown]).values_list("ident", flat=True))
    rows = [_row(one, segment.at, one["ident"] in there) for one in shown]
    others = [one for one in segment.changes if kind_of(one) not in {"image", "member"}]
    context = {
        "commit": Commit.objects.get(seq=seq),
        "rows": rows,
        "more": len(images) - len(shown),
        "may_change": has(request, *ANY_CHANGE),
        "others": [
            {"kind": kind_of(one), "what": "removed" if "remove" in one else "put", "key": _key(one)}
            for one in others[:_SHOWN]
        ],
    }
    return render(request, "desk/commit.html", context)


@desk_page(writes=True)
def undo(request: HttpRequest, seq: int) -> HttpResponse:
    """What would take it back goes into a session, to be looked at."""
    session, kept = undone(request, seq)
    if kept:
        more = f", and {len(kept) - _TOLD} more" if len(kept) > _TOLD else ""
        messages.warning(request, f"This stays as it is: {'; '.join(kept[:_TOLD])}{more}.")
    return redirect("desk-session", session.pk)


@desk_page("repository.view_commit")
def of_image(request: HttpRequest, ident: str) -> HttpResponse:
    live = Image.objects.filter(ident=parse_ident(ident)).first()
    may_set = live is not None and has(request, "repository.change_image") and has(request, COMMIT)
    return _past(request, "image", ident, live, may_set=may_set)


@desk_page("repository.view_commit")
def of_collection(request: HttpRequest, slug: str) -> HttpResponse:
    return _past(request, "collection", slug, queries.find_collection(slug, reader(request)))


def _past(
    request: HttpRequest, kind: history.Kind, key: str, live: Image | Collection | None, *, may_set: bool = False
) -> HttpResponse:
    found, before = events(request, kind, key)
    known = next((event.state["title"] for event in found if event.state is not None), "")
    rows = [{"event": event, "fields": [_line(*field) for field in event.fields.items()]} for event in found]
    context = {
        "kind": kind,
        "key": key,
        "title": str(live) if live is not None else known or key[:12],
        "live": live,
        "rows": rows,
        "before": before,
        "untraced": history.untraced(),
        "may_set": may_set,
        "thumbnail": picture(key, "-fit300x300.jpg") if kind == "image" and live is not None else "",
    }
    return render(request, "desk/history.html", context)


@desk_page("repository.change_image", writes=True)
def set_back(request: HttpRequest, ident: str, seq: int) -> HttpResponse:
    """Describe a picture as it was after a commit, at the version that was shown."""
    require(request, COMMIT)
    image = queries.image(ident, reader(request))
    state = history.states_before("image", [ident], seq + 1).get(ident)
    if state is None:
        raise NotFound(f"commit {seq} did not have {ident:.12}")
    was = image_fields.nothing() | {k: v for k, v in image_fields.flat(state).items() if k in image_fields.known()}
    fields = {name: value for name, value in was.items() if image_fields.value(image, name) != value}
    if fields:
        version, note = request.POST.get("version"), f"As it was after commit {seq}"
        services.at_once(who(request), lambda mine: services.edit_image(mine, ident, version, fields), note)
    messages.success(request, f"It is described as after commit {seq}.")
    return redirect("desk-image-history", ident)


def _line(name: str, values: tuple[Any, Any]) -> tuple[str, str, str]:
    was, now = (", ".join(map(_part, value)) if isinstance(value, list) else value for value in values)
    return label(name), was, now


def _part(value: Any) -> str:
    """Of a list: a tag, or a heading of a collection."""
    return str(value["label"] if isinstance(value, dict) else value)


def _key(change: Change) -> str:
    return str(change.get("slug") or change.get("username") or change.get("name") or change.get("ident") or "")


def _row(change: Change, at: str, there: bool) -> dict[str, Any]:
    row = {
        "ident": change["ident"],
        "there": there,
        "title": change.get("title") or change.get("file_name") or "Untitled",
    }
    if there:
        row["thumbnail"] = picture(change["ident"], "-fit120x120.jpg")
    if "remove" in change:
        return row | {"what": "removed", "title": ""}
    if is_new(change, at):
        return row | {"what": "new"}
    now = [name for name, version in change["field_versions"].items() if version == change["version"]]
    said = image_fields.flat(change)
    fields = {label(name): as_cell(said[name]) for name in now if name in said}
    return row | {"what": "described", "fields": fields}
