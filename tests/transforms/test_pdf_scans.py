"""Pages that are one JPEG: when they are passed on as they are."""

from __future__ import annotations

import io
import resource
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from mezzotint.transforms.pdf import PageSpec, plain, scans
from mezzotint.transforms.pdf.pdfium import Pdf, PdfPage
from mezzotint.transforms.pdf.plain import WithoutPlain
from tests import pictures
from tests.documents import Page, encrypted, pdf, rebuilt, scan_page, with_objects
from tests.transforms.paging import made
from tests.transforms.rendering import difference, saved

pytestmark = pytest.mark.processes


def test_a_scan_of_the_size_that_is_asked_for_is_passed_on(tmp_path: Path) -> None:
    jpeg = pictures.jpeg(600, 400, seed=9, quality=93)
    [(page, image)] = made(tmp_path, pdf([scan_page(600, 400, 150, data=jpeg)]), PageSpec(dpi=150))
    assert (page.passed_on, page.path.read_bytes() == jpeg, image.size) == (True, True, (600, 400))


def masked() -> Page:
    width, height, more, data = SCAN.images[0]
    return Page(SCAN.content, SCAN.size, images=[(width, height, more + b" /SMask 99 0 R", data)])


def test_a_scan_that_is_masked_is_not_passed_on(tmp_path: Path) -> None:
    width, height = SCAN.images[0][:2]
    hides = bytes(0 if 60 < x < 160 and 60 < y < 90 else 255 for y in range(height) for x in range(width))
    mask = (
        b"<< /Type /XObject /Subtype /Image /ColorSpace /DeviceGray /BitsPerComponent 8 /Width %d /Height %d "
        b"/Length %d >>\nstream\n%s\nendstream" % (width, height, len(hides), hides)
    )
    data = with_objects(pdf([masked()]), {99: mask})
    [(page, image)] = made(tmp_path, data, PageSpec(dpi=150, format="jpg"))
    assert not page.passed_on
    assert numpy.asarray(image.convert("L").crop((70, 66, 150, 84))).min() > 200, "what lies behind is the paper"


def inverted(page: Page) -> Page:
    width, height, more, data = page.images[0]
    return Page(page.content, page.size, page.more, [(width, height, more + b" /Decode [1 0 1 0 1 0]", data)])


SCAN = scan_page(600, 400, 150, seed=9)
with_exif = Image.Exif()
with_exif[0x0112] = 6


