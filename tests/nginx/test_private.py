"""Where reading needs a token nginx gives nobody anything by itself, and what is nobody's business to nobody at all."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from mezzotint import tokens
from tests import pictures
from tests.archive import Archive, Art
from tests.imagecloud.nodes import raw
from tests.nginx.fronting import Front, by_nginx, fronted, reaching

NAMES = [
    "/images/{ident}",
    "/images/{ident}-30x20.jpg",
    "/images/{ident}-w60.jpg",
    "/images/{ident}-30x20.auto",
    "/release/{release}/51",
    "/release/{release}/51-500",
    "/release/{release}/front",
    "/release/{release}/front-250",
]


@dataclass(frozen=True)
class Closed:
    front: Front
    words: dict[str, str]
    reader: str

    def get(self, template: str, **headers: str) -> httpx.Response:
        return self.front.http.get(template.format(**self.words), headers=headers)


def filled(front: Front, archive: Archive) -> dict[str, str]:
    """All of NAMES are on the disk."""
    release = archive.release(images=[Art(51, pictures.jpeg(300, 200, seed=51))])
    words = {"ident": front.server.upload(pictures.jpeg(90, 60)), "release": release}
    with front.server.client(tokens.Scope.READ) as reader:
        for template in (*NAMES, "/release/{release}"):
            reader.get(template.format(**words)).raise_for_status()
        reader.get(f"/get_image?url={archive.url}/release/{release}/51").raise_for_status()
    return words


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, archive: Archive) -> Iterator[Closed]:
    variables = reaching(archive) | {"MEZZOTINT_PUBLIC_READ": "false"}
    with fronted(tmp_path_factory.mktemp("closed") / "data", **variables) as front:
        yield Closed(front, filled(front, archive), front.server.token(tokens.Scope.READ))


@pytest.mark.parametrize("template", NAMES)
def test_without_a_token_nothing_is_given(closed: Closed, template: str) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"if-none-match": "*"}, {"range": "bytes=0-1"}):
        answer = closed.get(template, **headers)
        assert (answer.status_code, by_nginx(answer)) == (401, False)
        assert answer.headers["cache-control"] == "no-store"
    assert closed.get(f"{template}?token=wrong").status_code == 401


@pytest.mark.parametrize("template", NAMES)
def test_with_a_token_nginx_sends_it(closed: Closed, template: str) -> None:
    past = closed.front.server.http.get(template.format(**closed.words), params={"token": closed.reader})
    header = closed.get(template, authorization=f"Bearer {closed.reader}")
    query = closed.get(f"{template}?token={closed.reader}")
    for answer in (header, query):
        assert (answer.status_code, answer.content, by_nginx(answer)) == (200, past.content, True)
        assert answer.headers["cache-control"].startswith("private")


def test_a_size_that_was_lost_comes_back_with_the_same_tag(closed: Closed, archive: Archive) -> None:
    release = archive.release(images=[Art(52, pictures.jpeg(300, 200, seed=52))])
    path, header = f"/release/{release}/52-500", f"Bearer {closed.reader}"
    with closed.front.server.client(tokens.Scope.READ) as reader:
        for _ in range(2):
            fetched = reader.get(path).raise_for_status()
        closed.front.file(f"release/{release}-52-500.jpg").unlink()
        reader.get(f"/release/{release}/52").raise_for_status()
        again = reader.get(f"/release/{release}/front-500").raise_for_status()
    assert (again.content, again.headers["etag"]) == (fetched.content, fetched.headers["etag"])
    answer = closed.get(path, authorization=header)
    assert answer.content == fetched.content
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'


def test_without_mezzotint_nothing_is_given(tmp_path: Path, archive: Archive) -> None:
    with fronted(tmp_path / "data", **reaching(archive), MEZZOTINT_PUBLIC_READ="false") as front:
        words, token = filled(front, archive), front.server.token(tokens.Scope.READ)
        front.server.stop()
        for template in NAMES:
            assert front.http.get(template.format(**words), params={"token": token}).status_code == 502


@dataclass(frozen=True)
class Secrets:
    front: Front
    directories: dict[str, Path]

    def files(self) -> Iterator[tuple[str, Path]]:
        """Everything in the cache and the store, by its path there."""
        for name, directory in self.directories.items():
            for path in directory.rglob("*"):
                if path.is_file() and path.stat().st_size > 8:
                    yield f"{name}/{path.relative_to(directory)}", path

    def told(self, target: str) -> tuple[int, bytes]:
        """The answer's status and body, to a request with exactly this target."""
        status, answer = raw(self.front.nginx.port, f"GET {target} HTTP/1.1".encode())
        body = answer.partition(b"\r\n\r\n")[2]
        return status, gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


@pytest.fixture(scope="module", params=["public", "closed"])
def secrets(request: pytest.FixtureRequest, archive: Archive) -> Secrets:
    if request.param == "closed":
        front = request.getfixturevalue("closed").front
    else:
        front = request.getfixturevalue("front")
        filled(front, archive)
    settings = front.server.settings
    assert settings.store_directory is not None
    return Secrets(front, {"cache": settings.cache, "store": settings.store_directory})


@pytest.mark.parametrize(
    "before",
    [
        "/.mezzotint/{name}",
        "//.mezzotint/{name}",
        "/%2emezzotint/{name}",
        "/./.mezzotint/{name}",
        "/images/../.mezzotint/{name}",
        "/images/%2e%2e/.mezzotint/{name}",
        "/{name}",
        "/images/{name}",
        "/release/{name}",
        "http://elsewhere/.mezzotint/{name}",
    ],
)
def test_no_path_from_outside_leads_into_the_directories(secrets: Secrets, before: str) -> None:
    found = list(secrets.files())
    assert {"zst", "json"} <= {path.suffix[1:] for _, path in found}
    for name, file in found:
        status, body = secrets.told(before.format(name=name))
        assert status in (400, 401, 404), (name, status)
        assert file.read_bytes() not in body, name


@pytest.mark.parametrize("before", ["", "/images", "/release", "/%2e%2e", "/.."])
def test_nor_do_their_own_paths(secrets: Secrets, before: str) -> None:
    for name, file in secrets.files():
        status, body = secrets.told(f"{before}/{name.partition('/')[2]}")
        assert status in (400, 401, 404), (name, status)
        assert file.read_bytes() not in body, name


def test_a_canonical_name_with_a_way_out_of_it_is_none(secrets: Secrets) -> None:
    ident, mbid = "a" * 64, "a" * 8 + "-aaaa" * 3 + "-" + "a" * 12
    ways = (
        "../../../../.control/index.sqlite3",
        "..%2f..%2f..%2f..%2f.control%2findex.sqlite3",
        "%00.jpg",
        "%0a.jpg",
        ".json",
    )
    for name in (f"/images/{ident}-1x1.jpg", f"/images/{ident}-", f"/release/{mbid}/1", f"/release/{mbid}/1-500."):
        for way in ways:
            for target in (f"{name}{way}", f"{name}/{way}"):
                status, body = secrets.told(target)
                assert status in (400, 401, 404), (target, status)
                assert b"SQLite" not in body
