"""Bounded local disk for derivatives and cover art: the files, their index, and the cleaner."""

from mezzotint.cache.cached import CachedFile
from mezzotint.cache.cleaner import Cleaner, Cleaning
from mezzotint.cache.files import Cache
from mezzotint.cache.index import Entry, Index, Totals
from mezzotint.cache.sqlite import SqliteIndex

__all__ = ["Cache", "CachedFile", "Cleaner", "Cleaning", "Entry", "Index", "SqliteIndex", "Totals"]
