"""Descriptions out to a spreadsheet and back in: what would change is looked at before it is committed."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from mezzotint.desk.guard import desk_page
from mezzotint.errors import InvalidInput
from mezzotint.repository import services
from mezzotint.repository.api.auth import who
from mezzotint.repository.spreadsheets import describing

_SHOWN = 1000
_MOST = 64 << 20
"""bytes; `mezzotint describe` takes larger ones"""


@desk_page("repository.change_image")
def spreadsheet(request: HttpRequest) -> HttpResponse:
    """A file becomes a session of edits, which is looked at and committed as any other."""
    if request.method != "POST":
        return render(request, "desk/spreadsheet.html", {"ways": describing.BY})
    file, by = request.FILES.get("table"), request.POST.get("by", "ident")
    context: dict[str, object] = {"ways": describing.BY, "by": by}
    try:
        if file is None:
            raise InvalidInput("file", "is missing", "CSV or JSON")
        if by not in describing.BY:
            raise InvalidInput("by", f"cannot be {by!r:.40}", ", ".join(describing.BY))
        if (file.size or 0) > _MOST:
            raise InvalidInput("file", "is larger than that", f"{_MOST >> 20} MB; mezzotint describe takes more")
        plan = describing.plan(file.read(), file.name or "the file", by)
    except InvalidInput as error:
        return render(request, "desk/spreadsheet.html", context | {"error": str(error)}, status=422)
    session = None
    if plan.edits:
        session = services.open_session(who(request), f"from {file.name}"[:2000])
        services.edit_images(session, describing.steps(plan.edits))
    context |= {
        "name": file.name,
        "edits": len(plan.edits),
        "same": plan.same,
        "wrong": plan.wrong[:_SHOWN],
        "left_out": max(0, len(plan.wrong) - _SHOWN),
        "session": session,
    }
    return render(request, "desk/spreadsheet.html", context)
