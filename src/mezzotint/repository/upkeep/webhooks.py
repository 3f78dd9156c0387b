"""Telling others of commits: a POST for each, signed, in order, again and again until it is taken.

Signed as Standard Webhooks 1.0.0 has it (https://github.com/standard-webhooks/standard-webhooks). What was told is
known by the number of the commit; the journal has the rest, so nothing is lost while a receiver is down.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Iterator
from datetime import timedelta

import requests
from django.db.models import F, Min, Q
from django.utils import timezone

from mezzotint.errors import MezzotintError
from mezzotint.journal import Segment
from mezzotint.repository import history, standing
from mezzotint.repository.apply import is_new
from mezzotint.repository.changes import Changes
from mezzotint.repository.models import Commit
from mezzotint.repository.tables import Webhook
from mezzotint.repository.upkeep.background import Watching
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
_CONNECT, _READ = 5.0, 15.0
_LEASE = timedelta(seconds=60)
_LONGEST = 3600.0
"""seconds between two attempts"""
_AT_ONCE = 10
"""commits, before it is the others' turn"""
_NAMED = 200
"""idents or slugs of each kind that are told; who wants more has the API"""


class Webhooks(Watching):
    """Not on a read node: whoever commits tells of it."""

    def __init__(self) -> None:
        super().__init__("webhooks")
        self._again = 0.0
        """by the monotonic clock, when somebody is told again who has not taken it"""

    def is_due(self) -> bool:
        return time.monotonic() >= self._again

    def turn(self, changes: Changes) -> None:
        settle()
        for hook in self._due():
            if not self._tell(hook):
                changes.expect()
        again = Webhook.objects.filter(failures__gt=0).aggregate(first=Min("again"))["first"]
        wait = float("inf") if again is None else (again - timezone.now()).total_seconds()
        self._again = time.monotonic() + wait

    def _due(self) -> list[Webhook]:
        now, head = timezone.now(), standing.head().seq
        free, ready = Q(leased=None) | Q(leased__lt=now), Q(again=None) | Q(again__lte=now)
        return list(Webhook.objects.filter(free, ready, told__lt=head).order_by("url"))

    def _tell(self, hook: Webhook) -> bool:
        """What it has not been told, as long as it takes that, some at a time; whether that was all. Another host may
        be at it."""
        for _ in range(_AT_ONCE):
            if self._stopped.is_set() or not self._claim(hook):
                return True
            made = Commit.objects.filter(seq=hook.told + 1).first()
            if made is None:
                Webhook.objects.filter(pk=hook.pk).update(leased=None)
                return True
            try:
                error = send(hook.url, made)
            except MezzotintError as unread:
                error = f"the journal cannot be read: {unread}"
            if error is not None:
                self._put_off(hook, error)
                return True
            hook.told += 1
            Webhook.objects.filter(pk=hook.pk).update(told=hook.told, failures=0, again=None, error="")
        Webhook.objects.filter(pk=hook.pk).update(leased=None)
        return False

    def _claim(self, hook: Webhook) -> bool:
        now = timezone.now()
        free = Q(leased=None) | Q(leased__lt=now) | Q(leased=hook.leased)
        hook.leased = now + _LEASE
        return bool(Webhook.objects.filter(free, pk=hook.pk, told=hook.told).update(leased=hook.leased))

    def _put_off(self, hook: Webhook, error: str) -> None:
        wait = min(_LONGEST, 2.0 ** min(hook.failures, 20))
        log.warning("a webhook is told again in %d s: %s", wait, error)
        again = timezone.now() + timedelta(seconds=wait)
        hook.failures += 1
        Webhook.objects.filter(pk=hook.pk).update(leased=None, failures=F("failures") + 1, again=again, error=error)


def settle() -> None:
    """Those that are set are told of what is committed from now on; those that are no more are forgotten. Raises
    InvalidInput where there is nothing to sign with."""
    urls, head = engine().settings.webhooks, standing.head().seq
    Webhook.objects.exclude(url__in=urls).delete()
    for url in urls:
        Webhook.objects.get_or_create(url=url, defaults={"told": head})


def send(url: str, made: Commit) -> str | None:
    """Tell one of a commit; what went wrong, None where it was taken."""
    body = json.dumps(payload(made, history.segment(made.seq)), ensure_ascii=False).encode()
    secret = engine().settings.webhook_secret or ""
    headers = signed(secret, made.transaction, int(time.time()), body) | {
        "Content-Type": "application/json",
        "User-Agent": engine().settings.agent,
    }
    try:
        answer = requests.post(
            url, body, headers=headers, timeout=(_CONNECT, _READ), allow_redirects=False, stream=True
        )
        answer.close()
    except (requests.RequestException, ValueError) as error:
        return f"{type(error).__name__}"
    return None if 200 <= answer.status_code < 300 else f"it answered {answer.status_code}"


def payload(made: Commit, found: Segment) -> dict[str, object]:
    """What is told of a commit."""
    named: dict[str, list[str]] = {"added": [], "edited": [], "removed": [], "collections": []}
    for kind, key in _named(found):
        if key not in named[kind][-1:]:
            named[kind].append(key)
    named["collections"] = list(dict.fromkeys(named["collections"]))
    return {
        "type": "commit",
        "timestamp": made.at.isoformat(),
        "data": {
            "seq": made.seq,
            "transaction": made.transaction,
            "by": made.by,
            "note": made.note,
            "counts": {name: getattr(made, name) for name in named},
            **{name: keys[:_NAMED] for name, keys in named.items()},
            "complete": all(len(keys) <= _NAMED for keys in named.values()),
        },
    }


def signed(secret: str, name: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that show who has sent it, and when."""
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    mac = hmac.digest(key, f"{name}.{at}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def _named(found: Segment) -> Iterator[tuple[str, str]]:
    for change in found.changes:
        match change:
            case {"put": "image", "ident": ident}:
                yield "added" if is_new(change, found.at) else "edited", ident
            case {"remove": "image", "ident": ident}:
                yield "removed", ident
            case {"put": "collection" | "member", "slug": slug} | {"remove": "collection" | "member", "slug": slug}:
                yield "collections", slug
