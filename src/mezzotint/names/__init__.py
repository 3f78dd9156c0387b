"""What images and their derivatives are called. Pure: no I/O, no pixels."""

from mezzotint.names.canonical import Facts, Largest, canonical
from mezzotint.names.formats import FORMATS, OUTPUTS, Format
from mezzotint.names.grammar import parse, print_name
from mezzotint.names.ident import Ident, is_ident, parse_ident
from mezzotint.names.keys import base_key, check_key, trash_key
from mezzotint.names.rendition import Box, Mode, Quality, Region, Rendition, Rotation, Size

__all__ = [
    "FORMATS", "OUTPUTS", "Box", "Facts", "Format", "Ident", "Largest", "Mode", "Quality", "Region", "Rendition",
    "Rotation", "Size", "base_key", "canonical", "check_key", "is_ident", "parse", "parse_ident",
    "print_name", "trash_key",
]  # fmt: skip
