"""Saying what is to be seen: of one picture, or of many at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render

from mezzotint.desk.guard import desk_page
from mezzotint.desk.labels import beside, is_long, label, labels
from mezzotint.desk.sessions import PAGE, card, latest_of
from mezzotint.errors import Conflict, Forbidden, InvalidInput, MezzotintError
from mezzotint.repository import drafts, filters, image_fields, metadata, paging, queries, services
from mezzotint.repository.api.auth import COMMIT, has, require, who
from mezzotint.repository.api.reading import reader
from mezzotint.repository.api.sessions import session_of
from mezzotint.repository.api.views import may_put
from mezzotint.repository.drafts import Draft
from mezzotint.repository.links import picture
from mezzotint.repository.models import Image, SessionChange, UpdateSession
from mezzotint.repository.slugs import slug_of
from mezzotint.repository.spreadsheets.exporting import as_cell

_PREVIEW = "-fit1200x1200.jpg"
_MOST = 10_000
"""images that something is done with at once"""
_CHANGE = "repository.change_image"


@desk_page(_CHANGE, "repository.add_image")
def one(request: HttpRequest, pk: UUID, ident: str) -> HttpResponse:
    """A picture as a session has it: its form beside it, and the ones before and after it."""
    session = session_of(request, pk)
    draft = drafts.draft(session, ident)
    if draft.live is not None:
        queries.image(ident, reader(request))  # or it is not there, for this person
    before, after = _neighbours(session, ident)
    if request.method != "POST":
        return _form(request, draft, session=session, before=before, after=after)
    fields, wrong = _cleaned(request.POST)
    if wrong:
        return _form(request, draft, wrong, session=session, before=before, after=after)
    new = _changed(fields, _was(request.POST))
    new |= {name: fields.get(name, draft.fields[name]) for name in draft.overtaken}
    if draft.live is not None:
        require(request, _CHANGE)
    try:
        with transaction.atomic():
            if name := request.POST.get("collection", "").strip():
                may_put(request, slug_of(name))
                drafts.join(session, [draft], name)
            if new:
                services.edit_image(session, ident, request.POST.get("version") or None, new)
    except (InvalidInput, Conflict, Forbidden) as error:
        return _form(request, draft, problem=error, session=session, before=before, after=after)
    onward = after if request.POST.get("then") == "next" else None
    return redirect("desk-draft", pk, onward) if onward else redirect("desk-draft", pk, ident)


@desk_page(_CHANGE)
def live(request: HttpRequest, ident: str) -> HttpResponse:
    """A picture as everybody sees it; what is changed goes live at once, or into a session."""
    image = queries.image(ident)
    draft = _as_draft(image)
    if request.method != "POST":
        return _form(request, draft)
    fields, wrong = _cleaned(request.POST)
    if wrong:
        return _form(request, draft, wrong)
    version = metadata.clean_version(request.POST.get("version"))
    new = _changed(fields, _was(request.POST))
    if not new:
        return redirect("image", ident)
    if request.POST.get("where") == "session":
        session = latest_of(request)
        services.edit_image(session, ident, version, new)
        messages.success(request, "This is in your session, for a commit.")
        return redirect("desk-draft", session.pk, ident)
    require(request, COMMIT)
    try:
        services.at_once(who(request), lambda session: services.edit_image(session, ident, version, new))
    except Conflict as error:
        theirs = {
            name: f"Somebody else has changed this meanwhile, to “{as_cell(image_fields.value(image, name))}”. "
            "Save again to have it as it stands here."
            for name in (error.fields or {}).get(ident, [])
        }
        return _form(request, draft, theirs or {"title": str(error)})
    messages.success(request, "Saved, and live.")
    return redirect("image", ident)


@desk_page(_CHANGE, "repository.add_image", writes=True)
def many(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The same with many pictures of a session: those that are chosen, or all that it adds."""
    session = session_of(request, pk)
    if request.POST.get("all"):
        keys = drafts.steps(session, SessionChange.Kind.ADD).values_list("key", flat=True)
        idents = list(dict.fromkeys(keys[: _MOST + 1]))
    else:
        idents = request.POST.getlist("ident")
    return _with_many(request, session, idents)


@desk_page(_CHANGE, writes=True)
def many_live(request: HttpRequest) -> HttpResponse:
    """Likewise with live ones, by a session of one's own."""
    return _with_many(request, latest_of(request), request.POST.getlist("ident"))


@desk_page(_CHANGE)
def images(request: HttpRequest) -> HttpResponse:
    """What is live, to choose from."""
    asked = filters.given(request.GET)
    found = paging.page(filters.images(asked, reader(request)), "-added", request.GET.get("cursor", ""), PAGE)
    context = {
        "search": asked.get("search", ""),
        "cards": [card(_as_draft(image)) for image in found.items],
        **found.around(asked),
        "fields": labels().items(),
    }
    return render(request, "desk/images.html", context)


