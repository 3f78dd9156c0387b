"""Documents of pages: what they say of themselves, and their pages as pictures, made in processes of their own."""

from mezzotint.transforms.pdf.asking import FORMATS, PageSize, PageSpec, page_size
from mezzotint.transforms.pdf.rasteriser import Document, Rasteriser, Rendered

__all__ = ["FORMATS", "Document", "PageSize", "PageSpec", "Rasteriser", "Rendered", "page_size"]
