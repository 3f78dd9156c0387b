"""Files that go while nginx is about to send them: they are made again, and nobody notices."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import pictures
from tests.archive import Archive, Art, faults
from tests.nginx.fronting import Front, by_nginx, fronted, reaching, said
from tests.servers import run
from tests.waiting import until

ASKED = [
    "/images/{ident}-30x20.jpg",
    "/images/{ident}-w60.jpg",
    "/images/{ident}-30x20.auto",
    "/release/{release}/41",
    "/release/{release}/41-500",
    "/release/{release}/front",
    "/release/{release}/front-250",
    "/release-group/{group}/front-1200",
    "/get_image?url={url}&resize_width=20",
]


_seeds = itertools.count(400)


@pytest.fixture
def words(front: Front, archive: Archive) -> dict[str, str]:
    """Of pictures that nginx has never seen the files of."""
    release = archive.release(images=[Art(41, pictures.jpeg(300, 200, seed=next(_seeds)))])
    found = {
        "ident": front.server.upload(pictures.jpeg(90, 60, seed=next(_seeds))),
        "release": release,
        "group": archive.release_group(release),
        "url": f"{archive.url}/release/{release}/41",
    }
    front.server.writer.get("/get_image", params={"url": found["url"]}).raise_for_status()
    return found


def on_disk(front: Front) -> Iterator[Path]:
    for path in front.server.settings.cache.rglob("*"):
        if path.is_file() and ".control" not in path.parts:
            yield path


def lose(front: Front, data: bytes) -> None:
    """The file that has these bytes."""
    found = [path for path in on_disk(front) if path.read_bytes() == data]
    assert found
    for path in found:
        path.unlink()


def in_memory(front: Front, path: str) -> httpx.Response:
    """Mezzotint will not look whether the file is there."""
    for _ in range(2):
        answer = front.server.http.get(path).raise_for_status()
    return answer


@pytest.mark.parametrize("template", ASKED)
def test_a_file_that_has_gone_is_made_again(front: Front, words: dict[str, str], template: str) -> None:
    path = template.format(**words)
    before = in_memory(front, path)
    lose(front, before.content)
    again = front.http.get(path)
    assert (again.status_code, again.content, by_nginx(again)) == (200, before.content, False)
    kept = "etag", "content-type", "cache-control", "access-control-allow-origin", "x-content-type-options", "link"
    assert {name: said(again).get(name) for name in kept} == {name: said(before).get(name) for name in kept}
    then = front.http.get(path)
    assert (then.status_code, then.content, by_nginx(then)) == (200, before.content, True)


def test_a_file_that_nginx_still_holds_is_sent_or_made_again(front: Front, words: dict[str, str]) -> None:
    path = "/release/{release}/front-500".format(**words)
    front.http.get(path).raise_for_status()
    held = front.http.get(path)
    assert by_nginx(held)
    lose(front, held.content)

    def is_there_again() -> bool:
        answer = front.http.get(path)
        assert (answer.status_code, answer.content) == (200, held.content)
        assert said(answer)["etag"] == held.headers["etag"]
        return any(file.read_bytes() == held.content for file in on_disk(front))

    assert until(is_there_again)


def test_a_part_of_a_file_that_has_gone_is_that_part(front: Front, words: dict[str, str]) -> None:
    path = "/release/{release}/front-500".format(**words)
    before = in_memory(front, path)
    lose(front, before.content)
    part = front.http.get(path, headers={"range": "bytes=5-9", "if-range": before.headers["etag"]})
    assert (part.status_code, part.content) == (206, before.content[5:10])
    assert said(part)["content-range"] == f"bytes 5-9/{len(before.content)}"


def test_all_that_is_cached_may_be_removed(front: Front, words: dict[str, str]) -> None:
    paths = [template.format(**words) for template in ASKED]
    before = {path: front.http.get(path).content for path in paths}
    for _ in range(3):
        for entry in front.server.settings.cache.iterdir():
            shutil.rmtree(entry, ignore_errors=True)
        for path in [*paths, *paths]:
            answer = front.http.get(path)
            assert (answer.status_code, answer.content) == (200, before[path]), path
            said(answer)
    sizes = [path.stat().st_size for path in on_disk(front)]

    def counted() -> dict[str, int]:
        found = json.loads(run(front.server.data, "cache", "status", "--json").stdout)
        return {name: found[name] for name in ("files", "bytes")}

    exact = {"files": len(sizes), "bytes": sum(sizes)}
    assert until(lambda: counted() == exact), (counted(), exact)


@pytest.mark.parametrize("code", [404, 500])
@pytest.mark.parametrize("name", ["43", "43-500", "front"])
def test_an_error_is_good_for_no_longer_than_it_says(front: Front, archive: Archive, code: int, name: str) -> None:
    release = archive.release(images=[Art(43, pictures.jpeg(60, 60, seed=next(_seeds)))])
    path = f"/release/{release}/{name}"
    lose(front, in_memory(front, path).content)
    archive.misbehave(None, faults.status(code))
    try:
        answer = front.http.get(path)
    finally:
        archive.behave()
    assert answer.status_code == (404 if code == 404 else 502)
    assert answer.json()["error"]
    assert not by_nginx(answer)
    assert "immutable" not in said(answer).get("cache-control", "")
    assert "x-cache-status" not in said(answer)


def test_a_deleted_picture_is_soon_no_longer_there(front: Front) -> None:
    ident = front.server.upload(pictures.jpeg(90, 60, seed=44))
    names = [ident, f"{ident}-30x20.jpg", f"{ident}-w60.jpg", f"{ident}-30x20.auto"]
    for name in [*names, *names]:
        front.http.get(f"/images/{name}").raise_for_status()
    front.server.writer.delete(f"/api/images/{ident}/").raise_for_status()
    for name in names:
        assert until(lambda name=name: front.http.get(f"/images/{name}").status_code == 404), name  # type: ignore[misc]
        assert "immutable" not in front.http.get(f"/images/{name}").headers.get("cache-control", "")


def test_a_tag_is_that_of_the_bytes_while_a_front_without_an_id_becomes_another(tmp_path: Path) -> None:
    seen: set[bytes] = set()

    def is_right(answer: httpx.Response) -> bool:
        assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
        seen.add(answer.content)
        return answer.content == wanted

    with Archive(opaque=True) as archive:
        old, new = pictures.jpeg(60, 40, seed=45), pictures.jpeg(60, 40, seed=46)
        release = archive.release(images=[Art(1, old), Art(2, new, front=False)])
        young = reaching(archive) | {"MEZZOTINT_FETCH_MIN_AGE": "0s", "MEZZOTINT_FETCH_MAX_AGE": "0s"}
        with fronted(tmp_path / "data", **young) as front:
            for id in (1, 2, 1):
                wanted = {1: old, 2: new}[id]
                archive.choose_front(release, id)
                assert until(lambda: is_right(front.http.get(f"/release/{release}/front")), pause=0.02)
                assert until(lambda: by_nginx(front.http.get(f"/release/{release}/front")))
    assert seen == {old, new}
