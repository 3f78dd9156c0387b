"""Mezzotint: a self-hosted image store and image server."""

__version__ = "0.4.0"
