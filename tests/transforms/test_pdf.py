"""Documents: what they say of themselves, how large their pages become."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from PIL import Image

from mezzotint.errors import DocumentRefused
from mezzotint.transforms.pdf import PageSize, PageSpec, Rasteriser, page_size
from tests.documents import Page, pdf, text_page, text_pdf, with_objects
from tests.transforms.paging import about, made, sizes
from tests.transforms.rendering import difference, saved

pytestmark = pytest.mark.processes


# How large


@pytest.mark.parametrize(
    ("width", "height", "asked", "expected"),
    [
        (612, 792, PageSpec(), (4250, 5500, 500)),
        (595.276, 841.89, PageSpec(dpi=300), (2481, 3508, 300)),
        (595.4400024, 100, PageSpec(dpi=300), (2481, 417, 300)),
        (419.52801, 595.27502, PageSpec(dpi=72), (420, 596, 72)),
        (612, 792, PageSpec(max_length=1000), (772, 1000, 500 * 1000 / 5500)),
        (612, 792, PageSpec(dpi=72, max_length=1000), (612, 792, 72)),
        (2384, 3370, PageSpec(), (6623, 9362, 200)),
        (14400, 14400, PageSpec(), (15800, 15800, 79)),
        (14400, 1, PageSpec(dpi=500, fallback_dpi=400), (65400, 5, 327)),
        (14400, 1, PageSpec(dpi=500, fallback_dpi=400, format="png"), (100_000, 7, 500)),
        (1, 1, PageSpec(dpi=1), (1, 1, 1)),
    ],
)
def test_how_large_a_page_becomes(
    width: float, height: float, asked: PageSpec, expected: tuple[int, int, float]
) -> None:
    found = page_size(width, height, asked)
    assert (found.width, found.height, round(found.dpi, 6)) == (*expected[:2], round(expected[2], 6))


@pytest.mark.parametrize(("width", "height"), [(0, 10), (10, -1), (float("inf"), 10), (float("nan"), 1), (1e9, 1e9)])
def test_a_page_without_a_size_is_refused(width: float, height: float) -> None:
    with pytest.raises(DocumentRefused):
        page_size(width, height, PageSpec())


def test_no_page_is_larger_than_it_may_be() -> None:
    for side in range(1, 20_000, 777):
        size = page_size(side, side * 0.7, PageSpec(max_pixels=1_000_000))
        assert isinstance(size, PageSize) and size.width * size.height <= 1_000_000


A4 = (595, 842)
CROPPED = b"/CropBox [60 60 240 340]"


@pytest.mark.parametrize(
    ("data", "whole", "cropped"),
    [
        (pdf([Page(size=A4)]), A4, A4),
        (pdf([Page(size=None)], tree=b"/MediaBox [0 0 595 842]"), A4, A4),
        (pdf([Page(size=None, more=CROPPED)], tree=b"/MediaBox [0 0 595 842]"), A4, (180, 280)),
        (pdf([Page(more=CROPPED)]), (300, 400), (180, 280)),
        (pdf([Page(size=None, more=b"/MediaBox [300 400 0 0]")]), (300, 400), (300, 400)),
        (pdf([Page(size=None, more=b"/MediaBox [-50 -50 250 350]")]), (300, 400), (300, 400)),
        (pdf([Page(more=b"/CropBox [-90 -90 900 900]")]), (300, 400), (300, 400)),
        (pdf([Page(more=b"/CropBox [900 900 990 990]")]), (300, 400), (300, 400)),
        (pdf([Page(more=b"/Rotate 90")]), (400, 300), (400, 300)),
        (pdf([Page(more=b"/Rotate 270" + CROPPED)]), (400, 300), (280, 180)),
        (pdf([Page(more=b"/UserUnit 2")]), (300, 400), (300, 400)),
    ],
    ids=[
        "plain", "inherited", "inherited, cropped", "cropped", "swapped", "below zero", "cropped wider", "cropped away",
        "turned", "turned, cropped", "user unit",
    ],
)  # fmt: skip
def test_what_of_a_page_is_shown(tmp_path: Path, data: bytes, whole: tuple[int, int], cropped: tuple[int, int]) -> None:
    assert sizes(tmp_path, data) == [whole]
    assert sizes(tmp_path, data, crop=True) == [cropped]


def test_pages_of_different_sizes_follow_each_other(tmp_path: Path) -> None:
    pages = [text_page("x", size) for size in ((300, 400), (100, 50), (420.5, 700), (300, 400))]
    assert sizes(tmp_path, pdf(pages)) == [(300, 400), (100, 50), (421, 700), (300, 400)]


# What is on them


def dark(image: Image.Image) -> float:
    return float((numpy.asarray(image.convert("L")) < 128).mean())


def test_what_is_drawn_is_seen_and_the_rest_is_white(tmp_path: Path) -> None:
    [(page, image)] = made(tmp_path, pdf([Page(b"0 g 0 300 150 100 re f", (300, 400))]), PageSpec(dpi=72, format="png"))
    pixels = numpy.asarray(image.convert("L"))
    assert page.gray and image.mode == "L"
    assert (pixels[:100, :150] == 0).all() and (pixels[101:] == 255).all() and (pixels[:, 151:] == 255).all()


def test_turned_pages_are_drawn_as_they_are_read(tmp_path: Path) -> None:
    [(_, image)] = made(tmp_path, pdf([Page(b"0 g 0 300 150 100 re f", (300, 400), b"/Rotate 90")]), PageSpec(dpi=72))
    pixels = numpy.asarray(image.convert("L"))
    assert (pixels[5:145, 305:395] < 10).all(), "the upper left corner is the upper right one now"


@pytest.mark.parametrize(
    ("page", "gray"),
    [
        (text_page("black"), True),
        (text_page("gray", colour=b"0.4 g"), True),
        (text_page("gray", colour=b"0.4 0.4 0.4 rg"), True),
        (text_page("red", colour=b"1 0 0 rg"), False),
        (Page(b"0 g 10 10 50 50 re f 0.99 1 0.99 rg 0 0 300 400 re f"), False),
        (Page(b"0 0 1 RG 0.05 w 0 0 m 300 400 l S"), False),
        (Page(b"1 0 0 rg 100 100 0.4 0.4 re f"), False),
    ],
    ids=["black", "gray", "gray as RGB", "red", "hardly green", "a blue hair", "a red speck"],
)
def test_a_page_is_gray_where_nothing_is_lost_by_it(tmp_path: Path, page: Page, gray: bool) -> None:
    [(found, image)] = made(tmp_path, pdf([page]), PageSpec(dpi=300, format="png"))
    assert (found.gray, image.mode) == (gray, "L" if gray else "RGB")


def test_gray_is_what_colour_would_have_shown(tmp_path: Path) -> None:
    half = b"/ExtGState << /A << /ca 0.5 >> >>"
    for page in (
        text_page("Some text, and more of it"),
        Page(b"/A gs 0.2 g 0 0 200 200 re f 0.6 g 50 50 200 300 re f"),
    ):
        data = pdf([page]).replace(b"/Font <<", half + b" /Font <<")
        [(found, image)] = made(tmp_path, data, PageSpec(dpi=150, format="png"))
        coloured = data.replace(b"/Rotate 0", b"")
        assert found.gray
        [(_, colour)] = made(tmp_path, coloured, PageSpec(dpi=150, format="ppm"))
        assert colour.mode == "RGB"
        assert difference(image.convert("RGB"), colour) < 0.5


def noise(gray: bool) -> tuple[int, int, bytes, bytes]:
    """A picture of 64 x 64, whose colours are gray in the mean."""
    generator = numpy.random.default_rng(5)
    values = generator.integers(0, 256, (64, 64, 1 if gray else 3), dtype="uint8")
    if not gray:
        values[..., 1:] = 255 - values[..., :1]
    space = b"/DeviceGray" if gray else b"/DeviceRGB"
    return 64, 64, b"/ColorSpace %s /BitsPerComponent 8" % space, values.tobytes()


@pytest.mark.parametrize("gray", [True, False])
def test_pictures_whose_colours_average_out_stay_coloured(tmp_path: Path, gray: bool) -> None:
    page = Page(b"q 300 0 0 400 0 0 cm /Im0 Do Q", images=[noise(gray)])
    [(found, _)] = made(tmp_path, pdf([page]), PageSpec(dpi=72))
    assert found.gray is gray


def test_what_was_filled_into_a_form_is_seen(tmp_path: Path) -> None:
    form = (
        b"/AcroForm << /Fields [100 0 R] /DA (/F1 12 Tf 0 g) /NeedAppearances true /DR << /Font << /F1 1 0 R >> >> >>"
    )
    field = (
        b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (HHHHHHHH) /DA (/F1 40 Tf 0 g) /F 4 "
        b"/Rect [20 200 280 260] /AP << /N %d 0 R >> >>"
    )
    appearance = b"/Tx BMC q BT /F1 40 Tf 0 g 4 12 Td (HHHHHHHH) Tj ET Q EMC"
    data = with_objects(
        pdf([Page(more=b"/Annots [100 0 R]")], catalog=form),
        {
            100: field % 101,
            101: b"<< /Type /XObject /Subtype /Form /BBox [0 0 260 60] /Resources << /Font << /F1 1 0 R >> >> "
            b"/Length %d >>\nstream\n%s\nendstream" % (len(appearance), appearance),
        },
    )
    [(_, image)] = made(tmp_path, data)
    assert dark(image.crop((20, 140, 280, 200))) > 0.05
    assert dark(image.crop((0, 210, 300, 400))) == 0


def test_all_pages_come_once_by_several_renderers_about_in_their_order(tmp_path: Path) -> None:
    found = made(tmp_path, text_pdf(25), processes=3)
    assert [page.page for page, _ in found] == list(range(1, 26))
    assert {page.bytes for page, _ in found} and all(page.bytes == page.path.stat().st_size for page, _ in found)
    alone = made(tmp_path, text_pdf(25), numbers=[17])
    assert alone[0][0].page == 17
    assert alone[0][1].tobytes() == found[16][1].tobytes(), "however many renderers there are"


def test_no_more_pages_wait_than_are_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "pages"
    out.mkdir()
    with Rasteriser(saved(tmp_path, text_pdf(30)), PageSpec(dpi=72), 2) as one:
        for page in one.pages(range(1, 31), out, 3):
            assert len(list(out.iterdir())) <= 3 + 2 + 1
            page.path.unlink()


@pytest.mark.parametrize("output", ["jpg", "png", "tif", "ppm"])
def test_formats(tmp_path: Path, output: str) -> None:
    [(page, image)] = made(tmp_path, pdf([text_page("red", colour=b"1 0 0 rg")]), PageSpec(dpi=144, format=output))
    assert page.path.suffix == f".{output}"
    assert image.format == {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "ppm": "PPM"}[output]
    assert (image.size, image.mode) == ((600, 800), "RGB")
    if output != "ppm":
        assert round(float(image.info["dpi"][0])) == 144
    if output == "jpg":
        assert (image.layers, image.layer[0][1:3], "progressive" in image.info) == (3, (2, 2), False)  # type: ignore[attr-defined]


# What a document says of itself


def test_what_a_document_says_of_itself(tmp_path: Path) -> None:
    outline = {
        50: b"<< /Type /Outlines /First 51 0 R /Last 51 0 R /Count 2 >>",
        51: b"<< /Title (One) /Parent 50 0 R /Dest [4 0 R /Fit] /First 52 0 R /Last 52 0 R /Count 1 >>",
        52: b"<< /Title <FEFF00D6> /Parent 51 0 R >>",
    }
    data = with_objects(
        text_pdf(
            3,
            info=b"/Title (Annual\\nreport) /Author <FEFF0041006400E1> /Subject (x) /Keywords (a, b) "
            b"/CreationDate (D:20240229123456+01'00') /ModDate (nonsense)",
            catalog=b"/Lang (en-GB) /Outlines 50 0 R /PageLabels << /Nums [0 << /S /r >> 2 << /S /D >>] >>",
        ),
        outline,
    ).replace(b"/Prev", b"/Info 10 0 R /Prev")
    found = about(tmp_path, data)
    assert (found.pages, found.title, found.author, found.subject) == (3, "Annual report", "Adá", "x")
    assert (found.keywords, found.language, found.created, found.modified) == (
        "a, b", "en-GB", "2024-02-29T12:34:56+01:00", "",
    )  # fmt: skip
    assert list(found.labels) == ["i", "ii", "1"]
    assert [(one["level"], one["title"]) for one in found.outline] == [(0, "One"), (1, "Ö")]


def test_a_document_that_says_nothing(tmp_path: Path) -> None:
    found = about(tmp_path, text_pdf(2))
    assert (found.title, found.author, found.created, list(found.labels), list(found.outline)) == ("", "", "", [], [])
