"""A renderer: a process that has one document open, and is told page by page what to write where.

It reads one line of JSON at a time and answers each with one. The first is the order; the answer says what the
document is. It ends when nobody tells it anything any more.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from PIL import Image

from mezzotint.errors import DocumentRefused
from mezzotint.transforms.children import confine
from mezzotint.transforms.pdf.asking import PageSpec
from mezzotint.transforms.pdf.pdfium import Pdf, PdfPage

JPEG_QUALITY = 75

Image.MAX_IMAGE_PIXELS = None  # what a page may have is known before it is made


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever this renders for
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing that a library prints is taken for an answer
    order = json.loads(sys.stdin.readline())
    asked, limits = PageSpec(**order["asked"]), order["limits"]
    confine.no_network()
    confine.limit_always(limits["memory"])
    confine.grant(None, limits["seconds"])

    def answer(members: dict[str, Any]) -> None:
        answers.write(json.dumps(members) + "\n")
        answers.flush()

    try:
        pdf = Pdf(Path(order["document"]))
        answer({"pages": pdf.pages} | (pdf.facts() if order["facts"] else {}))
    except (DocumentRefused, MemoryError) as error:
        answer({"refused": str(error) or "it needs more memory than a renderer has"})
        return
    for line in sys.stdin:
        told = json.loads(line)
        confine.grant(None, limits["seconds"])
        try:
            pdf.renew()
            answer(_written(pdf, told["page"], asked, Path(told["path"])))
        except DocumentRefused as error:
            answer({"refused": str(error)})
        except MemoryError:
            answer({"refused": "it needs more memory than a renderer has"})
        except OSError as error:
            answer({"failed": error.errno or 0, "why": str(error.strerror or error)})


def _written(pdf: Pdf, number: int, asked: PageSpec, path: Path) -> dict[str, Any]:
    with closing(PdfPage(pdf, number, asked)) as page:
        size = page.size
        scan = page.scan() if asked.format == "jpg" else None
        if scan is not None:
            path.write_bytes(scan)
            gray = False
        else:
            picture = page.picture()
            gray = picture.mode == "L"
            _save(picture, path, asked.format, size.dpi)
    return {
        "width": size.width, "height": size.height, "dpi": size.dpi, "bytes": path.stat().st_size,
        "gray": gray, "passed_on": scan is not None,
    }  # fmt: skip


def _save(picture: Image.Image, path: Path, image_format: str, dpi: float) -> None:
    """Through memory: Pillow takes no notice of a disk that fills as it writes."""
    encoded = io.BytesIO()
    if image_format == "jpg":  # whose encoder takes RGBX as it is
        picture.save(encoded, "JPEG", quality=JPEG_QUALITY, dpi=(max(1, round(dpi)),) * 2)
    else:
        picture = picture if picture.mode == "L" and image_format != "ppm" else picture.convert("RGB")
        if image_format == "png":
            picture.save(encoded, "PNG", compress_level=3, dpi=(dpi, dpi))
        elif image_format == "tif":
            picture.save(encoded, "TIFF", compression="tiff_adobe_deflate", dpi=(dpi, dpi))
        else:
            picture.save(encoded, "PPM")
    path.write_bytes(encoded.getbuffer())


if __name__ == "__main__":
    main()
