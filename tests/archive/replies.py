"""Requests with their methods, and whole answers to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.origin import Asked, Headers, Origin


@dataclass(frozen=True)
class Reply:
    """Header names are in lower case. What HEAD and a 304 do not carry is left out when it is sent."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=dict)

    @classmethod
    def moved(cls, status: int, url: str) -> Reply:
        return cls(status, f"See: {url}\n".encode(), {"location": url, "content-type": "text/plain; charset=utf-8"})

    @classmethod
    def refused(cls, status: int, text: str) -> Reply:
        page = f"<!doctype html>\n<html lang=en>\n<title>{status}</title>\n<h1>{status}</h1>\n<p>{text}</p>\n"
        return cls(status, page.encode(), {"content-type": "text/html; charset=utf-8"})


@dataclass
class Request(Asked):
    method: str

    @property
    def plain_path(self) -> str:
        """Without the query."""
        return self.path.partition("?")[0]

    async def answer(self, reply: Reply, sent: int | None = None) -> None:
        """Send it; `sent`: only so many bytes of the body, whatever the length that is promised."""
        body = b"" if self.method == "HEAD" or reply.status == 304 else reply.body[:sent]
        common = {"access-control-allow-origin": "*", "content-length": str(len(reply.body))}
        await self.send(reply.status, body, **(common | reply.headers))

    def has(self, headers: Headers) -> bool:
        """Whether the client has already what comes with these headers."""
        if tags := self.headers.get("if-none-match"):
            known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
            return bool(known & {headers["etag"], "*"})
        return self.headers.get("if-modified-since") == headers["last-modified"]


class HearingOrigin(Origin):
    """An origin whose requests are `Request`s."""

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> Request | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        again = asyncio.StreamReader()
        again.feed_data(head)
        asked = await super()._read(again, writer, host)
        return Request(**vars(asked), method=head.split(b" ")[0].decode()) if asked else None
