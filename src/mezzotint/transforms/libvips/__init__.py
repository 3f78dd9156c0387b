"""Plans into pixels and bytes, by libvips. Nothing else imports pyvips."""

from mezzotint.transforms.libvips.header import Header, check_pixels, read_header
from mezzotint.transforms.libvips.price import decoding, memory
from mezzotint.transforms.libvips.running import Source, is_plain, pixels_of, reduce, render, rows_of

__all__ = [
    "Header",
    "Source",
    "check_pixels",
    "decoding",
    "is_plain",
    "memory",
    "pixels_of",
    "read_header",
    "reduce",
    "render",
    "rows_of",
]
