"""Sizes: the archive's own thumbnails, whatever else is here."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from mezzotint.errors import OriginBusy, OriginFailed, OriginLacks
from mezzotint.sources.coverart.asking import SIZES, parse_path
from mezzotint.sources.remote import How
from mezzotint.wiring import Engine
from tests.archive import Archive, Art, faults
from tests.archive.thumbnails import comment
from tests.pictures import encoded, jpeg, opened, photograph
from tests.sources.coverart.covers import covering, empty, get, pictures_kept

ORIGINAL = jpeg(1500, 1300, seed=1)
PDF = b"%PDF-1.4\nof some pages\n%%EOF\n"


def broken_jpeg() -> bytes:
    """With a beginning and an end, and none of the tables to decode it by."""
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, 600, 600, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + frame + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\x55" * 9000 + b"\xff\xd9"


def broken_png() -> bytes:
    """Whole, with right checksums, of pixels that nobody can unpack."""
    header, data = struct.pack(">IIBBBBB", 600, 600, 8, 2, 0, 0, 0), b"no zlib stream" * 1000
    chunks = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("size", SIZES)
def test_without_the_original_it_is_the_archives_thumbnail(engine: Engine, archive: Archive, size: int) -> None:
    release = archive.release(images=[Art(11, ORIGINAL)])
    for how in (How.MISS, How.HIT):
        seen = get(engine, f"/release/{release}/11-{size}.jpg")
        assert (seen.how, seen.data) == (how, archive.thumbnail(release, 11, size))
    assert pictures_kept(engine) == [f"{release}-11-{size}.jpg"]


@pytest.mark.parametrize("name", ["11", "front"])
def test_a_size_is_the_same_whatever_is_here(engine: Engine, archive: Archive, name: str) -> None:
    """One address has one sequence of bytes: the archive's."""
    release = archive.release(images=[Art(11, ORIGINAL)])
    first = get(engine, f"/release/{release}/{name}-250")
    get(engine, f"/release/{release}/{name}")
    for size in SIZES:
        for _ in range(2):
            seen = get(engine, f"/release/{release}/{name}-{size}")
            assert (seen.name, seen.data) == (
                f"release/{release}-11-{size}.jpg",
                archive.thumbnail(release, 11, size),
            )
    empty(engine.cache.directory)
    assert get(engine, f"/release/{release}/{name}-250").data == first.data


def test_a_size_that_an_earlier_version_made_here_is_not_given_out(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=[Art(11, ORIGINAL)])
    engine.cache.put(f"release/{release}-11-500-made.jpg", jpeg(20, 20))
    assert get(engine, f"/release/{release}/11-500").data == archive.thumbnail(release, 11, 500)


@pytest.mark.parametrize(
    ("extension", "data", "media_type"),
    [
        ("png", encoded(photograph(700, 600, seed=3), "PNG"), "image/png"),
        ("gif", encoded(photograph(700, 600, seed=4), "GIF"), "image/gif"),
        ("jpg", encoded(photograph(700, 600, seed=5).convert("L"), "JPEG"), "image/jpeg"),
        ("jpg", encoded(photograph(700, 600, seed=5).convert("CMYK"), "JPEG"), "image/jpeg"),
        ("png", encoded(photograph(700, 600, seed=6).convert("RGBA"), "PNG"), "image/png"),
    ],
    ids=["PNG", "GIF", "grey", "CMYK", "transparent"],
)
@pytest.mark.parametrize("asked_as", ["jpg", "png", ""])
def test_originals_keep_their_type_and_sizes_are_jpeg(
    engine: Engine, archive: Archive, extension: str, data: bytes, media_type: str, asked_as: str
) -> None:
    release, ending = archive.release(images=[Art(11, data, extension)]), f".{asked_as}" if asked_as else ""
    seen = get(engine, f"/release/{release}/11{ending}")
    assert (seen.data, seen.media_type, seen.name) == (data, media_type, f"release/{release}-11.{extension}")
    small = get(engine, f"/release/{release}/11-500{ending}")
    assert small.data == archive.thumbnail(release, 11, 500)
    assert (opened(small.data).format, opened(small.data).size) == ("JPEG", (500, 429))


def test_a_picture_that_is_named_as_another_format_is_what_it_is(engine: Engine, archive: Archive) -> None:
    data = encoded(photograph(100, 100), "PNG")
    release = archive.release(images=[Art(11, data, "jpg")])
    assert get(engine, f"/release/{release}/11.jpg").media_type == "image/png"


