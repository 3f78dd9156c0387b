"""What was committed, what was removed, checkpoints, and how all stands."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mezzotint import __version__
from mezzotint.errors import NotFound, StoreUnavailable
from mezzotint.host.lanes import Question
from mezzotint.repository import paging, queries, services, standing
from mezzotint.repository.api import serializers as s
from mezzotint.repository.api.auth import has, who
from mezzotint.repository.api.views import PROBLEMS, View, asked_page, committed, listing, paged
from mezzotint.repository.intake import capture
from mezzotint.repository.models import Collection, Commit, Image, Removal, Snapshot, UpdateSession
from mezzotint.repository.upkeep import checkpointing
from mezzotint.wiring import engine

_PATIENCE = 0.5
"""seconds; what does not answer by then counts as not answering"""
_DURABLE = Question("durable", lambda live: engine().journal.last(live))


class CommitsView(View):
    @listing("commits_list", s.CommitSerializer)
    def get(self, request: Request) -> Response:
        """What was committed; who did, and the note, for those who may know."""
        answer = paged(
            request, paging.page(Commit.objects.all(), "-seq", **asked_page(request), tie="seq"), s.CommitSerializer
        )
        if not has(request, "repository.view_commit"):
            answer.data["results"] = [done | {"by": None, "note": None} for done in answer.data["results"]]
        return answer


class RemovalsView(View):
    rights = {"GET": ("repository.view_removal",)}

    @listing("removals_list", s.RemovalSerializer)
    def get(self, request: Request) -> Response:
        """Images that were removed and can still be had back."""
        return paged(request, paging.page(Removal.objects.all(), "-seq", **asked_page(request)), s.RemovalSerializer)


class BringBackView(View):
    committing = frozenset({"POST"})
    rights = {"POST": ("repository.add_image",)}

    @extend_schema(request=None, responses={200: s.ImageSerializer} | PROBLEMS)
    def post(self, request: Request, ident: str) -> Response:
        """Bring an image back as it was, at the end of those of its collections that are still there."""
        _, done = services.at_once(who(request), lambda session: services.bring_back(session, ident))
        return Response(s.ImageSerializer(queries.image(ident)).data | {"commit": committed(done)})


class SnapshotsView(View):
    durable = False
    rights = {"GET": ("repository.view_snapshot",), "POST": ("repository.add_snapshot",)}

    @listing("snapshots_list", s.SnapshotSerializer)
    def get(self, request: Request) -> Response:
        return paged(
            request,
            paging.page(Snapshot.objects.all(), "-asked", **asked_page(request), tie="id"),
            s.SnapshotSerializer,
        )

    @extend_schema(request=None, responses={202: s.SnapshotSerializer} | PROBLEMS)
    def post(self, request: Request) -> Response:
        """Have a checkpoint made; its state is at `/api/snapshots/{id}/`."""
        asked = checkpointing.ask(who(request))
        headers = {"Location": f"/api/snapshots/{asked.pk}/"}
        return Response(s.SnapshotSerializer(asked).data, 202, headers=headers)


class SnapshotView(View):
    rights = {"GET": ("repository.view_snapshot",)}

    @extend_schema(responses={200: s.SnapshotSerializer} | PROBLEMS)
    def get(self, request: Request, pk: UUID) -> Response:
        found = Snapshot.objects.filter(pk=pk).first()
        if found is None:
            raise NotFound(f"there is no snapshot {pk}")
        return Response(s.SnapshotSerializer(found).data)


class StatusView(View):
    @extend_schema(responses={200: s.StatusSerializer} | PROBLEMS)
    def get(self, request: Request) -> Response:
        live = standing.head().seq
        totals = engine().cache.totals()
        mine = standing.installation()
        followed = mine.followed if engine().settings.read_only else None
        return Response(
            {
                "version": __version__,
                "live": live,
                "durable": _durable(live),
                "waiting": capture.pending(),
                "read_only": not standing.is_writable(),
                "alarm": mine.alarm,
                "lag": (timezone.now() - followed).total_seconds() if followed else None,
                "checkpoint": checkpointing.newest(),
                "images": Image.objects.count(),
                "collections": Collection.objects.count(),
                "open_sessions": UpdateSession.objects.filter(state=UpdateSession.State.OPEN).count(),
                "cache_files": totals.files,
                "cache_bytes": totals.bytes,
                "cache_max_bytes": engine().cache.max_size,
            }
        )


def _durable(live: int) -> int | None:
    try:
        return _DURABLE.answer(_PATIENCE, live)
    except (StoreUnavailable, TimeoutError):
        return None
