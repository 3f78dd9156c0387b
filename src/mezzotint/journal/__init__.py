"""The sequence of committed segments in the object store. It is the truth."""

from mezzotint.journal.checkpoint import Checkpoint
from mezzotint.journal.journal import Head, Journal
from mezzotint.journal.marker import claim_marker, read_marker
from mezzotint.journal.segment import Change, Schema, Segment, kind_of

__all__ = [
    "Change",
    "Checkpoint",
    "Head",
    "Journal",
    "Schema",
    "Segment",
    "claim_marker",
    "kind_of",
    "read_marker",
]
