"""What fields are called on pages, and what is said beside them."""

from __future__ import annotations

from mezzotint.errors import InvalidInput
from mezzotint.repository import image_fields

_OTHERWISE = {"alt": "Alternative text", "captured": "Date"}
_MUCH = 2000


def labels() -> dict[str, str]:
    """Of all fields that images have here."""
    return {name: label(name) for name in image_fields.known()}


def label(name: str) -> str:
    if (own := image_fields.own().get(name)) is not None:
        return image_fields.called(own)
    return _OTHERWISE.get(name, image_fields.bare(name).replace("_", " ").capitalize())


def is_long(name: str) -> bool:
    """Whether it has room for lines."""
    return (image_fields.known()[name].limit or 0) >= _MUCH and not _is_link(name)


def _is_link(name: str) -> bool:
    own = image_fields.own().get(name)
    return own is not None and own.kind == "link"


def beside(error: InvalidInput) -> str:
    """What is wrong, where the page shows with which field."""
    return f"{error.detail}: {error.limit}" if error.limit else error.detail
