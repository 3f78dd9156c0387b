"""The store manager: (ident, rendition) in, bytes out, made or cached."""

from mezzotint.derivatives.bases import Base, Bases
from mezzotint.derivatives.manager import Derivative, StoreManager

__all__ = ["Base", "Bases", "Derivative", "StoreManager"]
