"""Plans into pixels and bytes, by libvips. Nothing else imports pyvips."""

from mezzotint.transforms.libvips.header import Header, check_pixels, read_header
from mezzotint.transforms.libvips.price import decoding, memory, memory_of_pixels, memory_of_sweep
from mezzotint.transforms.libvips.running import Source, is_plain, pixels_of, reduce, render, rows_of
from mezzotint.transforms.libvips.sweeping import Halving, Strip, joined, of_jpeg, sweep, sweep_pixels

__all__ = [
    "Halving",
    "Header",
    "Source",
    "Strip",
    "check_pixels",
    "decoding",
    "is_plain",
    "joined",
    "memory",
    "memory_of_pixels",
    "memory_of_sweep",
    "of_jpeg",
    "pixels_of",
    "read_header",
    "reduce",
    "render",
    "rows_of",
    "sweep",
    "sweep_pixels",
]
