"""What a door is: one way in for requests, which turns a request into an answer."""

from __future__ import annotations

from mezzotint.delivery.answer import Answer, headers, problem
from mezzotint.delivery.request import Request
from mezzotint.errors import MezzotintError

_PREFLIGHT = {
    "access_control_allow_headers": "authorization, range, if-none-match, if-range",
    "access_control_max_age": "86400",
}


class Door:
    """`methods` are what it takes, beside OPTIONS where it can be read; an `open` one asks for no token. `public` says
    whether everybody may read."""

    methods: tuple[str, ...] = ("GET", "HEAD")
    open = False

    def __init__(self, *, public: bool) -> None:
        self.public = public

    def takes(self, path: str) -> bool:
        raise NotImplementedError

    async def answer(self, request: Request) -> Answer:
        """Raises MezzotintError."""
        raise NotImplementedError

    def refused(self, request: Request, error: MezzotintError) -> Answer:
        """The style of its errors."""
        return problem(error, public=self.public)

    def not_allowed(self, request: Request) -> Answer:
        return Answer(405, headers(allow=self.allow))

    def options(self) -> Answer:
        return Answer(204, headers(allow=self.allow, access_control_allow_methods=self.allow, **_PREFLIGHT))

    @property
    def allow(self) -> str:
        return ", ".join((*self.methods, "OPTIONS") if "GET" in self.methods else self.methods)
