"""Tokens: which were issued, and whose are no good any more.

Both lie in the object store, so all nodes know and no database is asked. What is revoked is also in a file of this
host, for a start while the store does not answer. A process looks for news every `EVERY` seconds, in a thread, while
tokens are shown to it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from mezzotint import tokens
from mezzotint.errors import InvalidInput, MezzotintError, NotFound, Unauthorized
from mezzotint.host.files import place, temporary
from mezzotint.names.keys import ISSUED, REVOKED, REVOKED_KEY
from mezzotint.objects import ObjectStore

log = logging.getLogger(__name__)
EVERY = 10.0
FILE = "revoked.json"
_MARKED = "#"
"""before what stands for a name"""
_LONGEST = tokens.MAX_DAYS * 86_400
_MOST_OF_A_NAME, _MOST_OF_A_LABEL = 300, 100


@dataclass(frozen=True, slots=True)
class Issued:
    """Moments in seconds since the epoch; the token itself is kept nowhere."""

    id: str
    name: str
    scope: str
    issued: int
    expires: int
    person: str = ""
    """whose it is; nothing where it is nobody's but a program's"""


class Registry:
    def __init__(self, store: ObjectStore, secret: str, path: Path) -> None:
        self._store, self._secret, self._path = store, secret, path
        self._revoked: dict[str, int] | None = None
        self._next = 0.0
        self._looking = threading.Lock()

    def verify(self, text: str) -> tokens.Token:
        """Raises Unauthorized."""
        token = tokens.verify(self._secret, text)
        if token.issued <= _ended(self.revoked(), token.name):
            raise Unauthorized("this token was revoked")
        return token

    def issue_for(self, person: str, joined: datetime, label: str, days: int) -> tuple[str, bool]:
        """As `issue`, of a person's own, who has had a login since then: it may do what the person may. Raises
        InvalidInput."""
        if not label or len(label) > _MOST_OF_A_LABEL or not label.isprintable():
            raise InvalidInput("label", f"cannot be {label!r:.80}", f"1 to {_MOST_OF_A_LABEL} printable characters")
        return self.issue(tokens.Scope.READ, days, f"{person}: {label}", (person, joined.isoformat()))

    def issue(
        self, scope: tokens.Scope, days: int, name: str, person: tuple[str, str] | None = None
    ) -> tuple[str, bool]:
        """A new token, and whether it is in the list now: it is not where the store cannot be written to. Raises
        InvalidInput."""
        if not name.strip() or len(name) > _MOST_OF_A_NAME or not name.isprintable():
            raise InvalidInput("name", f"cannot be {name!r:.80}", f"1 to {_MOST_OF_A_NAME} printable characters")
        try:
            ended = _ended(self._read(), name)
        except MezzotintError:
            ended = -1
        while ended >= int(time.time()):
            time.sleep(0.05)  # a token of the second in which others were revoked would be one of them
        text = tokens.issue(self._secret, scope, days, name, person)
        token = tokens.verify(self._secret, text)
        about = Issued(uuid.uuid4().hex, name, str(scope), token.issued, token.expires, person[0] if person else "")
        try:
            self._store.put(f"{ISSUED}{about.id}.json", json.dumps(asdict(about)).encode(), "application/json")
        except MezzotintError as error:
            log.warning("a token is not in the list: %s", error)
            return text, False
        return text, True

    def of_login(self, username: str) -> str:
        """A token of scope read for a day, for who has a login; it is not listed, and is revoked by its name."""
        return tokens.issue(self._secret, tokens.Scope.READ, 1, f"login {username}")

    def issued(self) -> Iterator[tuple[Issued, bool]]:
        """Those in the list that have not ended, and whether each is revoked. Raises StoreUnavailable."""
        revoked = self._read()
        for info in self._store.list(ISSUED):
            try:
                about = Issued(**json.loads(self._store.read(info.key)))
            except (ValueError, TypeError, NotFound):
                continue
            if about.expires > time.time():
                yield about, about.issued <= _ended(revoked, about.name)
            else:
                with suppress(MezzotintError):
                    self._store.delete(info.key)

    def revoke(self, name: str) -> None:
        """All tokens of that name that were issued until now. Raises StoreUnavailable: then they are still good.

        An object for each, so that two who revoke at once do not write over each other; and the list, for nodes of an
        earlier version.
        """
        now = int(time.time())
        self._store.put(f"{REVOKED}{_mark(name)}/{now}.json", b"{}", "application/json")
        known = {other: at for other, at in self._read().items() if at > now - _LONGEST} | {name: now}
        listed = {other: at for other, at in known.items() if not other.startswith(_MARKED)}
        self._store.put(REVOKED_KEY, json.dumps(listed).encode(), "application/json")
        self._note(known)

    def revoked(self) -> dict[str, int]:
        """As it was last seen: names, and until when theirs are no good. Waits for nothing."""
        if self._revoked is None:
            self._revoked = _parsed(self._path.read_bytes()) if self._path.exists() else {}
        if time.monotonic() >= self._next and self._looking.acquire(blocking=False):
            self._next = time.monotonic() + EVERY
            threading.Thread(target=self._look, name="revoked tokens", daemon=True).start()
        return self._revoked

    def _look(self) -> None:
        try:
            self._note(self._read())
        except MezzotintError as error:
            log.warning("whether tokens were revoked is not known now: %s", error)
        finally:
            self._looking.release()

    def _read(self) -> dict[str, int]:
        """Names, and marks of names, with the moments until which theirs are no good."""
        try:
            found = _parsed(self._store.read(REVOKED_KEY))
        except NotFound:
            found = {}
        for info in self._store.list(REVOKED):
            mark, _, at = info.key.removeprefix(REVOKED).removesuffix(".json").partition("/")
            if at.isascii() and at.isdecimal():
                found[f"{_MARKED}{mark}"] = max(int(at), found.get(f"{_MARKED}{mark}", -1))
        return found

    def _note(self, revoked: dict[str, int]) -> None:
        if revoked != self._revoked:
            self._revoked = revoked
            try:
                with temporary(self._path.parent, durable=False) as (part, stream):
                    stream.write(json.dumps(revoked).encode())
                    stream.flush()
                    place(part, self._path, durable=False)
            except (MezzotintError, OSError) as error:
                log.warning("this host does not remember which tokens were revoked: %s", error)


@lru_cache(1024)
def _mark(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _ended(revoked: Mapping[str, int], name: str) -> int:
    """Until when those of a name are no good; -1 where they are."""
    return max(revoked.get(name, -1), revoked.get(f"{_MARKED}{_mark(name)}", -1))


def _parsed(data: bytes) -> dict[str, int]:
    """What is no such list says nothing."""
    try:
        found = json.loads(data)
        return {str(name): int(at) for name, at in found.items()}
    except (ValueError, TypeError, AttributeError):
        log.error("the list of revoked tokens cannot be read")
        return {}
