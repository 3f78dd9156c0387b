"""Addresses of pictures: parsed once, in one spelling, named by its hash. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass

import idna

from mezzotint.errors import InvalidInput

MAX_URL = 4096
_PORTS = {"http": 80, "https": 443}
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_HOST_FIRST = re.compile(r"(?:[^/?#:@\s]+\.[^/?#:@\s.]+|localhost|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?(?:[/?#]|$)")
"""what can only be meant for a host, where no scheme is said"""
_AROUND = "".join(map(chr, range(0x21))) + "\xa0\ufeff"
_MOST_QUOTES = 3
_QUOTES = {'"': '"', "'": "'", "<": ">", "\u201c": "\u201d", "`": "`"}
_DROPPED = re.compile(r"[\t\n\r]")
_PARTS = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)"
    r"(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.DOTALL,
)
_AUTHORITY = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:%]+))(?::(?P<port>[0-9]{0,5}))?")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PLAIN = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Url:
    """A picture's address in its canonical spelling (RFC 3986 section 6.2.2): scheme and host in lower case, no
    default port, no fragment, no dot segments, escapes in upper case and only where they are needed."""

    url: str
    scheme: str
    host: str
    """a name, or an IP address without brackets"""
    port: int

    @property
    def key(self) -> str:
        """The sha256 of the canonical address, 64 hex digits."""
        return hashlib.sha256(self.url.encode()).hexdigest()

    @property
    def literal(self) -> Address | None:
        """The address that stands in place of a host's name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def authority(self) -> str:
        """The host, and the port where it is not the scheme's own."""
        return self.url.split("/", 3)[2]

    @property
    def origin(self) -> str:
        """Whom to ask: the host and the port in any case."""
        return f"{self.host}:{self.port}"

    def moved(self, location: str) -> Url:
        """Where a redirect leads (RFC 3986 section 5.2.2), in whatever spelling browsers take. Raises InvalidInput."""
        scheme, authority, path, query = _split(location := _as_browsers_read_it(location))
        if scheme is not None and authority is not None:
            return parse_url(location)
        if scheme is not None and scheme.lower() != self.scheme:
            raise InvalidInput("url", f"has the scheme {scheme[:20]!r}, and no host", "http or https")
        _, own_authority, own_path, own_query = _split(self.url)
        if authority is None:
            authority = own_authority
            if not path:
                path, query = own_path, own_query if query is None else query
            elif not path.startswith("/"):
                path = f"{own_path.rpartition('/')[0]}/{path}"
        return parse_url(f"{self.scheme}://{authority}{path}{'' if query is None else f'?{query}'}")


def parse_url(text: str) -> Url:
    """Raises InvalidInput, whose field is `url`."""
    text = text.strip(" ")
    if not text:
        raise InvalidInput("url", "is missing", "a picture's address, percent-encoded")
    if len(text) > MAX_URL:
        raise InvalidInput("url", "is too long", f"{MAX_URL} characters")
    scheme, authority, path, query = _split(text)
    scheme = (scheme or "").lower()
    if scheme not in _PORTS:
        raise InvalidInput("url", f"has the scheme {scheme[:20]!r}", "http or https")
    if "@" in (authority or ""):
        raise InvalidInput("url", "has a user's name or password in it", "none")
    match = _AUTHORITY.fullmatch(authority or "")
    if match is None:
        raise InvalidInput("url", "has no host, or a malformed one", "http://host/path, http://host:port/path")
    host = _address(match["address"]) if match["address"] else _name(match["name"])
    port = int(match["port"]) if match["port"] else _PORTS[scheme]
    if not 1 <= port <= 65535:
        raise InvalidInput("url", f"has the port {port}", "1 to 65535")
    shown = f"[{host}]" if ":" in host else host
    netloc = shown if port == _PORTS[scheme] else f"{shown}:{port}"
    shown_query = "" if query is None else f"?{_requoted(query)}"
    url = f"{scheme}://{netloc}{_without_dots(_requoted(path)) or '/'}{shown_query}"
    if len(url) > MAX_URL:
        raise InvalidInput("url", "is too long", f"{MAX_URL} characters, escaped")
    return Url(url, scheme, host, port)


def as_meant(line: str) -> str:
    """A line of a list as its writer means it: without a mark of byte order, quotes or brackets around it, and `http:`
    where no scheme is said."""
    if len(line) > 2 * MAX_URL:
        return line  # too long for an address, whatever is around it
    text = line.strip(_AROUND)
    for _ in range(_MOST_QUOTES):
        if not (len(text) > 1 and (end := _QUOTES.get(text[0])) is not None and text[-1] in end + ",;"):
            break
        text = text[1:].rstrip(",; ").removesuffix(end).strip(_AROUND)
    text = _as_browsers_read_it(text)
    if text.startswith("//"):
        return f"http:{text}"
    if _HOST_FIRST.match(text):
        return f"http://{text}"
    return text


def _as_browsers_read_it(text: str) -> str:
    """WHATWG URL, section 4.4: what is around it goes, and so do tabs and line breaks; a backslash before the query is
    a slash."""
    text = _DROPPED.sub("", text.strip(_AROUND))
    end = min((at for mark in "?#" if (at := text.find(mark)) >= 0), default=len(text))
    return text[:end].replace("\\", "/") + text[end:].replace("\\", "%5C")


def _split(text: str) -> tuple[str | None, str | None, str, str | None]:
    """Scheme, authority, path, query (RFC 3986 appendix B); None for what is not there. Raises InvalidInput."""
    if _FORBIDDEN.search(text):
        raise InvalidInput("url", "has a control character or a backslash in it", "escape them, as %0B and %5C")
    match = _PARTS.fullmatch(text)
    assert match is not None  # there is no text that it does not match
    return match["scheme"], match["authority"], match["path"], match["query"]


def _address(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise InvalidInput("url", f"{text[:50]!r} is no address", "an IPv6 address without a zone") from None


def _name(name: str) -> str:
    """A host's name in ASCII, or the IPv4 address that stands in its place."""
    try:
        ascii_name = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise InvalidInput("url", f"{name[:50]!r} is no host's name", "letters, digits, dots and hyphens") from None
    ascii_name = ascii_name.removesuffix(".")
    if not _HOST.fullmatch(ascii_name):
        raise InvalidInput("url", f"{name[:50]!r} is no host's name", "letters, digits, dots and hyphens")
    if _NUMBER.fullmatch(ascii_name.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(ascii_name))
        except ValueError:
            raise InvalidInput("url", f"{name[:50]!r} is no address", "four numbers from 0 to 255") from None
    return ascii_name


def _requoted(text: str) -> str:
    def escape(match: re.Match[str]) -> str:
        char = chr(int(match[0][1:], 16))
        return char if char in _UNRESERVED else match[0].upper()

    text = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text)
    try:
        text = _PLAIN.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), text)
    except UnicodeEncodeError:
        raise InvalidInput("url", "has half a character in it", "whole characters") from None
    return _ESCAPE.sub(escape, text)


def _without_dots(path: str) -> str:
    """RFC 3986 section 5.2.4."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/".join(kept) if kept[0] == "" else "/" + "/".join(kept)
