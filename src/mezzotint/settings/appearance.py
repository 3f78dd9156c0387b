"""Settings of how pages look. What each raises for other texts is a ValueError that says what is right."""

from __future__ import annotations

import re

PAPERS = ("#f7f5f2", "#181716")
"""what pages are written on, by day and in the dark: `page.css` has the same"""
_LEAST = 4.5
"""contrast of text that can be read (WCAG 2.2, 1.4.3)"""


def parse_colours(text: str) -> tuple[str, str]:
    """Of links and buttons: `#7a3b12,#e0a070`, by day and in the dark; each can be read there. Raises ValueError."""
    colours = [part.strip().lower() for part in text.split(",")]
    if len(colours) != len(PAPERS) or not all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in colours):
        raise ValueError("two colours, by day and in the dark, such as #7a3b12,#e0a070")
    for colour, paper in zip(colours, PAPERS, strict=True):
        if (found := contrast(colour, paper)) < _LEAST:
            raise ValueError(
                f"colours that can be read: {colour} has a contrast of {found:.1f} to {paper}, {_LEAST} at least"
            )
    return colours[0], colours[1]


def parse_footer(text: str) -> str:
    """Raises ValueError."""
    footer = " ".join(text.split())
    if not footer or len(footer) > 500 or not footer.isprintable():
        raise ValueError("1 to 500 characters that can be printed")
    return footer


def contrast(one: str, other: str) -> float:
    """Of two colours, from 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
