"""Where bases, the journal and remote records live."""

from mezzotint.objects.filesystem import DirectoryStore
from mezzotint.objects.memory import MemoryStore
from mezzotint.objects.protocol import ObjectInfo, ObjectReader, ObjectStore

__all__ = ["DirectoryStore", "MemoryStore", "ObjectInfo", "ObjectReader", "ObjectStore"]
