"""Cover art: pictures and listings of the Cover Art Archive, by what MusicBrainz calls a release."""

from mezzotint.sources.coverart.asking import CoverRequest, parse_path
from mezzotint.sources.coverart.resolver import CoverArt, Given

__all__ = ["CoverArt", "CoverRequest", "Given", "parse_path"]
