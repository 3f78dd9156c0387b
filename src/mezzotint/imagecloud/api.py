"""The image cloud's management over HTTP. Its pictures are given out by `delivery`."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mezzotint import tokens
from mezzotint.errors import InvalidInput, Unauthorized
from mezzotint.imagecloud import deleting, gauges, prefetching
from mezzotint.network.urls import parse_url
from mezzotint.repository import standing
from mezzotint.repository.api.auth import ReadOrWrite, who
from mezzotint.repository.api.views import PROBLEMS
from mezzotint.settings.parsing import parse_flag
from mezzotint.wiring import engine
from mezzotint.wiring.sources import open_peer_client

log = logging.getLogger(__name__)


class MayFetch(BasePermission):
    """Whoever shows a token or is logged in; everybody where MEZZOTINT_FETCH_FOR_ALL says so."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if isinstance(request.auth, tokens.Token):
            request.auth.require(tokens.Scope.READ)
            return True
        if request.user.is_authenticated or engine().settings.fetch_for_all:
            return True
        raise Unauthorized("having pictures fetched needs a token, or a login")


class _Url(serializers.Serializer[Any]):
    url = serializers.CharField(help_text="the picture's address")
    only_here = serializers.BooleanField(required=False, default=False, help_text="tell no peer of it")


class _Deleted(serializers.Serializer[Any]):
    url = serializers.CharField()
    ident = serializers.CharField()
    record = serializers.BooleanField()
    base = serializers.BooleanField(help_text="false where something else refers to the same bytes")
    derivatives = serializers.IntegerField()
    peers = serializers.ListField(child=serializers.CharField())


class _Urls(serializers.Serializer[Any]):
    urls = serializers.ListField(child=serializers.CharField(allow_blank=True), min_length=1)


class _Accepted(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.CharField(help_text="where to look how it stands")
    given = serializers.IntegerField()
    queued = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    invalid = serializers.IntegerField()
    refused = serializers.ListField(child=serializers.DictField())


class _Batch(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    by = serializers.CharField()
    at = serializers.DateTimeField()
    finished = serializers.BooleanField()
    counts = serializers.DictField(child=serializers.IntegerField())
    dead = serializers.ListField(child=serializers.DictField())


class _Peer(serializers.Serializer[Any]):
    name = serializers.CharField()
    url = serializers.CharField()
    clone = serializers.BooleanField()
    answers = serializers.BooleanField()
    problem = serializers.CharField()
    backlog = serializers.IntegerField(help_text="images and deletions that it is still to be told of")


_WHERE = [
    OpenApiParameter("url", str, description="the picture's address, here or in the body"),
    OpenApiParameter("only_here", bool, description="tell no peer of it"),
]


class DeleteView(APIView):
    """Delete a picture by its URL."""

    permission_classes = [ReadOrWrite]
    rights = dict.fromkeys(("DELETE", "POST"), ("imagecloud.delete_remoteimage",))
    parser_classes = [JSONParser, FormParser, MultiPartParser]

    @extend_schema(operation_id="delete_image", parameters=_WHERE, request=None, responses={200: _Deleted} | PROBLEMS)
    def delete(self, request: Request) -> Response:
        return self._delete(request)

    @extend_schema(
        operation_id="delete_image_by_post", parameters=_WHERE, request=_Url, responses={200: _Deleted} | PROBLEMS
    )
    def post(self, request: Request) -> Response:
        return self._delete(request)

    def _delete(self, request: Request) -> Response:
        body = request.data if hasattr(request.data, "get") else {}
        url = request.query_params.get("url") or body.get("url")
        if not isinstance(url, str):
            raise InvalidInput("url", "is missing", "a picture's address")
        only_here = parse_flag("only_here", request.query_params.get("only_here", body.get("only_here", False)))
        return Response(asdict(deleting.delete(parse_url(url), only_here=only_here)))


class FireAndForgetView(APIView):
    """Have pictures loaded in the background."""

    permission_classes = [MayFetch]

    @extend_schema(operation_id="fire_and_forget", request=_Urls, responses={202: _Accepted} | PROBLEMS)
    def post(self, request: Request) -> Response:
        standing.check_writable()
        urls = request.data.get("urls") if isinstance(request.data, dict) else None
        if not isinstance(urls, list) or not urls:
            raise InvalidInput("urls", "are missing", 'a list: {"urls": ["https://...", ...]}')
        accepted = dict(vars(prefetching.enqueue(urls, who(request) or "somebody")))
        pk = accepted.pop("batch").pk
        body = {"id": pk, "status": f"/fire_and_forget/batches/{pk}"} | accepted
        return Response(body, 202, headers={"Location": str(body["status"])})


class BatchView(APIView):
    """How a list stands."""

    permission_classes = [MayFetch]

    @extend_schema(operation_id="batch", responses={200: _Batch} | PROBLEMS)
    def get(self, request: Request, pk: Any) -> Response:
        found = prefetching.batch(pk)
        counts = prefetching.counts(found)
        finished = not counts["waiting"] and not counts["running"]
        about = {"id": found.pk, "by": found.by, "at": found.at, "finished": finished}
        return Response(about | {"counts": counts, "dead": prefetching.dead(found)})


class PeersView(APIView):
    """The alternative clouds: whether each answers, and what it is still to be sent."""

    permission_classes = [MayFetch]

    @extend_schema(operation_id="alternative_clouds", responses={200: _Peer(many=True)} | PROBLEMS)
    def get(self, request: Request) -> Response:
        backlog = gauges.backlog()
        return Response(
            [
                {
                    "name": peer.name,
                    "url": peer.url,
                    "clone": peer.clone,
                    "answers": not problem,
                    "problem": problem,
                    "backlog": backlog.get(peer.name, 0),
                }
                for peer, problem in asyncio.run(_probed())
            ]
        )


async def _probed() -> list[tuple[Any, str]]:
    client, peers = open_peer_client(engine()), engine().peers.all()
    try:
        problems = await asyncio.gather(*map(client.probe, peers))
        for peer, problem in zip(peers, problems, strict=True):
            if problem:
                log.info("peer %s: %s", peer.name, problem)
        return [(peer, "does not answer" if problem else "") for peer, problem in zip(peers, problems, strict=True)]
    finally:
        await client.close()
