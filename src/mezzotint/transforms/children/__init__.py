"""Processes that may be killed, for decoders and encoders that are not trusted, and for files that need a second
look."""

from mezzotint.transforms.children.crew import Crew

__all__ = ["Crew"]
