"""What somebody is working at: pictures come in, are looked at, and go live with one commit."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from mezzotint.desk.guard import desk_page
from mezzotint.desk.labels import labels
from mezzotint.errors import InvalidInput
from mezzotint.repository import drafts, paging, services
from mezzotint.repository.api.auth import COMMIT, has, require, who
from mezzotint.repository.api.sessions import OTHERS, session_of
from mezzotint.repository.api.uploads import SpooledFile, SpoolHandler, uploaded_files
from mezzotint.repository.commits import commit
from mezzotint.repository.drafts import Draft
from mezzotint.repository.drafts import drafts as drafts_of
from mezzotint.repository.intake import partial, told
from mezzotint.repository.links import picture, ratio
from mezzotint.repository.models import Commit, SessionChange, UpdateSession
from mezzotint.wiring import engine

PAGE = 60
_RECENT = 12
_THUMBNAIL = "-fit300x300.jpg"
_OF_IMAGES = (SessionChange.Kind.ADD, SessionChange.Kind.EDIT, SessionChange.Kind.REMOVE)
_SECTIONS = {"add": "New", "edit": "Described", "remove": "Removed", "collection": "Collections"}


@desk_page()
def home(request: HttpRequest) -> HttpResponse:
    chosen = UpdateSession.objects.filter(state__in=[UpdateSession.State.OPEN, UpdateSession.State.COMMITTING])
    if not has(request, *OTHERS):
        chosen = chosen.filter(by=who(request))
    found = paging.page(chosen, "-opened", request.GET.get("cursor", ""), _RECENT, tie="id")
    context = {
        "sessions": [{"session": one, "counts": drafts.counts(one), "covers": _covers(one)} for one in found.items],
        **found.around(),
        "commits": Commit.objects.all()[:_RECENT] if has(request, "repository.view_commit") else [],
        "may_commit": has(request, COMMIT),
    }
    return render(request, "desk/home.html", context)


@desk_page(writes=True)
def begin(request: HttpRequest) -> HttpResponse:
    return redirect("desk-session", services.open_session(who(request), request.POST.get("note", "")).pk)


@desk_page()
def session(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What a session has, by kind, in pages; while it is open, with all that can be done with it."""
    shown = session_of(request, pk)
    counts = drafts.counts(shown)
    sections = [(kind, label, getattr(counts, kind)) for kind, label in _SECTIONS.items()]
    default = next((kind for kind, _, count in sections if count), "add")
    asked = request.GET.get("show", "")
    kind = asked if asked in _SECTIONS else default
    steps = shown.changes.exclude(kind__in=_OF_IMAGES) if kind == "collection" else drafts.steps(shown, kind)
    found = paging.page(steps, "id", request.GET.get("cursor", ""), PAGE, tie="id")
    keys = list(dict.fromkeys(step.key for step in found.items))
    context = {
        "session": shown,
        "open": shown.state == UpdateSession.State.OPEN,
        "counts": counts,
        "sections": sections,
        "kind": kind,
        "fields": labels().items(),
        **found.around({"show": kind}),
        "drafts": [card(one) for one in drafts_of(shown, keys).values()] if kind != "collection" else [],
        "steps": found.items if kind == "collection" else [],
        "waiting": [one for one, _ in zip(partial.waiting(shown.pk), range(PAGE), strict=False)],
        "may_add": has(request, "repository.add_image"),
        "may_commit": has(request, COMMIT),
        "uploads": f"/api/sessions/{shown.pk}/uploads/",
        "max_upload": engine().settings.max_upload,
        "done": Commit.objects.filter(transaction=shown.pk).first(),
    }
    return render(request, "desk/session.html", context)


@csrf_exempt  # until the files have somewhere to go; then by `_put_in`
@desk_page("repository.add_image", writes=True)
def put_in(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Files of a form, where no script sends them one by one."""
    with ExitStack() as spools:
        request.upload_handlers = [SpoolHandler(spools)]
        answer: HttpResponse = _put_in(request, pk)
        return answer


@csrf_protect
def _put_in(request: HttpRequest, pk: UUID) -> HttpResponse:
    shown = session_of(request, pk)
    services.check_open(shown)
    came = 0
    for file in uploaded_files(request):
        try:
            _add(shown, file)
            came += 1
        except InvalidInput as error:
            messages.error(request, f"{file.name}: {error}")
    messages.success(request, f"{came} {'picture' if came == 1 else 'pictures'} came in.")
    return redirect("desk-session", pk)


def _add(shown: UpdateSession, file: SpooledFile) -> None:
    services.add_images(shown, [services.Addition(file.keep(), told.with_name({}, file.name or ""), {})])


@desk_page(COMMIT, writes=True)
def finish(request: HttpRequest, pk: UUID) -> HttpResponse:
    shown = session_of(request, pk)
    if note := request.POST.get("note", "").strip():
        services.set_note(shown, note)
        shown.refresh_from_db()
    done = commit(shown)
    messages.success(request, f"Commit {done.seq} is live.")
    return redirect("desk-session", pk)


@desk_page()
def abort(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Asked first, done by POST."""
    shown = session_of(request, pk)
    if request.method == "POST":
        if shown.by != who(request):
            require(request, OTHERS[0])
        services.abort(shown)
        messages.success(request, "The session is given up; nothing of it was made live.")
        return redirect("desk")
    question = {
        "title": "Give this session up?",
        "detail": "All that is described in it is lost. What is live stays as it is.",
        "does": "Give it up",
        "back": f"/desk/sessions/{pk}/",
    }
    return render(request, "desk/sure.html", question)


def card(one: Draft) -> dict[str, Any]:
    """A draft as a grid shows it."""
    return {
        "draft": one,
        "thumbnail": picture(one.ident, _THUMBNAIL),
        "ratio": ratio(one.facts["width"], one.facts["height"]),
    }


def _covers(shown: UpdateSession) -> list[str]:
    keys = shown.changes.filter(kind=SessionChange.Kind.ADD).values_list("key", flat=True)[:3]
    return [picture(key, "-cover120x120.jpg") for key in keys]


def latest_of(request: HttpRequest) -> UpdateSession:
    """The last one that this person has opened and that is open; a new one where there is none."""
    mine = UpdateSession.objects.filter(by=who(request), state=UpdateSession.State.OPEN)
    return mine.order_by("-opened").first() or services.open_session(who(request))
