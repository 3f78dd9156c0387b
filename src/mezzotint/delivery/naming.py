"""What a picture is called when it is saved: `?download=NAME` (RFC 6266, with the letters of RFC 8187)."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from urllib.parse import quote

from mezzotint.delivery.answer import Answer
from mezzotint.delivery.query import parameters
from mezzotint.errors import InvalidInput
from mezzotint.names import FORMATS

_MOST = 200
_SEPARATORS = frozenset("/\\:")
_ENDINGS = {known.media_type.encode(): known.extensions for known in FORMATS.values()}


def wanted_name(query: bytes) -> str | None:
    """Raises InvalidInput for what can be no file's name."""
    if b"download=" not in query:
        return None
    name = parameters(query).get("download")
    if name is None:
        return None
    bad = any(c in _SEPARATORS or unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in name)
    if bad or not name.strip(". ") or len(name) > _MOST:
        raise InvalidInput("download", f"cannot be {name!r:.60}", f"a file's name of up to {_MOST} characters")
    return name


def saved_as(answer: Answer, name: str) -> Answer:
    """The same, to be saved under that name, which ends as the format does, whatever was asked for."""
    endings = _ENDINGS.get(dict(answer.headers).get(b"content-type", b""), ("bin",))
    if not name.lower().endswith(tuple(f".{ending}" for ending in endings)):
        name = f"{name}.{endings[0]}"
    return replace(answer, headers=[*answer.headers, (b"content-disposition", disposition(name).encode())])


def disposition(name: str) -> str:
    """Of what is to be saved under a name."""
    plain = "".join(c if c.isascii() and c not in '"%' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
