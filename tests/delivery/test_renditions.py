"""MEZZOTINT_RENDITIONS: which renditions a stranger may ask for; and signed addresses where reading is private."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from mezzotint.delivery import renditions
from mezzotint.delivery.renditions import Renditions
from mezzotint.delivery.request import Request
from mezzotint.names import parse
from mezzotint.settings import Settings
from mezzotint.signatures import Signer, signer_of
from mezzotint.tokens import Scope
from tests import http, pictures
from tests.backends.processes import lasting_port
from tests.conftest import Server, run, start_server
from tests.imagecloud.nodes import OPEN
from tests.origin import Origin
from tests.waiting import PATIENCE, until

NAMES = ["", "-100x67.jpg", "-w50.auto", "-fit40x40.png"]
LIST = {"sizes": ["fit40x40", "w50", ""], "formats": ["jpg", "auto"], "base": False}


@pytest.fixture(scope="module")
def signing(serve_here: Callable[..., Server]) -> Server:
    return serve_here(MEZZOTINT_RENDITIONS="signed")


@pytest.fixture(scope="module")
def private(serve_here: Callable[..., Server]) -> Server:
    return serve_here(MEZZOTINT_PUBLIC_READ="false")


@pytest.fixture(scope="module")
def listing(serve_here: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Server:
    data = tmp_path_factory.mktemp("listing") / "data"
    data.mkdir()
    (data / "renditions.json").write_text(json.dumps(LIST))
    return serve_here(data, MEZZOTINT_RENDITIONS="listed")


def own(server: Server) -> Signer:
    return signer_of(Settings.read({"MEZZOTINT_DATA": str(server.data)}))


@pytest.fixture(scope="module", params=["signing", "private"])
def either(request: pytest.FixtureRequest) -> tuple[Server, str, int]:
    """A server that wants addresses to be signed, a picture there, and how it refuses those that are not."""
    server: Server = request.getfixturevalue(request.param)
    ident = server.upload(pictures.jpeg(300, 200, seed=131), title="Signed for")
    return server, ident, 403 if request.param == "signing" else 401


@pytest.mark.parametrize("suffix", NAMES)
def test_only_a_signed_address_opens(either: tuple[Server, str, int], suffix: str) -> None:
    server, ident, refusal = either
    address = f"/images/{ident}{suffix}"
    for signed in (own(server).sign(address), own(server).sign(address, int(time.time()) + 600)):
        for _ in range(3):  # made, from the cache, from memory
            answer = server.http.get(signed)
            assert answer.status_code == 200, answer.text
        assert server.http.get(signed, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
        assert server.http.head(signed).headers["content-length"] == str(len(answer.content))
        assert server.http.get(signed, headers={"range": "bytes=2-5"}).content == answer.content[2:6]
    assert server.http.get(address).status_code == refusal
    assert server.http.get(address, headers={"if-none-match": "*"}).status_code == refusal
    with server.client(Scope.READ) as reader:
        assert reader.get(address).content == answer.content


def test_a_signature_is_good_for_its_own_address_alone(either: tuple[Server, str, int]) -> None:
    server, ident, _ = either
    query = own(server).sign(f"/images/{ident}-w50.jpg").partition("?")[2]
    assert server.http.get(f"/images/{ident}-w50.jpg?{query}").status_code == 200
    for other in (
        f"/images/{ident}-w51.jpg?{query}",
        f"/images/{ident}?{query}",
        f"/images/{ident}-w50.jpg?a=b&{query}",
    ):
        assert server.http.get(other).status_code == 403
    assert server.http.get(f"/images/{ident}-w50.jpg?{query}&token=x").status_code == 403


def test_an_address_that_has_ended_is_refused_also_from_memory(either: tuple[Server, str, int]) -> None:
    server, ident, _ = either
    ending = own(server).sign(f"/images/{ident}-w60.jpg", int(time.time()) + 3)
    assert server.http.get(ending).status_code == 200
    until(lambda: server.http.get(ending).status_code == 403)
    answer = server.http.get(ending)
    assert "expired" in answer.json()["detail"]
    assert answer.headers["cache-control"] == "no-store"


def test_no_cache_keeps_it_for_longer_than_its_address_is_good(either: tuple[Server, str, int]) -> None:
    server, ident, _ = either
    said = server.http.get(own(server).sign(f"/images/{ident}-w61.jpg", int(time.time()) + 600)).headers[
        "cache-control"
    ]
    match = re.search(r"max-age=(\d+)", said)
    assert match is not None
    assert 0 < int(match[1]) <= 600
    assert "immutable" not in said
    assert "immutable" in server.http.get(own(server).sign(f"/images/{ident}-w61.jpg")).headers["cache-control"]


def test_another_installations_signature_opens_nothing(either: tuple[Server, str, int]) -> None:
    server, ident, _ = either
    forged = Signer({"own": "0123456789abcdef"}).sign(f"/images/{ident}")
    assert server.http.get(forged).status_code == 403


def test_pages_and_the_api_sign_what_they_show(either: tuple[Server, str, int]) -> None:
    server, ident, _ = either
    with server.client(Scope.READ) as reader:
        shown = reader.get(f"/api/images/{ident}/").json()
        listed = reader.get("/api/images/").json()["results"][0]
    for address in (shown["url"], shown["thumbnail"], listed["url"], listed["thumbnail"]):
        assert "&signature=" in address
        assert "token" not in address
        assert server.http.get(address).status_code == 200


def test_pages_that_everybody_may_see_carry_signatures_that_last(signing: Server) -> None:
    ident = signing.upload(pictures.jpeg(2600, 1300, seed=132), title="On a page")
    page = signing.http.get(f"/image/{ident}/").text.replace("&amp;", "&")
    found = re.findall(r'(?:href|src)="(/images/[^"]+)"', page)
    assert len(found) >= 5
    for address in found:
        assert "expires" not in address
        assert signing.http.get(address).status_code == 200


def test_a_list_says_what_may_be_asked_for(listing: Server) -> None:
    ident = listing.upload(pictures.jpeg(300, 200, seed=133))
    free = ["-fit40x40.jpg", "-fit40x40.auto", "-w50.jpg", ".jpg", "-40x27.jpg", "-300x200.jpg", "-50x33.jpg"]
    refused = [
        "",
        "-fit40x40.png",
        "-fit41x41.jpg",
        "-w51.jpg",
        "-40x28.jpg",
        "-fit40x40-gray.jpg",
        "-rotate90.jpg",
        ".png",
    ]
    for _ in range(2):
        for suffix in free:
            assert listing.http.get(f"/images/{ident}{suffix}").status_code == 200, suffix
        for suffix in refused:
            assert listing.http.get(f"/images/{ident}{suffix}").status_code == 403, suffix
        with listing.client(Scope.READ) as reader:
            for suffix in refused:  # which memory has then, for who may have it
                assert reader.get(f"/images/{ident}{suffix}").status_code == 200
    assert listing.http.get(own(listing).sign(f"/images/{ident}-w51.jpg")).status_code == 200


def test_what_is_not_there_keeps_nothing_out(listing: Server) -> None:
    """Names that a stranger has made up are soon forgotten."""
    ident = listing.upload(pictures.jpeg(300, 200, seed=135))
    settings = Settings.read({"MEZZOTINT_DATA": str(listing.data), "MEZZOTINT_RENDITIONS": "listed"})
    rules = Renditions(settings, None, None, None)  # type: ignore[arg-type]

    async def ask(name: str) -> None:
        scope = {"method": "GET", "path": f"/images/{name}", "query_string": b"", "headers": []}
        await rules.check(Request(scope, None), *parse(name))  # type: ignore[arg-type]

    most, renditions._REMEMBERED = renditions._REMEMBERED, 3
    try:
        for number in range(10):
            asyncio.run(ask(f"{number:064x}-w50.jpg"))
            assert len(rules._free) <= 3
        asyncio.run(ask(f"{ident}-w50.jpg"))
    finally:
        renditions._REMEMBERED = most
    assert rules.is_free(f"/images/{ident}-w50.jpg")


def test_nothing_is_fetched_for_an_address_that_is_refused(tmp_path: Path, origin: Origin) -> None:
    variables = OPEN | {"MEZZOTINT_RENDITIONS": "signed", "MEZZOTINT_FETCH_FOR_ALL": "true"}
    server = start_server(tmp_path / "data", **variables)
    try:
        address = f"/get_image?url={quote(origin.picture('/a.jpg', pictures.jpeg(60, 40)), safe='')}&resize_width=20"
        assert server.http.get(address).status_code == 403
        assert not origin.asked.total()
        assert server.http.get(own(server).sign(address)).status_code == 200
    finally:
        server.stop()


def test_a_list_that_changes_is_read_again_and_a_broken_one_changes_nothing(listing: Server) -> None:
    ident = listing.upload(pictures.jpeg(300, 200, seed=134))
    path = listing.data / "renditions.json"
    assert listing.http.get(f"/images/{ident}-w50.jpg").status_code == 200
    try:
        _replace(path, json.dumps(LIST | {"sizes": ["w77"]}))
        until(lambda: listing.http.get(f"/images/{ident}-w50.jpg").status_code == 403)
        assert listing.http.get(f"/images/{ident}-w77.jpg").status_code == 200
        _replace(path, '{"sizes": ["w78"], "colour": 1}')

        def told() -> bool:
            listing.http.get(f"/images/{ident}-w77.jpg")
            return "goes on to hold" in listing.log.read_text()

        until(told)
        assert listing.http.get(f"/images/{ident}-w77.jpg").status_code == 200
    finally:
        _replace(path, json.dumps(LIST))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot be read"),
        ("[", "cannot be read"),
        ("[]", "has other members"),
        ('{"size": []}', "has other members"),
        ('{"sizes": "w50"}', "no list of texts"),
        ('{"sizes": ["w0"]}', "'w0'"),
        ('{"formats": ["jpeg"]}', "the format 'jpeg'"),
        ('{"base": 1}', "has other members"),
    ],
)
def test_a_server_that_is_to_have_a_list_wants_one_at_its_start(tmp_path: Path, text: str | None, why: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if text is not None:
        (data / "renditions.json").write_text(text)
    done = run(data, "serve", MEZZOTINT_RENDITIONS="listed", MEZZOTINT_BIND=f"127.0.0.1:{lasting_port()}")
    assert done.returncode == 2
    assert done.stderr.startswith("mezzotint: renditions.json: ")
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_worker_that_is_begun_while_the_list_is_broken_serves(
    serve_here: Callable[..., Server], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    _replace(data / "renditions.json", json.dumps(LIST))
    server = serve_here(data, MEZZOTINT_RENDITIONS="listed")
    ident = server.upload(pictures.jpeg(300, 200, seed=136))
    assert server.http.get(f"/images/{ident}-w50.jpg").status_code == 200
    _replace(data / "renditions.json", "{")
    [worker] = server.workers()
    os.kill(worker, signal.SIGKILL)
    until(lambda: server.workers() and server.workers() != {worker})
    with http.Client(base_url=server.url, timeout=PATIENCE) as fresh:
        assert fresh.get(f"/images/{ident}-w50.jpg").status_code == 403
        assert fresh.get(own(server).sign(f"/images/{ident}-w50.jpg")).status_code == 200
        _replace(data / "renditions.json", json.dumps(LIST))
        until(lambda: fresh.get(f"/images/{ident}-w50.jpg").status_code == 200)


def _replace(path: os.PathLike[str], text: str) -> None:
    new = f"{os.fspath(path)}.new"
    with open(new, "w") as stream:
        stream.write(text)
    os.replace(new, path)
