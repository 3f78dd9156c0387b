"""Where bases, the journal and remote records live."""

from mezzotint.objects.bounded import Bounded
from mezzotint.objects.filesystem import DirectoryStore
from mezzotint.objects.memory import MemoryStore
from mezzotint.objects.observed import Observed
from mezzotint.objects.protocol import ObjectInfo, ObjectReader, ObjectStore
from mezzotint.objects.retrying import Retrying

__all__ = [
    "Bounded",
    "DirectoryStore",
    "MemoryStore",
    "ObjectInfo",
    "ObjectReader",
    "ObjectStore",
    "Observed",
    "Retrying",
]
