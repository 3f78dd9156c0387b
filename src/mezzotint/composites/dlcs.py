"""The DLCS: whether a caller is known there, and batches of images."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import requests
from django.core.cache import cache

from mezzotint.errors import Forbidden, MezzotintError, OriginFailed, OriginTimedOut
from mezzotint.network.freshness import retry_after
from mezzotint.wiring import engine

log = logging.getLogger(__name__)
CONTEXT = "http://www.w3.org/ns/hydra/context.jsonld"
_CONNECT, _READ = 10.0, 60.0
LONGEST = _CONNECT + _READ
"""seconds that a request is waited for"""
_CHECKED = 10.0
"""seconds for an answer to whether somebody is known: a request waits for it"""
_YES = 60
"""seconds that a yes is good for"""
_PAUSE = 60.0
_HAS_NONE = {400, 404, 405, 501}


class DlcsRefuses(MezzotintError):
    """It has said no, and would say so again."""


class DlcsUnavailable(MezzotintError):
    """Nothing was done. `retry_after` is in seconds, where the DLCS says so."""

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class OutcomeUnknown(MezzotintError):
    """The batch may have been taken, or not."""


class NameUnknown(OutcomeUnknown):
    """The batch was taken, and has not said its name."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What the DLCS knows of an image: its origin, and the batch that it came with; empty where it does not say."""

    origin: str
    batch: str


class Dlcs:
    """For one caller. `authorization` is that header's value."""

    def __init__(self, root: str, customer: int, authorization: str) -> None:
        self._at = f"{root}/customers/{customer}"
        self._session = _session(root, authorization)

    def close(self) -> None:
        self._session.close()

    def post(self, members: list[dict[str, Any]]) -> str:
        """A batch of images; returns what the DLCS calls it.

        Raises DlcsRefuses, DlcsUnavailable; OutcomeUnknown where it has to be looked up.
        """
        body = {"@context": CONTEXT, "@type": "Collection", "member": members}
        try:
            answer = self._session.post(
                f"{self._at}/queue", json=body, timeout=(_CONNECT, _READ), allow_redirects=False
            )
        except requests.ConnectTimeout as error:
            raise DlcsUnavailable(f"the DLCS does not answer: {type(error).__name__}") from None
        except requests.ConnectionError as error:
            if "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error):
                raise DlcsUnavailable("the DLCS cannot be reached") from None
            raise OutcomeUnknown("the DLCS hung up") from None
        except requests.RequestException as error:
            raise OutcomeUnknown(f"the DLCS did not answer: {type(error).__name__}") from None
        if answer.status_code == 201:
            uri = _member(answer, "@id")
            if uri:
                return uri
            raise NameUnknown("the DLCS answered 201 without an @id")
        reason = f"the DLCS answered {answer.status_code}{_reason(answer)}"
        pause = retry_after(answer.headers.get("Retry-After"), time.time())
        if answer.status_code in {429, 507} or (answer.status_code == 503 and pause is not None):
            raise DlcsUnavailable(reason, pause if pause is not None else _PAUSE)
        if 400 <= answer.status_code < 500:
            raise DlcsRefuses(reason)
        raise OutcomeUnknown(reason)

    def image(self, space: Any, name: str) -> Registered | None:
        """None where there is none, or where the DLCS has no such question. Raises DlcsRefuses, DlcsUnavailable;
        OutcomeUnknown where it does not say."""
        address = f"{self._at}/spaces/{int(space)}/images/{requests.utils.quote(name, safe='')}"
        try:
            answer = self._session.get(address, timeout=(_CONNECT, _READ), allow_redirects=False)
        except requests.RequestException as error:
            raise DlcsUnavailable(f"the DLCS did not answer: {type(error).__name__}") from None
        if answer.status_code in _HAS_NONE:
            return None
        if answer.status_code in {401, 403}:
            raise DlcsRefuses(f"the DLCS answered {answer.status_code} to what it knows of an image{_reason(answer)}")
        if answer.status_code != 200:
            raise OutcomeUnknown(f"the DLCS answered {answer.status_code}{_reason(answer)}")
        return Registered(_member(answer, "origin"), _member(answer, "batch"))


def check_caller(customer: int, authorization: str) -> None:
    """Whether the DLCS knows the caller. A yes is remembered for a minute. Raises Forbidden, OriginFailed,
    OriginTimedOut."""
    settings = engine().settings
    assert settings.dlcs_root is not None
    seal = hmac.digest(settings.secret_key.encode(), f"{customer} {authorization}".encode(), hashlib.sha256).hex()
    if _remembered(seal):
        return
    try:
        with _session(settings.dlcs_root, authorization) as session:
            address = f"{settings.dlcs_root}/customers/{customer}"
            answer = session.get(address, timeout=_CHECKED, allow_redirects=False)
    except requests.Timeout:
        raise OriginTimedOut("the DLCS does not answer") from None
    except requests.RequestException as error:
        raise OriginFailed(f"the DLCS cannot be reached: {type(error).__name__}") from None
    if answer.status_code == 200:
        with suppress(Exception):
            cache.set(f"dlcs-yes:{seal}", True, _YES)
        return
    if answer.status_code in {401, 403} or 200 < answer.status_code < 300:
        raise Forbidden("You do not have permission to perform this action.")
    log.warning("the DLCS answered %d to who customer %d is", answer.status_code, customer)
    raise OriginFailed(f"the DLCS answered {answer.status_code}")


def _session(root: str, authorization: str) -> requests.Session:
    """With the environment's proxies and certificates, and nobody's credentials but these."""
    session = requests.Session()
    session.trust_env = False
    session.proxies.update(requests.utils.get_environ_proxies(root, no_proxy=None))
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    session.headers.update({"Authorization": authorization, "Accept": "application/json, application/ld+json"})
    return session


def _remembered(seal: str) -> bool:
    """A cache that does not answer has nothing to say."""
    try:
        return bool(cache.get(f"dlcs-yes:{seal}"))
    except Exception as error:  # each backend has errors of its own
        log.warning("the cache does not answer: %s", error)
        return False


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _member(answer: requests.Response, name: str) -> str:
    found = _json(answer).get(name)
    return found if isinstance(found, str) else ""


def _reason(answer: requests.Response) -> str:
    """Its own words: hydra's, or those of RFC 9457."""
    said = _json(answer)
    texts = [said.get(name) for name in ("title", "detail", "description", "hydra:title", "hydra:description")]
    words = list(dict.fromkeys(text.strip() for text in texts if isinstance(text, str) and text.strip()))
    text = ": ".join(words) if words else " ".join(answer.text.split())
    text = "".join(one for one in text if one.isprintable())
    return f": {text[:500]}" if text else ""
