"""Tokens: which were issued, and whose are no good any more.

Both lie in the object store, so all nodes know and no database is asked. What is revoked is also in a file of this
host, for a start while the store does not answer. A process looks for news every `EVERY` seconds, in a thread, while
tokens are shown to it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mezzotint import tokens
from mezzotint.errors import InvalidInput, MezzotintError, NotFound, Unauthorized
from mezzotint.host.files import place, temporary
from mezzotint.names.keys import ISSUED, REVOKED_KEY
from mezzotint.objects import ObjectStore

log = logging.getLogger(__name__)
EVERY = 10.0
FILE = "revoked.json"
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
        if token.issued <= self.revoked().get(token.name, -1):
            raise Unauthorized("this token was revoked")
        return token

    def issue_for(self, person: str, label: str, days: int) -> tuple[str, bool]:
        """As `issue`, of a person's own: it may do what the person may. Raises InvalidInput."""
        if not label or len(label) > _MOST_OF_A_LABEL or not label.isprintable():
            raise InvalidInput("label", f"cannot be {label!r:.80}", f"1 to {_MOST_OF_A_LABEL} printable characters")
        return self.issue(tokens.Scope.READ, days, f"{person}: {label}", person)

    def issue(self, scope: tokens.Scope, days: int, name: str, person: str | None = None) -> tuple[str, bool]:
        """A new token, and whether it is in the list now: it is not where the store cannot be written to. Raises
        InvalidInput."""
        if not name.strip() or len(name) > _MOST_OF_A_NAME or not name.isprintable():
            raise InvalidInput("name", f"cannot be {name!r:.80}", f"1 to {_MOST_OF_A_NAME} printable characters")
        try:
            ended = self._read().get(name, -1)
        except MezzotintError:
            ended = -1
        while ended >= int(time.time()):
            time.sleep(0.05)  # a token of the second in which others were revoked would be one of them
        text = tokens.issue(self._secret, scope, days, name, person)
        token = tokens.verify(self._secret, text)
        about = Issued(uuid.uuid4().hex, name, str(scope), token.issued, token.expires, person or "")
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
                yield about, about.issued <= revoked.get(about.name, -1)

    def revoke(self, name: str) -> None:
        """All tokens of that name that were issued until now. Raises StoreUnavailable: then they are still good."""
        now = int(time.time())
        known = {other: at for other, at in self._read().items() if at > now - _LONGEST}
        self._store.put(REVOKED_KEY, json.dumps(known | {name: now}).encode(), "application/json")
        self._note(known | {name: now})

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
        try:
            return _parsed(self._store.read(REVOKED_KEY))
        except NotFound:
            return {}

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


def _parsed(data: bytes) -> dict[str, int]:
    """What is no such list says nothing."""
    try:
        found = json.loads(data)
        return {str(name): int(at) for name, at in found.items()}
    except (ValueError, TypeError, AttributeError):
        log.error("the list of revoked tokens cannot be read")
        return {}
