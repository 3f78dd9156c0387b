"""Documents into pages, by renderers of their own."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mezzotint.errors import DocumentRefused
from mezzotint.transforms.pdf import Document, PageSpec, Rasteriser, Rendered
from tests.transforms.rendering import saved


def made(
    directory: Path,
    data: bytes,
    asked: PageSpec | None = None,
    numbers: Sequence[int] | None = None,
    processes: int = 1,
) -> list[tuple[Rendered, Image.Image]]:
    """Its pages in order."""
    out = directory / "pages"
    out.mkdir(exist_ok=True)
    with Rasteriser(saved(directory, data), asked or PageSpec(dpi=72), processes) as one:
        wanted = numbers or range(1, one.document().pages + 1)
        found = sorted(one.pages(wanted, out, 2), key=lambda page: page.page)
    return [(page, Image.open(io.BytesIO(page.path.read_bytes()))) for page in found]


def sizes(directory: Path, data: bytes, **asked: Any) -> list[tuple[int, int]]:
    found = made(directory, data, PageSpec(**({"dpi": 72} | asked)))
    assert all((page.width, page.height) == image.size for page, image in found)
    return [image.size for _, image in found]


def about(directory: Path, data: bytes) -> Document:
    with Rasteriser(saved(directory, data), PageSpec()) as one:
        return one.document()


def refused(directory: Path, data: bytes, asked: PageSpec | None = None) -> str:
    with pytest.raises(DocumentRefused) as caught:
        made(directory, data, asked)
    return str(caught.value)