def test_of_a_pdf_the_thumbnails_are_the_archives(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=[Art(11, PDF, "pdf")])
    before = get(engine, f"/release/{release}/11-250")
    for how in (How.MISS, How.HIT):
        seen = get(engine, f"/release/{release}/front")
        assert (seen.how, seen.data, seen.media_type) == (how, PDF, "application/pdf")
    for size in SIZES:
        for name in ("11", "front"):
            seen = get(engine, f"/release/{release}/{name}-{size}")
            assert (seen.media_type, comment(seen.data)) == ("image/jpeg", f"thumb{size}")
    assert get(engine, f"/release/{release}/11-250").data == before.data
    assert get(engine, f"/release/{release}/11.pdf").data == PDF


@pytest.mark.parametrize("data", [broken_jpeg(), broken_png()], ids=["JPEG", "PNG"])
def test_of_an_original_that_cannot_be_read_the_archives_thumbnail_is_given(
    engine: Engine, archive: Archive, data: bytes
) -> None:
    release = archive.release(images=[Art(11, data)])
    assert get(engine, f"/release/{release}/11").data == data
    archive.release(release, [Art(11, ORIGINAL)])
    for name in ("11-500", "front-250", "11-1200"):
        for _ in range(2):
            assert comment(get(engine, f"/release/{release}/{name}").data) == f"thumb{name.rpartition('-')[2]}"


def test_an_original_of_too_many_pixels_is_the_archives_to_reduce(tmp_path: Path, archive: Archive) -> None:
    release = archive.release(images=[Art(11, ORIGINAL)])
    with covering(tmp_path / "data", archive, MEZZOTINT_MAX_PIXELS="1M") as engine:
        with pytest.raises(OriginFailed):
            get(engine, f"/release/{release}/11")
        assert comment(get(engine, f"/release/{release}/11-500").data) == "thumb500"


def test_an_original_of_too_many_bytes_is_the_archives_to_reduce(tmp_path: Path, archive: Archive) -> None:
    release = archive.release(images=[Art(11, ORIGINAL)])
    with covering(tmp_path / "data", archive, MEZZOTINT_MAX_UPLOAD="200K") as engine:
        with pytest.raises(OriginFailed):
            get(engine, f"/release/{release}/front")
        assert comment(get(engine, f"/release/{release}/front-250").data) == "thumb250"


def test_a_size_that_is_not_here_is_not_made_here_while_the_archive_is_busy(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=[Art(11, ORIGINAL)])
    get(engine, f"/release/{release}/11")
    archive.misbehave(None, faults.busy(60))
    with pytest.raises(OriginBusy):
        get(engine, f"/release/{release}/11-1200")
    assert get(engine, f"/release/{release}/11").data == ORIGINAL


@pytest.mark.parametrize("has_original", [False, True])
@pytest.mark.parametrize("what", ["front", "11"])
def test_a_size_that_the_archive_lacks_is_made_of_the_original(
    engine: Engine, archive: Archive, what: str, has_original: bool
) -> None:
    release = archive.release(images=[Art(11, ORIGINAL)])
    if has_original:
        get(engine, f"/release/{release}/{what}")
    archive.misbehave(f"/release/{release}/{what}-250", faults.status(404))
    made = get(engine, f"/release/{release}/{what}-250")
    with Image.open(io.BytesIO(ORIGINAL)) as whole, Image.open(io.BytesIO(made.data)) as reduced:
        assert (reduced.format, max(reduced.size)) == ("JPEG", min(250, max(whole.size)))
    assert made.how is How.MISS
    archive.forget()
    for path in (what, f"{what}-250"):
        assert get(engine, f"/release/{release}/{path}").how is How.HIT
    assert not archive.asked


def test_where_the_original_lacks_too_there_is_no_size(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=[Art(11, ORIGINAL)])
    for path in ("front", "front-250"):
        archive.misbehave(f"/release/{release}/{path}", faults.status(404))
    with pytest.raises(OriginLacks):
        get(engine, f"/release/{release}/front-250")


@pytest.mark.parametrize(
    ("asked", "given"),
    {"small": 250, "large": 500, "1": 250, "300": 250, "375": 500, "800": 500, "850": 1200, "9999": 1200}.items(),
)
def test_other_sizes_get_the_nearest(asked: str, given: int) -> None:
    mbid = "ebe78b00-e2f9-48f0-bd6c-7d38a436f289"
    assert parse_path(f"/release/{mbid}/front-{asked}").size == given
