"""What became of images and collections, and taking a commit back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mezzotint.errors import InvalidInput, NotFound
from mezzotint.names import parse_ident
from mezzotint.repository import history, undoing
from mezzotint.repository.api import serializers as s
from mezzotint.repository.api.auth import require, who
from mezzotint.repository.api.reading import reader
from mezzotint.repository.api.sessions import ANY_CHANGE
from mezzotint.repository.api.views import PROBLEMS, View, refuse_others
from mezzotint.repository.models import UpdateSession
from mezzotint.repository.readers import Reader

_BEFORE = [OpenApiParameter("before", int, description="the commit to go on before, as `before` has it")]
_SEEN = ("repository.view_commit",)


def events(request: HttpRequest | Request, kind: history.Kind, key: str) -> tuple[list[history.Event], int | None]:
    """Of what is there, or was; not of what is hidden from who asks, nor, unless they see everything, of a collection
    that is gone. Raises NotFound, InvalidInput."""
    text = request.GET.get("before", "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise InvalidInput("before", f"cannot be {text!r:.40}", "the number of a commit")
    seen = reader(request)
    if kind == "image":
        hidden = seen.unseen_images([parse_ident(key)])
    elif "\x00" in key:
        raise NotFound("there is no such collection")
    else:
        hidden = seen.hidden_collections([key]) | (set() if seen.everything else seen.gone_collections([key]))
    found, before = ([], None) if hidden else history.events(kind, key, int(text) if text else None)
    if not found and not text and not (history.untraced() and not hidden):
        raise NotFound(f"there is no {kind} {key:.80}")
    return _without_hidden(found, kind, seen), before


def _without_hidden(found: list[history.Event], kind: history.Kind, seen: Reader) -> list[history.Event]:
    """Where an image went, and what a collection held, as far as this reader sees that."""
    if seen.everything:
        return found
    others = {key for event in found for key in (*event.joined, *event.left)}
    if kind == "image":
        hidden = seen.hidden_collections(others) | seen.gone_collections(others)
    else:
        hidden = seen.unseen_images(others)

    def seen_of(keys: list[str]) -> list[str]:
        return [key for key in keys if key not in hidden]

    shown = [replace(event, joined=seen_of(event.joined), left=seen_of(event.left)) for event in found]
    return [event for event in shown if event.what != "filled" or event.joined or event.left]


class _HistoryView(View):
    kind: history.Kind
    rights = {"GET": _SEEN}

    def answer(self, request: Request, key: str) -> Response:
        refuse_others(request, {"before"})
        found, before = events(request, self.kind, key)
        return Response(
            {"results": [_shown(event) for event in found], "before": before, "untraced": history.untraced()}
        )


class ImageHistoryView(_HistoryView):
    kind = "image"

    @extend_schema(parameters=_BEFORE, responses={200: s.HistorySerializer} | PROBLEMS)
    def get(self, request: Request, ident: str) -> Response:
        """What each commit did to an image, the newest first, also to one that was removed."""
        return self.answer(request, ident)


class CollectionHistoryView(_HistoryView):
    kind = "collection"

    @extend_schema(parameters=_BEFORE, responses={200: s.HistorySerializer} | PROBLEMS)
    def get(self, request: Request, slug: str) -> Response:
        """What each commit did to a collection, the newest first, also to one that was removed."""
        return self.answer(request, slug)


class UndoView(View):
    durable = False
    rights = {"POST": ANY_CHANGE}

    @extend_schema(request=None, responses={201: s.UndoneSerializer} | PROBLEMS)
    def post(self, request: Request, seq: int) -> Response:
        """A session that takes a commit back, to look at and to commit; what others have changed since stays."""
        session, kept = undone(request, seq)
        return Response(s.SessionSerializer(session).data | {"kept": kept}, 201)


def undone(request: HttpRequest | Request, seq: int) -> tuple[UpdateSession, list[str]]:
    """Raises NotFound, Conflict, Unauthorized, Forbidden."""
    plan = undoing.plan(seq)
    for permission in plan.needs:
        require(request, permission)
    return undoing.session_of(seq, plan, who(request)), plan.kept


def _shown(event: history.Event) -> dict[str, Any]:
    return dict(s.CommitSerializer(event.commit).data) | {
        "what": event.what,
        "fields": {name: {"was": was, "is": now} for name, (was, now) in event.fields.items()},
        "joined": event.joined,
        "left": event.left,
    }