def _with_many(request: HttpRequest, session: UpdateSession, idents: list[str]) -> HttpResponse:
    """Raises InvalidInput."""
    asked = request.POST
    if not idents:
        raise InvalidInput("pictures", "are missing", "choose some, or all")
    if len(idents) > _MOST:
        raise InvalidInput("pictures", f"are {len(idents):,}", f"{_MOST:,} at once; a spreadsheet takes all")
    chosen = list(drafts.drafts(session, idents).values())
    what = asked.get("what", "")
    if any(one.live is not None for one in chosen):
        require(request, "repository.delete_image" if what == "remove" else _CHANGE)
    if what == "join":
        may_put(request, slug_of(asked.get("value", "")))
        drafts.join(session, chosen, asked.get("value", ""))
        changed = len(chosen)
    elif what == "remove":
        services.remove_drafts(session, [(one.ident, one.version) for one in chosen])
        changed = len(chosen)
    else:
        work = drafts.Work(what, asked.get("field", ""), asked.get("value", ""), asked.get("by", ""))
        changed = drafts.describe(session, chosen, work)
    messages.success(request, f"{changed} of {len(idents)} chosen pictures changed, in this session.")
    return redirect("desk-session", session.pk)


def _cleaned(form: QueryDict) -> tuple[metadata.Fields, dict[str, str]]:
    """The fields of a form in which somebody has written, and what is wrong with the others. What was there before
    stays, even where it could not be written now."""
    fields, wrong, was = metadata.Fields(), dict[str, str](), _was(form)
    for name, field in image_fields.known().items():
        text = _lines(form.get(name, ""))
        if text == was[name]:
            continue
        try:
            fields[name] = field.clean(text)
        except InvalidInput as error:
            wrong[name] = beside(error)
    return fields, wrong


def _form(
    request: HttpRequest,
    draft: Draft,
    wrong: Mapping[str, str] | None = None,
    problem: MezzotintError | None = None,
    **more: Any,
) -> HttpResponse:
    """The form with what was sent, where that cannot be kept; with a word beside each field."""
    sent = request.POST if request.method == "POST" else None
    rows = [
        {
            "name": name,
            "label": label(name),
            "value": _kept(sent, name, as_cell(draft.fields[name])),
            "was": as_cell(draft.fields[name]),
            "help": field.help,
            "limit": field.limit,
            "words": field.words,
            "many": field.many,
            "long": is_long(name),
            "wrong": (wrong or {}).get(name, "") or _overtaken(draft, name),
            "edited": name in draft.edited,
        }
        for name, field in image_fields.known().items()
    ]
    context = {
        "draft": draft,
        "rows": rows,
        "wrong": wrong,
        "problem": problem,
        "first": next(iter(wrong or ()), "title"),
        "preview": picture(draft.ident, _PREVIEW),
        "base": picture(draft.ident),
        "may_commit": has(request, COMMIT),
        "may_remove": has(request, "repository.delete_image"),
        **more,
    }
    return render(request, "desk/image.html", context, status=422 if wrong or problem else 200)


def _neighbours(session: UpdateSession, ident: str) -> tuple[str | None, str | None]:
    """The idents before and after one, in the order in which the session came by them."""
    steps = session.changes.filter(kind__in=[SessionChange.Kind.ADD, SessionChange.Kind.EDIT])
    here = steps.filter(key=ident).order_by("id").values_list("id", flat=True).first()
    if here is None:
        return None, None
    others = steps.exclude(key=ident).order_by("id")
    before = others.filter(id__lt=here).values_list("key", flat=True).last()
    return before, others.filter(id__gt=here).values_list("key", flat=True).first()


def _overtaken(draft: Draft, name: str) -> str:
    if name not in draft.overtaken or draft.live is None:
        return ""
    now = as_cell(image_fields.value(draft.live, name))
    return f"Somebody else has made this “{now}” since; saving keeps what stands here."


def _was(form: QueryDict) -> dict[str, str]:
    """What the form showed before anybody wrote into it."""
    return {name: _lines(form.get(f"was_{name}", "")) for name in image_fields.known()}


def _changed(fields: metadata.Fields, was: Mapping[str, str]) -> metadata.Fields:
    """What differs; a form's single line has no ends of lines, and says nothing of those that were there."""

    def same(name: str, value: Any) -> bool:
        now = as_cell(value)
        lines = was[name].split("\n")
        return now == was[name] or (not is_long(name) and now in {"".join(lines), " ".join(lines)})

    return {name: value for name, value in fields.items() if not same(name, value)}


def _lines(text: str) -> str:
    """Forms send other ends of lines."""
    return text.replace("\r\n", "\n")


def _kept(sent: QueryDict | None, name: str, now: str) -> str:
    """What a form shows: what was written, where somebody wrote something; otherwise what is there now."""
    if sent is None or sent.get(name) == sent.get(f"was_{name}", ""):
        return now
    return sent.get(name, "")


def _as_draft(image: Image) -> Draft:
    return Draft(image.ident, image, image_fields.values(image), {"width": image.width, "height": image.height})
