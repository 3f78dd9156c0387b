"""What a request for a picture by its URL asks, from its query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from mezzotint.errors import InvalidInput
from mezzotint.names import Format, Mode, Rendition, Size
from mezzotint.names.formats import WORDS
from mezzotint.network.urls import Url, parse_url
from mezzotint.settings.parsing import parse_flag

MOST = 65_535
_THUMBNAIL = 200


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """`rendition` None: the original bytes."""

    target: Url
    rendition: Rendition | None
    silent: bool = False
    ask_peers: bool = False
    only_here: bool = False


def image(query: bytes, default: Format) -> PictureRequest:
    """Of `/get_image`. Raises InvalidInput naming the parameter."""
    given = parameters(query)
    return PictureRequest(
        parse_url(given.get("url", "")),
        _resized(given, default),
        silent=_flag(given, "no_image", False),
        ask_peers=_asks_peers(given),
        only_here=_flag(given, "only_send_if_local", False),
    )


def thumbnail(query: bytes, default: Format) -> PictureRequest:
    """Of `/get_thumbnail`. Raises InvalidInput naming the parameter."""
    given = parameters(query)
    side = _pixels(given, "size") or _THUMBNAIL
    rendition = Rendition(_format(given, "format", default), size=Size(side, side, Mode.FIT))
    return PictureRequest(parse_url(given.get("url", "")), rendition, ask_peers=_asks_peers(given))


def parameters(query: bytes) -> dict[str, str]:
    """The first of each name. Raises InvalidInput."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except (ValueError, UnicodeError):
        raise InvalidInput("query", "is malformed", "percent-encoded UTF-8, at most 50 parameters") from None
    return dict(reversed(pairs))


def _asks_peers(given: Mapping[str, str]) -> bool:
    names = ("use_alternativ_clouds", "use_alternative_clouds")
    return any(_flag(given, name, False) for name in names)


def _resized(given: Mapping[str, str], default: Format) -> Rendition | None:
    width, height = _pixels(given, "resize_width"), _pixels(given, "resize_height")
    image_format = _format(given, "format_when_resize", default)
    keep, force = _flag(given, "keep_aspect_ratio", True), _flag(given, "force_to_size", False)
    if width is None and height is None:
        return None  # there is no area to fill, by `force_to_size` either
    if width is None or height is None:
        return Rendition(image_format, size=Size(width, height, Mode.FIT))
    if not keep:
        return Rendition(image_format, size=Size(width, height, Mode.EXACT))
    return Rendition(image_format, size=Size(width, height, Mode.PAD if force else Mode.FIT))


def _pixels(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and 1 <= int(text) <= MOST):
        raise InvalidInput(name, f"cannot be {text!r:.40}", f"1 to {MOST} pixels")
    return int(text)


def _format(given: Mapping[str, str], name: str, default: Format) -> Format:
    text = given.get(name, "").strip().lower()
    if not text:
        return default
    if text not in WORDS:
        raise InvalidInput(name, f"cannot be {text!r:.40}", " ".join(sorted(WORDS)))
    return WORDS[text]


def _flag(given: Mapping[str, str], name: str, default: bool) -> bool:
    return parse_flag(name, given[name]) if name in given else default
