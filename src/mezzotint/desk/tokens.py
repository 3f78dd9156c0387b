"""A person's own tokens: what programs do in their name, with what they may do."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from mezzotint.desk.guard import desk_page
from mezzotint.desk.labels import beside
from mezzotint.errors import InvalidInput, NotFound, StoreUnavailable
from mezzotint.repository.api.auth import who
from mezzotint.wiring import engine
from mezzotint.wiring.registry import Issued

_MOST_DAYS, _DAYS = 365, 90
_MOST = 50


@desk_page()
def tokens(request: HttpRequest) -> HttpResponse:
    """Those that are good; a new one is shown once, in the answer to its making."""
    if request.method != "POST":
        return _page(request)
    try:
        label, days = request.POST.get("label", "").strip(), _days(request.POST.get("days", ""))
        if len(_own(request, revoked=True)) >= _MOST:
            raise InvalidInput("label", f"would be the {_MOST + 1}st", f"{_MOST} that have not ended, revoked or not")
        text, listed = engine().tokens.issue_for(who(request), _joined(request), label, days)
        if not listed:  # nobody could revoke it here: it is thrown away
            raise StoreUnavailable("the object store cannot be written to: no token was made")
    except InvalidInput as error:
        return _page(request, wrong={error.field: beside(error)})
    return _page(request, made=text)


@desk_page(writes=True)
def revoke(request: HttpRequest) -> HttpResponse:
    """Those of one's own of a name."""
    name = request.POST.get("name", "")
    if name not in {one.name for one in _own(request)}:
        raise NotFound("you have no such token")
    engine().tokens.revoke(name)
    messages.success(request, f"“{_label(request, name)}” is revoked; all nodes know within some ten seconds.")
    return redirect("desk-tokens")


def _page(request: HttpRequest, made: str = "", wrong: dict[str, str] | None = None) -> HttpResponse:
    rows = [
        {
            "name": one.name,
            "label": _label(request, one.name),
            "issued": datetime.fromtimestamp(one.issued, UTC),
            "expires": datetime.fromtimestamp(one.expires, UTC),
        }
        for one in _own(request)
    ]
    sent = request.POST if wrong else {}
    context = {
        "rows": rows,
        "made": made,
        "wrong": wrong,
        "label": sent.get("label", ""),
        "days": sent.get("days", _DAYS),
        "most": _MOST_DAYS,
    }
    return render(request, "desk/tokens.html", context, status=422 if wrong else 200)


def _joined(request: HttpRequest) -> datetime:
    assert isinstance(request.user, User)
    return request.user.date_joined


def _own(request: HttpRequest, *, revoked: bool = False) -> list[Issued]:
    """The last to end first; those that are `revoked` too."""
    mine = ((one, ended) for one, ended in engine().tokens.issued() if one.person == who(request))
    found = [one for one, ended in mine if revoked or not ended]
    return sorted(found, key=lambda one: -one.expires)


def _label(request: HttpRequest, name: str) -> str:
    return name.removeprefix(f"{who(request)}: ")


def _days(text: str) -> int:
    """Raises InvalidInput."""
    if not (text.isascii() and text.isdecimal() and len(text) < 5 and 1 <= int(text) <= _MOST_DAYS):
        raise InvalidInput("days", f"cannot be {text!r:.20}", f"1 to {_MOST_DAYS}")
    return int(text)
