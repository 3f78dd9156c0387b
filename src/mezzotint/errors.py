"""The domain errors. They know no HTTP; each edge maps them in one place.

MezzotintError
├── InvalidInput            a field of what was sent is wrong: `field`, `detail`, `limit`
│   ├── InvalidName         a picture's name is not of the grammar
│   ├── InvalidRendition    a well-formed rendition that this base cannot give
│   ├── NotAnImage          the bytes are of no accepted picture format
│   ├── DamagedImage        a picture that is cut off or cannot be decoded
│   ├── TooManyBytes        larger than MEZZOTINT_MAX_UPLOAD
│   └── TooManyPixels       larger than MEZZOTINT_MAX_PIXELS
├── DocumentRefused         a document that cannot be made into pages, and why
├── RendererEnded           whoever renders a document was killed
├── NotFound                no such image, session, collection
├── Conflict                somebody else changed it first: `fields`
├── Unauthorized            a token is missing, wrong or expired
├── Forbidden               the token's scope does not reach
├── Busy                    the render queue is full: `retry_after`
│   └── TooMuchForOne       or one client has its share of it
├── GivenUp                 nobody waits for what is made, or it takes too long
├── StorageFull             no space left to keep what was sent
├── StoreUnavailable        the object store does not answer
│   └── StoreRefused        or answers that it shall not be asked so: `hint`
├── DamagedBase             a base's bytes are not those that its name says
├── OriginError             a picture's origin: `reason`, for the operator alone
│   ├── OriginRefuses       answers with a status of 4xx, which is the client's: `status`
│   │   └── OriginLacks     has no such picture, or no more: 404, 410
│   ├── OriginFailed        cannot be reached, breaks off, or sends what is no picture: `again`
│   ├── OriginTimedOut      takes too long
│   └── OriginBusy          wants to be left alone, or is: `retry_after`
├── ReadOnly                nothing is written here: a read node, or one that raised an alarm
└── JournalBroken           the chain of segments has a gap or a wrong hash
"""

from __future__ import annotations

import math
import re


def first_line(error: BaseException) -> str:
    """Of what it says; what it is, where it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""control characters but tab and newline: of terminals (ECMA-48), of lines, and those that turn a text's direction
(Unicode's bidirectional algorithm)"""


def visible(text: str) -> str:
    """What was sent may hold what a terminal obeys, or what hides other text."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable(text: str) -> str:
    """What was sent may hold what UTF-8 cannot."""
    return text.encode("utf-8", "backslashreplace").decode()


class MezzotintError(Exception):
    """Anything that goes wrong in a way that a user can be told about."""

    title = "Something went wrong"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidInput(MezzotintError):
    """A field of the input is wrong. `limit` says what would have been right."""

    title = "Invalid input"

    def __init__(self, field: str, detail: str, limit: str | None = None) -> None:
        super().__init__(detail)
        self.field = field
        self.limit = limit

    @property
    def what(self) -> str:
        """The detail and the limit, for where the field is named otherwise."""
        return f"{self.detail} (limit: {self.limit})" if self.limit else self.detail

    def __str__(self) -> str:
        return f"{self.field}: {self.what}"


class InvalidName(InvalidInput):
    title = "Malformed name"


class InvalidRendition(InvalidInput):
    title = "Impossible rendition"


class NotAnImage(InvalidInput):
    title = "Not a picture"


class DamagedImage(InvalidInput):
    title = "Damaged picture"


class TooManyBytes(InvalidInput):
    title = "Too many bytes"


class TooManyPixels(InvalidInput):
    title = "Too many pixels"


class DocumentRefused(MezzotintError):
    """Not a PDF, damaged, locked, empty, or more than a renderer is given. Trying again does not help."""

    title = "Refused document"


class RendererEnded(MezzotintError):
    """Somebody has killed it: a system that has too little memory, or is going down. Trying again may help."""

    title = "The renderer was killed"


class NotFound(MezzotintError):
    title = "Not Found"


class Conflict(MezzotintError):
    """Committing would overwrite another change. `fields` maps an ident or a
    collection's slug to the names of the fields in conflict."""

    title = "Conflict"

    def __init__(self, detail: str, fields: dict[str, list[str]] | None = None) -> None:
        super().__init__(detail)
        self.fields = fields or {}


class Unauthorized(MezzotintError):
    title = "Not authorized"


class Forbidden(MezzotintError):
    title = "Forbidden"


class Busy(MezzotintError):
    """The render queue is full. `retry_after` is in seconds."""

    title = "Busy"

    def __init__(self, detail: str, retry_after: int = 2) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class TooMuchForOne(Busy):
    """One client has all that one may have; others are served."""

    title = "Too many requests"


class GivenUp(MezzotintError):
    """What was asked for is not made to its end: nobody waits for it, or it takes too long."""

    title = "Given up"


class StorageFull(MezzotintError):
    title = "Storage full"


class StoreUnavailable(MezzotintError):
    title = "Store unavailable"
    pause: float = 0.0
    """seconds that it has asked to be left alone for"""


class StoreRefused(StoreUnavailable):
    """What it was asked with is wrong: credentials, or the container's name. `hint` says what to set, and is for the
    operator alone."""

    def __init__(self, detail: str, hint: str) -> None:
        super().__init__(detail)
        self.hint = hint


class DamagedBase(MezzotintError):
    title = "Damaged in the store"


class OriginError(MezzotintError):
    """What is told is the same whatever the reason was: nobody is to learn from it what can be reached from here."""

    title = "The origin failed"
    told = "the picture could not be had from its origin"

    def __init__(self, reason: str) -> None:
        super().__init__(self.told)
        self.reason = printable(reason.replace("\0", ""))


class OriginRefuses(OriginError):
    """`status` is what it answered: who asked for the picture is told the same."""

    title = "The origin refuses"
    saying = {
        401: "the origin wants a login for this picture",
        403: "the origin does not give this picture out",
        404: "the origin has no such picture",
        410: "the origin says that this picture is gone",
    }

    def __init__(self, status: int) -> None:
        super().__init__(f"the origin answered {status}")
        self.status = status
        self.redirects = 0
        """that led to who answered so"""
        self.detail = self.saying.get(status, f"the origin answered {status} to this address")
        self.args = (self.detail,)


class OriginLacks(OriginRefuses):
    title = "Not Found"

    def __init__(self, status: int = 404) -> None:
        super().__init__(status)


class OriginFailed(OriginError):
    """`again`: trying once more at once may help."""

    def __init__(self, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


class OriginTimedOut(OriginError):
    title = "The origin took too long"


class OriginBusy(OriginError):
    """It asked for a pause, has failed too often, or all turns at it are taken. `retry_after` is in seconds."""

    title = "The origin is busy"
    told = "nothing is fetched from this origin just now"

    def __init__(self, origin: str, retry_after: float = 30.0) -> None:
        super().__init__(f"{origin} is left alone for {retry_after:.0f} s")
        self.retry_after = max(1, math.ceil(retry_after))


class ReadOnly(MezzotintError):
    title = "Read-only"


class JournalBroken(MezzotintError):
    title = "Journal broken"
