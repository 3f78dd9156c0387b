"""The name grammar, both ways. `docs/names.md` has it as EBNF.

`parse(print_name(ident, r)) == (ident, r)` for every rendition, and
`print_name(*parse(text)) == text` for every text that parses. The second is
what refuses leading zeros, defaults spelled out and the like: `parse` prints
what it understood and wants the very same text.
"""

from __future__ import annotations

import re
from typing import Literal

from mezzotint.errors import InvalidName
from mezzotint.names.formats import Format
from mezzotint.names.ident import Ident, parse_ident
from mezzotint.names.rendition import SQUARE, WHITE, Box, Mode, Quality, Region, Rendition, Rotation, Size

MAX_NUMBER = 9_999_999
_N = "[0-9]{1,7}"
_PARTS = re.compile(
    rf"(?:-(?:(?P<square>square)|x(?P<x>{_N})y(?P<y>{_N})w(?P<w>{_N})h(?P<h>{_N})))?"
    rf"(?:-(?:(?P<mode>fit|enlarge|cover|pad)?(?P<width>{_N})x(?P<height>{_N})|w(?P<only_w>{_N})|h(?P<only_h>{_N})))?"
    rf"(?:-canvas(?P<cw>{_N})x(?P<ch>{_N})(?:x(?P<colour>[0-9a-f]{{6}}))?)?"
    r"(?:-(?:(?P<mirror>mirror)(?P<mirrored_by>[0-9]{1,3}(?:\.[0-9]{1,2})?)?|rotate(?P<by>[0-9]{1,3}(?:\.[0-9]{1,2})?)))?"
    r"(?:-(?P<quality>gray|bitonal))?"
    r"(?:-q(?P<encoding>[0-9]{1,3}))?"
    r"\.(?P<format>[a-z][a-z0-9]*)"
)
MAX_NAME = 200


def print_name(ident: Ident, rendition: Rendition | None) -> str:
    """The name of a derivative, or of the base itself where `rendition` is None."""
    return ident if rendition is None else f"{ident}{print_rendition(rendition)}"


def print_rendition(rendition: Rendition) -> str:
    parts = [
        _print_region(rendition.region),
        _print_size(rendition.size),
        _print_canvas(rendition.canvas),
        _print_rotation(rendition.rotation),
        rendition.quality if rendition.quality is not Quality.COLOR else "",
        f"q{rendition.encoding}" if rendition.encoding is not None else "",
    ]
    return "".join(f"-{part}" for part in parts if part) + f".{rendition.format}"


def parse(text: str) -> tuple[Ident, Rendition | None]:
    """The ident and the rendition that `text` names; None is the base. Raises InvalidName."""
    ident = parse_ident(text[:64])
    rest = text[64:]
    return ident, (parse_rendition(rest) if rest else None)


def parse_rendition(text: str) -> Rendition:
    """The rendition of a name's part after its ident. Raises InvalidName."""
    match = _PARTS.fullmatch(text) if len(text) <= MAX_NAME else None
    if match is None:
        raise InvalidName(
            "name",
            f"{text[:MAX_NAME]!r} is not of the grammar",
            "ident[-region][-size][-canvas][-rotation][-quality][-qN].format",
        )
    rendition = Rendition(
        format=_format(match["format"]),
        region=_region(match),
        size=_size(match),
        canvas=_canvas(match),
        rotation=_rotation(match),
        quality=Quality(match["quality"] or Quality.COLOR),
        encoding=_encoding(match["encoding"]),
    )
    if print_rendition(rendition) != text:
        raise InvalidName("name", f"{text!r} is written {print_rendition(rendition)!r}", "one spelling each")
    return rendition


def _print_region(region: object) -> str:
    if isinstance(region, Region):
        return f"x{region.x}y{region.y}w{region.width}h{region.height}"
    return SQUARE if region == SQUARE else ""


def _print_size(size: Size | None) -> str:
    if size is None:
        return ""
    if size.height is None:
        return f"w{size.width}"
    if size.width is None:
        return f"h{size.height}"
    return f"{size.mode}{size.width}x{size.height}"


def _print_canvas(canvas: Box | None) -> str:
    if canvas is None:
        return ""
    colour = "" if canvas.colour == WHITE else f"x{canvas.colour}"
    return f"canvas{canvas.width}x{canvas.height}{colour}"


def _print_rotation(rotation: Rotation | None) -> str:
    if rotation is None:
        return ""
    whole, hundredths = divmod(rotation.hundredths, 100)
    degrees = f"{whole}.{hundredths:02d}".rstrip("0") if hundredths else f"{whole}"
    if rotation.mirror:
        return "mirror" if rotation.hundredths == 0 else f"mirror{degrees}"
    return f"rotate{degrees}"


def _format(text: str) -> Format:
    try:
        return Format(text)
    except ValueError:
        raise InvalidName("format", f"{text!r} is not a format that is given out", " ".join(Format)) from None


def _positive(field: str, text: str) -> int:
    number = int(text)
    if number < 1:
        raise InvalidName(field, "is zero", f"1 to {MAX_NUMBER}")
    return number


def _region(match: re.Match[str]) -> Region | Literal["square"] | None:
    if match["square"]:
        return SQUARE
    if match["x"] is None:
        return None
    return Region(int(match["x"]), int(match["y"]), _positive("region", match["w"]), _positive("region", match["h"]))


def _size(match: re.Match[str]) -> Size | None:
    if match["only_w"]:
        return Size(_positive("size", match["only_w"]), None, Mode.FIT)
    if match["only_h"]:
        return Size(None, _positive("size", match["only_h"]), Mode.FIT)
    if match["width"] is None:
        return None
    return Size(_positive("size", match["width"]), _positive("size", match["height"]), Mode(match["mode"] or ""))


def _canvas(match: re.Match[str]) -> Box | None:
    if match["cw"] is None:
        return None
    return Box(_positive("canvas", match["cw"]), _positive("canvas", match["ch"]), match["colour"] or WHITE)


def _rotation(match: re.Match[str]) -> Rotation | None:
    degrees = match["by"] or match["mirrored_by"] or "0"
    if not (match["by"] or match["mirror"]):
        return None
    whole, _, fraction = degrees.partition(".")
    hundredths = int(whole) * 100 + int(fraction.ljust(2, "0"))
    if hundredths >= 36000 or (hundredths == 0 and not match["mirror"]):
        raise InvalidName("rotation", f"{degrees} degrees", "more than 0 and less than 360")
    return Rotation(hundredths, mirror=bool(match["mirror"]))


def _encoding(text: str | None) -> int | None:
    if text is None:
        return None
    if not 1 <= int(text) <= 100:
        raise InvalidName("encoding", f"quality {text}", "1 to 100")
    return int(text)
