"""What fields are called on pages, and what is said beside them."""

from __future__ import annotations

from mezzotint.errors import InvalidInput
from mezzotint.repository import metadata

_OTHERWISE = {"alt": "Alternative text", "captured": "Date"}
LONG = {name for name, field in metadata.FIELDS.items() if (field.limit or 0) >= 2000}
"""with room for lines"""
LABELS = {name: _OTHERWISE.get(name, name.replace("_", " ").capitalize()) for name in metadata.FIELDS}


def beside(error: InvalidInput) -> str:
    """What is wrong, where the page shows with which field."""
    return f"{error.detail}: {error.limit}" if error.limit else error.detail
