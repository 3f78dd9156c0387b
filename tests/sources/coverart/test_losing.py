"""A cache whose contents are removed, or damaged, between requests and under them."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from mezzotint.errors import MezzotintError
from mezzotint.sources.attempts import ATTEMPTS
from mezzotint.sources.coverart import CoverArt
from mezzotint.sources.remote import How
from mezzotint.wiring import Engine
from tests.archive import Archive, Art
from tests.archive.replies import Reply, Request
from tests.pictures import encoded, jpeg, photograph
from tests.sources.coverart.covers import empty, get, may_ask_again, outcome, run
from tests.waiting import until_async as until

FRONT, BACK = jpeg(700, 700, seed=1), jpeg(300, 300, seed=2)
LARGE = encoded(photograph(1400, 1400, seed=3), "PNG")
ARTS = [Art(11, FRONT), Art(12, BACK, front=False, back=True), Art(13, LARGE, "png", front=False)]
NAMES = ("", "/front", "/front-250", "/11", "/12-500", "/13")


def test_a_cache_that_was_emptied_is_filled_again(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    first = [get(engine, f"/release/{release}{name}") for name in NAMES]
    for number in range(1, 4):
        empty(engine.cache.directory)
        for name, before in zip(NAMES, first, strict=True):
            again = get(engine, f"/release/{release}{name}")
            assert (again.how, again.data, again.listing) == (before.how, before.data, before.listing)
        assert archive.asked[f"/release/{release}/front"] == number + 1
        assert [get(engine, f"/release/{release}{name}").how for name in NAMES] == [How.HIT] * len(NAMES)


@pytest.mark.parametrize("gone", ["-11.jpg", "-front.json", ".json"])
def test_any_one_file_may_be_removed(engine: Engine, archive: Archive, gone: str) -> None:
    release = archive.release(images=ARTS)
    for name in NAMES:
        get(engine, f"/release/{release}{name}")
    (file,) = engine.cache.directory.rglob(f"{release}{gone}")
    file.unlink()
    assert get(engine, f"/release/{release}/front").data == FRONT
    assert get(engine, f"/release/{release}/11").data == FRONT
    listing = get(engine, f"/release/{release}").listing
    assert listing is not None
    assert len(listing["images"]) == len(ARTS)


@pytest.mark.parametrize("damage", [b" ", b"{", b"[]", b'{"format": 1}', b'{"format": 99}', b"\xff" * 300, b"[" * 9999])
@pytest.mark.parametrize("name", ["", "/front"])
def test_what_is_known_of_a_release_may_be_damaged(engine: Engine, archive: Archive, damage: bytes, name: str) -> None:
    path = f"/release/{archive.release(images=ARTS)}{name}"
    before = get(engine, path)
    engine.cache.put(f"{path[1:].replace('/front', '-front')}.json", damage)
    again = get(engine, path)
    assert (again.how, again.data, again.listing) == (How.MISS, before.data, before.listing)
    assert get(engine, path).how == How.HIT


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("", {"expires": "soon"}),
        ("", {"expires": None}),
        ("", {"document": None}),
        ("", {"document": {"images": [None]}}),
        ("", {"etag": None}),
        ("/front", {"expires": "soon"}),
        ("/front", {"expires": None}),
        ("/front", {"mbid": "../../../../etc", "id": "passwd"}),
        ("/front", {"id": 7}),
        ("/front", {"path": "/nonsense"}),
        ("/front", {"entity": "artist"}),
        ("/front", {"etag": None}),
        ("/front", {"more": 1}),
    ],
    ids=str,
)
def test_what_is_known_of_a_release_may_be_nonsense(
    engine: Engine, archive: Archive, name: str, members: dict[str, object]
) -> None:
    path = f"/release/{archive.release(images=ARTS)}{name}"
    before = get(engine, path)
    file_name = f"{path[1:].replace('/front', '-front')}.json"
    file = engine.cache.open(file_name)
    assert file is not None
    engine.cache.put(file_name, json.dumps(json.loads(file.read()) | members).encode())
    again = get(engine, path)
    assert (again.data, again.listing) == (before.data, before.listing)


class Emptying:
    """A fault: the cache is emptied when nearly everything has come, so many times."""

    def __init__(self, engine: Engine, times: int) -> None:
        self._cache, self.left = engine.cache.directory, times

    async def __call__(self, request: Request, reply: Reply) -> None:
        if self.left == 0:
            await request.answer(reply)
            return
        most = len(reply.body) - 10
        head = "".join(f"{key}: {value}\r\n" for key, value in reply.headers.items())
        start = f"HTTP/1.1 200 OK\r\n{head}Content-Length: {len(reply.body)}\r\n\r\n".encode()
        await request.raw(start + reply.body[:most])
        if most > 1 << 20:
            await until(lambda: bool(list(self._cache.rglob("*.part"))))
        await asyncio.to_thread(empty, self._cache)
        self.left -= 1
        await request.raw(reply.body[most:])


@pytest.mark.parametrize("name", ["/11", "/13", "/front", "/13-250", ""])
def test_a_cache_may_be_emptied_while_something_comes(engine: Engine, archive: Archive, name: str) -> None:
    release = archive.release(images=ARTS)
    item = f"mbid-{release}"
    file = {"": "index.json", "/13-250": f"{item}-13_thumb250.jpg", "/13": f"{item}-13.png"}.get(name, f"{item}-11.jpg")
    emptying = Emptying(engine, 1)
    archive.misbehave(f"/0/items/{item}/{file}", emptying)
    first, again = (get(engine, f"/release/{release}{name}") for _ in range(2))
    assert emptying.left == 0
    assert (again.how, again.data, again.listing) == (How.HIT, first.data, first.listing)
    assert first.listing or first.data == {"/13": LARGE, "/13-250": archive.thumbnail(release, 13, 250)}.get(
        name, FRONT
    )


def test_that_a_cache_was_emptied_is_not_held_against_the_archive(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    archive.misbehave(f"/0/items/mbid-{release}/mbid-{release}-13.png", Emptying(engine, ATTEMPTS))
    first = run(engine, lambda covers: outcome(covers, f"/release/{release}/13"))
    assert first == LARGE or isinstance(first, MezzotintError)
    archive.behave()
    assert get(engine, f"/release/{release}/13").data == LARGE


def test_a_cache_may_be_emptied_all_the_while(engine: Engine, archive: Archive) -> None:
    release = archive.release(images=ARTS)
    expected = {"front": FRONT, "11": FRONT, "12": BACK, "13": LARGE}
    over = threading.Event()

    def emptying() -> None:
        while not over.is_set():
            empty(engine.cache.directory)
            over.wait(0.02)

    async def work(covers: CoverArt) -> int:
        given = 0
        for _ in range(15):
            names = [*expected, "front-250", "13-500", "back"]
            found = await asyncio.gather(*(outcome(covers, f"/release/{release}/{name}") for name in names))
            for name, one in zip(names, found, strict=True):
                if isinstance(one, bytes):
                    given += 1
                    assert expected.get(name) in (one, None)
        return given

    sweeper = threading.Thread(target=emptying)
    sweeper.start()
    try:
        assert run(engine, work)
    finally:
        over.set()
        sweeper.join()
    may_ask_again(engine, archive, f"/release/{release}/13")
    assert get(engine, f"/release/{release}/13").data == LARGE
