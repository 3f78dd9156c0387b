"""What a commit has changed, from the journal."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from mezzotint.desk.guard import desk_page
from mezzotint.journal import Change
from mezzotint.repository import discovery, metadata
from mezzotint.repository.api.auth import require
from mezzotint.repository.apply import is_new
from mezzotint.repository.links import picture
from mezzotint.repository.models import Commit, Image

_SHOWN = 200


@desk_page("repository.view_commit")
def made(request: HttpRequest, seq: int) -> HttpResponse:
    """Some hundred of its images, and all that became of collections and people."""
    require(request, "repository.view_image", "repository.change_image")
    segment = discovery.segment(seq)
    images = [one for one in segment.changes if _about(one) == "image"]
    shown = images[:_SHOWN]
    there = set(Image.objects.filter(ident__in=[one["ident"] for one in shown]).values_list("ident", flat=True))
    rows = [_row(one, segment.at, one["ident"] in there) for one in shown]
    others = [one for one in segment.changes if _about(one) not in {"image", "member"}]
    context = {
        "commit": Commit.objects.get(seq=seq),
        "rows": rows,
        "more": len(images) - len(shown),
        "others": [
            {"kind": _about(one), "what": "removed" if "remove" in one else "put", "key": _key(one)}
            for one in others[:_SHOWN]
        ],
    }
    return render(request, "desk/commit.html", context)


def _about(change: Change) -> str:
    return str(change.get("put") or change.get("remove"))


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
    fields = {name: change[name] for name in now if name in metadata.FIELDS and name in change}
    return row | {"what": "described", "fields": fields}
