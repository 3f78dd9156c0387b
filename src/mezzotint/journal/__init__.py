"""The sequence of committed segments in the object store. It is the truth."""

from mezzotint.journal.journal import Head, Journal
from mezzotint.journal.segment import FORMAT_VERSION, Change, Segment, decode, encode

__all__ = ["FORMAT_VERSION", "Change", "Head", "Journal", "Segment", "decode", "encode"]
