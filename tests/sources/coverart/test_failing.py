"""An archive that fails, lies or leads astray: an error of its kind, and nothing half-written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzotint.errors import OriginBusy, OriginError, OriginFailed, OriginLacks, OriginRefuses, OriginTimedOut
from mezzotint.sources.coverart import CoverArt
from mezzotint.sources.coverart.fetching import MOST_LISTING
from mezzotint.sources.remote import How
from mezzotint.wiring import Engine
from tests.archive import DOWNLOADS, ITEMS, Archive, Art, faults
from tests.archive.faults import Fault
from tests.archive.replies import Reply, Request
from tests.origin import Origin
from tests.pictures import jpeg, photograph
from tests.sources.coverart.covers import covering, get, kept, may_ask_again, outcome, run, saying
from tests.waiting import PATIENCE

FRONT = jpeg(900, 900, seed=1)
NAMES = ["", "/front-500", "/11"]


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path, archive: Archive) -> Iterator[Engine]:
    """Its patience is short only where what takes too long is what is looked at."""
    looked_at = getattr(request.node, "callspec", None)
    slow = looked_at is None or OriginTimedOut in looked_at.params.values()
    with covering(tmp_path / "data", archive, MEZZOTINT_FETCH_TIMEOUT="1s" if slow else f"{PATIENCE}s") as opened:
        yield opened


def left_over(engine: Engine) -> list[str]:
    incoming = engine.settings.data / "incoming"
    return kept(engine) + [str(path) for path in incoming.rglob("*") if path.is_file()]


def refused(engine: Engine, archive: Archive, path: str, kind: type[OriginError]) -> None:
    """As often as it is asked for, by one request or one row of them; nothing is left over. Later it may be had."""
    for _ in range(3):
        with pytest.raises(OriginError) as caught:
            get(engine, path)
        assert type(caught.value) is kind
        asked = archive.asked[path]
    assert archive.asked[path] == asked
    assert left_over(engine) == []
    archive.behave()
    may_ask_again(engine, archive, path)
    if kind is not OriginBusy:  # the host is left alone
        assert get(engine, path).how is How.MISS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.busy(7), OriginBusy),
        (faults.status(429), OriginBusy),
        (faults.status(503), OriginFailed),
        (faults.status(500), OriginFailed),
        (faults.status(400), OriginRefuses),
        (faults.status(403), OriginRefuses),
        (faults.status(405), OriginFailed),
        (faults.status(404), OriginLacks),
        (faults.status(410), OriginLacks),
        (faults.html(), OriginFailed),
        (faults.bad_json(), OriginFailed),
        (saying(b""), OriginFailed),
        (faults.hang(), OriginTimedOut),
        (faults.reset(), OriginFailed),
        (faults.loop(), OriginFailed),
        (saying(b"\x1f\x8b" + FRONT, content_encoding="gzip"), OriginFailed),
        (saying(FRONT, 206, content_range="bytes 0-9/100"), OriginFailed),
        (saying(b"", 307), OriginFailed),
    ],
    ids=["busy", "429", "503", "500", "400", "403", "405", "404", "410", "html", "json", "empty", "hang", "reset",
         "loop", "gzip", "part", "nowhere"],
)  # fmt: skip
def test_what_the_archive_does_wrong_is_told_as_such(
    engine: Engine, archive: Archive, fault: Fault, kind: type[OriginError], name: str
) -> None:
    path = f"/release/{archive.release(images=[Art(11, FRONT)])}{name}"
    archive.misbehave(path, fault)
    if kind is OriginLacks and "-" in name:  # or the size would be made of the original
        archive.misbehave(path.rpartition("-")[0], fault)
    refused(engine, archive, path, kind)


def item_of(release: str, name: str) -> str:
    """Where archive.org has it."""
    item = f"mbid-{release}"
    return f"{item}/index.json" if not name else f"{item}/{item}-11{'_thumb250' if name.endswith('250') else ''}.jpg"


@pytest.mark.parametrize("before", ["/download", "/0/items"])
@pytest.mark.parametrize("name", ["", "/front"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.status(404), OriginLacks),
        (faults.status(503), OriginFailed),
        (faults.html(), OriginFailed),
        (faults.hang(), OriginTimedOut),
        (faults.reset(), OriginFailed),
        (faults.loop(), OriginFailed),
    ],
    ids=["404", "503", "html", "hang", "reset", "loop"],
)
def test_what_the_hosts_behind_it_do_wrong_is_told_as_such(
    engine: Engine, archive: Archive, fault: Fault, kind: type[OriginError], name: str, before: str
) -> None:
    release = archive.release(images=[Art(11, FRONT)])
    archive.misbehave(f"{before}/{item_of(release, name)}", fault)
    refused(engine, archive, f"/release/{release}{name}", kind)


@pytest.mark.parametrize("name", ["", "/front", "/11", "/11-250"])
def test_what_breaks_off_is_not_kept(engine: Engine, archive: Archive, name: str) -> None:
    release = archive.release(images=[Art(11, FRONT)])
    archive.misbehave(f"/0/items/{item_of(release, name)}", faults.truncate())
    refused(engine, archive, f"/release/{release}{name}", OriginFailed)


@pytest.mark.parametrize(
    "place",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.3.1:{port}/0/items/x",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://10.0.0.1/",
        "http://0.0.0.0:{port}/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://user:password@127.0.0.1:{port}/",
        "http://",
        "\\\\127.0.0.1\\x",
    ],
)
@pytest.mark.parametrize("name", ["", "/front", "/11-250"])
def test_it_leads_nowhere_that_is_closed(tmp_path: Path, archive: Archive, place: str, name: str) -> None:
    path = f"/release/{archive.release(images=[Art(11, FRONT)])}{name}"
    with Origin(hosts=("127.0.3.1", "127.0.0.1"), default=None) as closed:
        archive.misbehave(path, faults.to(place.format(port=closed.port)))
        allowed = "127.0.0.1/32, 127.0.1.1/32, 127.0.2.1/32"
        with covering(tmp_path / "data", archive, MEZZOTINT_FETCH_ALLOW=allowed) as engine:
            refused(engine, archive, path, OriginFailed)
        assert not closed.connections


@pytest.mark.parametrize("allowed", ["127.0.0.2/32", "127.0.0.1/32", "127.0.0.1/32, 127.0.1.1/32"])
def test_every_host_on_the_way_has_to_be_open(tmp_path: Path, archive: Archive, allowed: str) -> None:
    release = archive.release(images=[Art(11, FRONT)])
    with covering(tmp_path / "data", archive, MEZZOTINT_FETCH_ALLOW=allowed) as engine:
        for name in NAMES:
            with pytest.raises(OriginFailed):
                get(engine, f"/release/{release}{name}")
        assert left_over(engine) == []
    assert all(not archive.asked_on(host) for host in (DOWNLOADS, ITEMS) if host not in allowed)


def test_a_pause_that_the_archive_wants_is_told_and_kept(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=[Art(11, FRONT)])
    archive.misbehave(None, faults.busy(100))
    with pytest.raises(OriginBusy) as caught:
        get(engine, f"/release/{release}/front")
    assert caught.value.retry_after == 100
    archive.behave()
    for name in ("/front", "/back", ""):
        with pytest.raises(OriginBusy) as caught:
            get(engine, f"/release/{release}{name}")
        assert 50 <= caught.value.retry_after <= 100
    assert sum(archive.asked.values()) == 1, "the whole host is left alone"


def test_an_archive_that_fails_for_a_moment_is_asked_again(engine: Engine, archive: Archive) -> None:
    path = f"/release/{archive.release(images=[Art(11, FRONT)])}/front"
    left = [faults.status(502), faults.reset()]

    async def in_turn(request: Request, reply: Reply) -> None:
        await (left.pop() if left else saying(FRONT))(request, reply)

    archive.misbehave(path, in_turn)
    assert get(engine, path).data == FRONT
    assert archive.asked[path] == 3


@pytest.mark.parametrize(
    "body",
    [
        b'{"images":{}}',
        b"[]",
        b"null",
        b'{"images":[1]}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"images":[],"x":"%s"}' % (b"x" * MOST_LISTING),
    ],
    ids=["no list", "list", "null", "numbers", "bytes", "deep", "large"],
)
def test_what_is_no_listing_is_the_archives_fault(engine: Engine, archive: Archive, body: bytes) -> None:
    path = f"/release/{archive.release(images=[Art(11, FRONT)])}"
    archive.misbehave(path, saying(body))
    refused(engine, archive, path, OriginFailed)


def deep(levels: int) -> bytes:
    return b'{"images":[{"id":1,"types":%s%s}]}' % (b"[" * levels, b"]" * levels)


def test_a_listing_of_any_depth_is_given_or_refused(engine: Engine, archive: Archive) -> None:
    """It is read at one place, written at another, and read again at a third."""
    releases = {archive.release(): levels for levels in range(100, 1000, 9)}
    for release, levels in releases.items():
        archive.misbehave(f"/release/{release}", saying(deep(levels)))

    async def work(covers: CoverArt) -> None:
        for release in releases:
            first = await outcome(covers, f"/release/{release}")
            again = await outcome(covers, f"/release/{release}")
            assert {type(first), type(again)} in ({bytes}, {OriginFailed})

    run(engine, work)


@pytest.mark.parametrize("address", ["{at}/11/x", "{at}/../..", "{at}/front", "http://[", "\ud800", "{at}/11\0"])
def test_an_odd_address_in_a_listing_costs_nothing(engine: Engine, archive: Archive, address: str) -> None:
    release = archive.release()
    image = {"id": 11, "image": address.format(at=f"https://coverartarchive.org/release/{release}")}
    archive.misbehave(f"/release/{release}", saying(json.dumps({"images": [image]}).encode()))
    listing = get(engine, f"/release/{release}").listing
    assert listing is not None
    assert listing["images"][0]["id"] == 11


@pytest.mark.parametrize("image_format", ["TIFF", "BMP", "AVIF"])
def test_a_picture_that_the_archive_cannot_have_is_refused(engine: Engine, archive: Archive, image_format: str) -> None:
    buffer = io.BytesIO()
    photograph(40, 40).save(buffer, image_format)
    path = f"/release/{archive.release(images=[Art(11, FRONT)])}/front"
    archive.misbehave(f"/0/items/mbid-{path.split('/')[2]}/mbid-{path.split('/')[2]}-11.jpg", saying(buffer.getvalue()))
    refused(engine, archive, path, OriginFailed)


def test_a_failure_of_one_picture_is_none_of_another(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=[Art(11, FRONT), Art(12, jpeg(20, 20), front=False)])
    archive.misbehave(f"/release/{release}/11", faults.status(404))
    with pytest.raises(OriginLacks):
        get(engine, f"/release/{release}/11")
    assert get(engine, f"/release/{release}/12").how is How.MISS
    assert get(engine, f"/release/{release}/front").data == FRONT
    assert get(engine, f"/release/{release}/11").data == FRONT, "what has come by another name is here"
