"""Pages as another renderer shows them: poppler's, at the same resolution, as large and to the eye the same.

Both are blurred a little (a Gaussian of two pixels at 100 to an inch), so that how edges are smoothed does not count.
Then the mean difference of a page is at most 6 steps of 255, and not more than one pixel in a hundred is off by more
than 40.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageFilter

from mezzotint.transforms.pdf import PageSpec, Rasteriser
from tests.documents import Page, encrypted, pdf, scan_page, text_page

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="apt-get install poppler-utils"),
]
DPI, BLUR = 100, 2
MEAN, OFF, FEW = 6.0, 40, 0.01
PAGES = 6
PLACES = [Path("/usr/share/doc"), Path(__file__).parents[2] / ".documents/usr/share/doc"]
DOCUMENTS = {
    "bash/bash.pdf": "bash-doc",
    "bash/bashref.pdf": "bash-doc",
    "gnuplot/gnuplot.pdf": "gnuplot-doc",
    "asymptote/CAD.pdf": "asymptote-doc",
    "asymptote/asy-latex.pdf": "asymptote-doc",
    "asymptote/asyRefCard.pdf": "asymptote-doc",
    "asymptote/asymptote.pdf": "asymptote-doc",
}


def poppler(path: Path, number: int, out: Path, crop: bool) -> Image.Image:
    command = ["pdftoppm", "-png", "-r", str(DPI), "-f", str(number), "-l", str(number), "-singlefile"]
    subprocess.run([*command, *(["-cropbox"] if crop else []), str(path), str(out)], check=True, capture_output=True)
    return Image.open(f"{out}.png").convert("RGB")


def blurred(image: Image.Image) -> numpy.ndarray:
    return numpy.asarray(image.convert("RGB").filter(ImageFilter.GaussianBlur(BLUR))).astype("float64")


def assert_alike(path: Path, directory: Path, crop: bool = False) -> int:
    """Of up to so many pages, spread over the document; returns how many."""
    out = directory / "pages"
    out.mkdir(exist_ok=True)
    with Rasteriser(path, PageSpec(dpi=DPI, format="png", crop=crop), 2) as one:
        count = one.document().pages
        numbers = list(range(1, count + 1, max(1, count // PAGES)))[:PAGES]
        found = {page.page: Image.open(io.BytesIO(page.path.read_bytes())) for page in one.pages(numbers, out, 2)}
    for number in numbers:
        other = poppler(path, number, directory / "other", crop)
        assert found[number].size == other.size, number
        off = numpy.abs(blurred(found[number]) - blurred(other)).max(axis=2)
        assert (off.mean() <= MEAN, (off > OFF).mean() <= FEW) == (True, True), (number, off.mean(), (off > OFF).mean())
    return len(numbers)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_of_debian(tmp_path: Path, name: str) -> None:
    path = next((place / name for place in PLACES if (place / name).exists()), None)
    if path is None:
        pytest.skip(f"apt-get install {DOCUMENTS[name]}")
    assert assert_alike(path, tmp_path) >= 1


INKS = [b"1 0 0 0", b"0 1 0 0", b"0 0 1 0", b"0 0 0 1", b"1 1 0 0", b"0 0 0 0.5", b"0.2 0.4 0.6 0.1"]
CMYK = b"".join(b"%s k %d 100 20 200 re f " % (ink, 20 + 30 * number) for number, ink in enumerate(INKS))
SHAPES = b"0 0 1 rg 30 30 120 200 re f 1 0 0 RG 6 w 10 380 m 290 20 l S 0 0.6 0 rg 150 300 m 280 300 l 215 390 l f"
SEEN_THROUGH = b"/A gs 1 0 0 rg 50 50 150 150 re f 0 0 1 rg 100 100 150 250 re f"
SHADED = b"/S sh"


@pytest.mark.parametrize(
    "page",
    [
        Page(SHAPES),
        *(Page(SHAPES, more=b"/Rotate %d" % turn) for turn in (90, 180, 270)),
        Page(SHAPES, more=b"/CropBox [60 60 240 340]"),
        Page(SHAPES, size=(419.52801, 595.27502)),
        Page(SHAPES, size=None, more=b"/MediaBox [-100 -50 250 350] /Rotate 90"),
        Page(CMYK),
        scan_page(400, 300, 150, seed=2),
        text_page("The quick brown fox"),
    ],
    ids=[
        "shapes", "turned 90", "turned 180", "turned 270", "cropped", "fractional", "below zero and turned", "CMYK",
        "scan", "text",
    ],
)  # fmt: skip
@pytest.mark.parametrize("crop", [False, True])
def test_documents_made_for_it(tmp_path: Path, page: Page, crop: bool) -> None:
    path = tmp_path / "document.pdf"
    path.write_bytes(pdf([page]))
    assert_alike(path, tmp_path, crop)


def test_transparency_and_shadings(tmp_path: Path) -> None:
    data = pdf([Page(SHAPES + b" " + SEEN_THROUGH), Page(SHADED)])
    shading = (
        b"/Shading << /S << /ShadingType 2 /ColorSpace /DeviceRGB /Coords [0 0 300 400] /Extend [true true] "
        b"/Function << /FunctionType 2 /Domain [0 1] /C0 [1 0 0] /C1 [0 0 1] /N 1 >> >> >>"
    )
    state = b"/ExtGState << /A << /ca 0.4 /BM /Multiply >> >>"
    path = tmp_path / "document.pdf"
    path.write_bytes(data.replace(b"/Font <<", shading + b" " + state + b" /Font <<"))
    assert assert_alike(path, tmp_path) == 2


def test_an_encrypted_document(tmp_path: Path) -> None:
    path = tmp_path / "document.pdf"
    path.write_bytes(encrypted(pdf([Page(SHAPES)]), ""))
    assert_alike(path, tmp_path)
