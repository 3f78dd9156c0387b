"""The marker: one small object that says which store this is.

A database remembers the marker of the store that it belongs to, so that a wrong
bucket or an unmounted disk is never taken for a repository that lost everything.
"""

from __future__ import annotations

import json
import uuid

from mezzotint.errors import JournalBroken, NotFound
from mezzotint.journal.segment import FORMAT_VERSION
from mezzotint.names.keys import MARKER_KEY
from mezzotint.objects import ObjectStore


def read_marker(store: ObjectStore) -> str | None:
    """The store's random name, which no other store has; None where it has no marker.

    Raises JournalBroken for one that cannot be read.
    """
    try:
        return str(json.loads(store.read(MARKER_KEY))["store"])
    except NotFound:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise JournalBroken(f"the store's marker, {MARKER_KEY}, is damaged") from error


def claim_marker(store: ObjectStore) -> str:
    """The store's name, made now where it has none."""
    body = json.dumps({"mezzotint": "store", "format": FORMAT_VERSION, "store": uuid.uuid4().hex}).encode()
    store.put_if_absent(MARKER_KEY, body, "application/json")
    found = read_marker(store)
    assert found is not None
    return found