def jpeg_with(**options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(SCAN.images[0][3])).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        (SCAN, PageSpec(dpi=149)),
        (SCAN, PageSpec(dpi=150, format="png")),
        (SCAN, PageSpec(dpi=150, max_length=300)),
        (Page(SCAN.content + b" 1 0 0 rg 0 0 50 50 re f", SCAN.size, images=SCAN.images), PageSpec(dpi=150)),
        (Page(SCAN.content, SCAN.size, b"/Rotate 180", SCAN.images), PageSpec(dpi=150)),
        (Page(b"q 144 0 0 -192 0 192 cm /Im0 Do Q", (288, 192), images=SCAN.images), PageSpec(dpi=150)),
        (Page(b"q 288 0 0 -192 0 192 cm /Im0 Do Q", (288, 192), images=SCAN.images), PageSpec(dpi=150)),
        (Page(b"q 0 0 100 100 re W n 288 0 0 192 0 0 cm /Im0 Do Q", (288, 192), images=SCAN.images), PageSpec(dpi=150)),
        (inverted(SCAN), PageSpec(dpi=150)),
        (scan_page(600, 400, 150, data=jpeg_with(exif=with_exif)), PageSpec(dpi=150)),
        (scan_page(600, 400, 150, data=SCAN.images[0][3][:-600]), PageSpec(dpi=150)),
    ],
    ids=[
        "another DPI", "another format", "reduced", "with a mark on it", "turned", "half", "upside down", "clipped",
        "inverted", "with EXIF", "cut off",
    ],
)  # fmt: skip
def test_a_scan_that_is_not_all_of_the_page_as_it_is_asked_for_is_rendered(
    tmp_path: Path, page: Page, asked: PageSpec
) -> None:
    [(found, _)] = made(tmp_path, pdf([page]), asked)
    assert not found.passed_on


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is rendered and compared."""
    monkeypatch.delattr(scans, "looks_like")


def passed_on(directory: Path, data: bytes, number: int = 1) -> bytes | None:
    """In this process."""
    with (
        closing(Pdf(saved(directory, data))) as document,
        closing(PdfPage(document, number, PageSpec(dpi=150))) as page,
    ):
        return page.scan()


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize(
    "more", [b"", b"/Interpolate true /Name /Im0", b"/Metadata 3 0 R", b"/Intent /Perceptual", b"/Decode [0 1 0 1 0 1]"]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_scan_whose_dictionary_says_no_more_than_its_size_is_not_decoded(
    tmp_path: Path, more: bytes, mode: str
) -> None:
    jpeg = pictures.encoded(pictures.opened(SCAN.images[0][3]).convert(mode), "JPEG")
    data = pdf([scan_page(600, 400, 150, data=jpeg, more=more)])
    if mode == "L":
        data = data.replace(b"/DeviceRGB ", b"/DeviceGray")
    assert passed_on(tmp_path, data) == jpeg


@pytest.mark.parametrize("more", [b"/DecodeParms null", b"/Foreign <<>>", b"% a remark\n"])
def test_a_scan_whose_dictionary_says_more_is_looked_at_and_passed_on_where_nothing_comes_of_it(
    tmp_path: Path, more: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bool] = []
    looks_like = scans.looks_like

    def looking(jpeg: bytes, glance: Image.Image) -> bool:
        looked.append(looks_like(jpeg, glance))
        return looked[-1]

    monkeypatch.setattr(scans, "looks_like", looking)
    assert passed_on(tmp_path, pdf([scan_page(600, 400, 150, seed=9, more=more)])) == SCAN.images[0][3]
    assert looked == [True]


def test_a_scan_in_a_locked_document_that_needs_no_password_is_passed_on(tmp_path: Path) -> None:
    assert passed_on(tmp_path, encrypted(pdf([SCAN]), "")) == SCAN.images[0][3]


STATES = {
    "inverted by the graphics state": b"/TR << /FunctionType 2 /Domain [0 1] /N 1 /C0 [1] /C1 [0] >>",
    "made lighter by the graphics state": b"/TR << /FunctionType 2 /Domain [0 1] /N 1 /C0 [0.3] /C1 [1] >>",
    "half transparent": b"/ca 0.5",
    "multiplied": b"/BM /Difference",
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_a_scan_that_something_outside_of_it_changes_is_not_passed_on(tmp_path: Path, state: bytes) -> None:
    page = Page(b"/G gs " + SCAN.content, SCAN.size, images=SCAN.images)
    data = pdf([page]).replace(b"/Font <<", b"/ExtGState << /G << %b >> >> /Font <<" % state)
    assert passed_on(tmp_path, rebuilt(data)) is None


@pytest.mark.parametrize("first", [True, False])
def test_one_of_two_copies_of_a_scan_that_is_shown_otherwise_is_not_passed_on(tmp_path: Path, first: bool) -> None:
    data = pdf([inverted(SCAN), SCAN] if first else [SCAN, inverted(SCAN)])
    assert passed_on(tmp_path, data, 1 if first else 2) is None
    assert passed_on(tmp_path, data, 2 if first else 1) == SCAN.images[0][3], "it was looked at"


def test_an_image_that_several_pages_show_is_what_it_was_after_it_was_tried(tmp_path: Path) -> None:
    twice = Page(b"q 288 0 0 192 0 0 cm /Im0 Do Q", (288, 192))
    half = Page(b"q 144 0 0 96 0 0 cm /Im0 Do Q", (144, 96))
    data = pdf([SCAN, twice, half, twice])
    number = int(data.split(b"/Im0 ")[1].split()[0])
    shared = rebuilt(data.replace(b"/XObject <<  >>", b"/XObject << /Im0 %d 0 R >>" % number))
    found = made(tmp_path, shared, PageSpec(dpi=150))
    assert [page.passed_on for page, _ in found] == [True, True, False, True]
    reduced = pictures.opened(SCAN.images[0][3]).resize((300, 200), Image.Resampling.BOX)
    assert difference(found[2][1].convert("RGB"), reduced) < 4


def test_what_was_read_for_earlier_pages_is_let_go_of(tmp_path: Path) -> None:
    """PDFium keeps each picture that it has loaded: of these two hundred times a megabyte."""
    noise = Image.fromarray(numpy.random.default_rng(1).integers(0, 256, (1000, 1000), dtype="uint8"), "L")
    jpeg = pictures.encoded(noise, "JPEG", quality=98)
    remarks = [b"\xff\xfe\x08\x02" + b"%8d" % number * 256 for number in range(200)]
    scanned = [jpeg[:2] + remark + jpeg[2:] for remark in remarks]
    data = pdf([scan_page(1000, 1000, 150, data=one) for one in scanned]).replace(b"/DeviceRGB ", b"/DeviceGray")
    assert len(data) > 200 * 900_000
    with closing(Pdf(saved(tmp_path, data))) as document:
        del data
        most, before = 0, resident()
        for number, one in enumerate(scanned, 1):
            document.renew()
            with closing(PdfPage(document, number, PageSpec(dpi=150))) as page:
                assert page.scan() == one
            most = max(most, resident() - before)
    assert most < 150 << 20


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# What dictionaries are plain


def words(path: Path) -> list[bytes]:
    """What stands where something was taken away."""
    with closing(WithoutPlain(path)) as stream:
        read, data = stream.read(), path.read_bytes()
    assert len(read) == len(data)
    return [data[at : at + 3] for at in range(len(data)) if read[at : at + 3] == b"xbj" != data[at : at + 3]]


HEAD = b"\n1 0 obj<</Filter/DCTDecode/Length 7 0 R>>stream\n"


@pytest.mark.parametrize("before", [0, 1, 2, 1400, 1440, 1447, 1448, 1449, 1450, 1451, 1452, 1499, 1500, 2900])
def test_a_plain_jpeg_is_found_wherever_it_lies(tmp_path: Path, before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "_PIECE", 1500)
    data = b"\xff\xd8\xff" * 20 + b"x" * before + HEAD + SCAN.images[0][3] + b"\nendstream" + HEAD + b"text"
    assert words(saved(tmp_path, data)) == [b"obj"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 4096])
def test_in_pieces_of_any_size_it_reads_the_same(tmp_path: Path, size: int) -> None:
    path = saved(tmp_path, b"x" * 9 + (HEAD + b"\xff\xd8\xff") * 3)
    with closing(WithoutPlain(path)) as stream:
        whole = stream.read()
        assert whole.count(b"xbj") == 3
        stream.seek(0)
        assert b"".join(iter(lambda: stream.read(size), b"")) == whole
        stream.seek(13)
        assert (stream.tell(), stream.read(4)) == (13, whole[13:17])


def test_more_pictures_than_are_looked_at_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, (HEAD + b"\xff\xd8\xff") * 3)
    monkeypatch.setattr(plain, "_MOST", 3)
    assert len(words(path)) == 3
    monkeypatch.setattr(plain, "_MOST", 2)
    assert words(path) == []


# What JPEGs everybody decodes


def test_the_usual_jpegs_are_sound() -> None:
    picture = pictures.opened(SCAN.images[0][3])
    for image in (picture, picture.convert("L")):
        for options in ({}, {"progressive": True}, {"optimize": True}, {"restart_marker_rows": 1}, {"quality": 5}):
            assert scans.is_sound(pictures.encoded(image, "JPEG", **options)), options


def _broken() -> dict[str, bytes]:
    jpeg = SCAN.images[0][3]
    frame, tables, scan = jpeg.index(b"\xff\xc0"), jpeg.index(b"\xff\xdb"), jpeg.index(b"\xff\xda")
    size = int.from_bytes(jpeg[tables + 2 : tables + 4])
    return {
        "arithmetic": jpeg[: frame + 1] + b"\xc9" + jpeg[frame + 2 :],
        "lossless": jpeg[: frame + 1] + b"\xc3" + jpeg[frame + 2 :],
        "two frames": jpeg[:frame] + jpeg[frame : frame + 19] + jpeg[frame:],
        "no tables": jpeg.replace(b"\xff\xdb", b"\xff\xe9"),
        "restarts that are none": jpeg[:scan] + b"\xff\xdd\x00\x04\x00\x02" + jpeg[scan:],
        "a profile after the frame": jpeg[:scan] + b"\xff\xe2\x00\x0eICC_PROFILE\0" + jpeg[scan:],
        "a marker in the scan": jpeg[:-900] + b"\xff\xc4" + jpeg[-900:],
        "no end": jpeg[:-2],
        "no scan": jpeg[:scan] + b"\xff\xd9",
        "a length of nothing": jpeg[: tables + 2] + b"\0\0" + jpeg[tables + 2 + size :],
        "nothing": b"\xff\xd8",
    }


@pytest.mark.parametrize("data", _broken().values(), ids=_broken())
def test_odd_jpegs_are_not_sound(data: bytes) -> None:
    assert not scans.is_sound(data)


@pytest.mark.parametrize("damage", [b"\xff\xc3", b"\xff\xc5\x00\x11", b"\x00" * 40])
def test_a_scan_that_is_damaged_is_a_page_all_the_same(tmp_path: Path, damage: bytes) -> None:
    jpeg = SCAN.images[0][3]
    at = jpeg.index(b"\xff\xc0")
    broken = jpeg[:at] + damage + jpeg[at + len(damage) :]
    [(page, image)] = made(tmp_path, pdf([scan_page(600, 400, 150, data=broken)]), PageSpec(dpi=150))
    assert (page.passed_on, image.size) == (False, (600, 400))


@pytest.mark.parametrize(("of", "said"), [("RGB", b"/DeviceGray"), ("L", b"/DeviceRGB ")])
def test_a_scan_whose_dictionary_says_other_colours_than_it_has_is_not_passed_on(
    tmp_path: Path, of: str, said: bytes
) -> None:
    jpeg = pictures.encoded(pictures.opened(SCAN.images[0][3]).convert(of), "JPEG")
    data = pdf([scan_page(600, 400, 150, data=jpeg)])
    assert passed_on(tmp_path, data.replace(b"/DeviceRGB ", said)) is None


EVASIONS = {
    "a comment": b"<< /Decode [1 0 1 0 1 0] % obj <<\n",
    "a word that is no name": b"<< /Decode [1 0 1 0 1 0] obj <<",
    "an array that does not end": b"<< /Decode [1 0 1 0 1 0] /X [\nendobj\n17 0 obj\n<<",
}


@pytest.mark.parametrize("evasion", EVASIONS.values(), ids=EVASIONS)
def test_a_dictionary_that_only_seems_plain_is_found_out(tmp_path: Path, evasion: bytes) -> None:
    data = pdf([SCAN])
    at = data.index(b"<< /Length", data.index(b"/Length") + 9)
    assert passed_on(tmp_path, rebuilt(data[:at] + evasion + data[at + 2 :])) is None


def test_a_document_that_goes_away_while_it_is_open_is_rendered_from_what_is_known(tmp_path: Path) -> None:
    path = saved(tmp_path, pdf([SCAN]))
    with closing(Pdf(path)) as document, closing(PdfPage(document, 1, PageSpec(dpi=150))) as page:
        path.unlink()
        assert page.scan() == SCAN.images[0][3], "it was looked at"
        document.renew()
