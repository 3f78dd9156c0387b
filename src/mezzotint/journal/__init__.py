"""The sequence of committed segments in the object store. It is the truth."""

from mezzotint.journal.checkpoint import Checkpoint, CheckpointReader
from mezzotint.journal.journal import Head, Journal
from mezzotint.journal.marker import Marker, claim_marker, read_marker
from mezzotint.journal.segment import FORMAT_VERSION, Change, Schema, Segment, decode, encode

__all__ = [
    "FORMAT_VERSION",
    "Change",
    "Checkpoint",
    "CheckpointReader",
    "Head",
    "Journal",
    "Marker",
    "Schema",
    "Segment",
    "claim_marker",
    "decode",
    "encode",
    "read_marker",
]
