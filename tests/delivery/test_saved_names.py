"""`?download=NAME`: what a picture is called when it is saved."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import pytest

from tests import pictures
from tests.conftest import Server


@pytest.fixture(scope="module")
def ident(server: Server) -> str:
    return server.upload(pictures.jpeg(90, 60, seed=771))


def name_of(disposition: str) -> str:
    """As RFC 6266 has it: the extended form before the plain one, which old clients take."""
    found = re.fullmatch(r"""attachment; filename="([ -!#-~]+)"; filename\*=UTF-8''([A-Za-z0-9._~%-]+)""", disposition)
    assert found is not None, disposition
    name = unquote(found[2], errors="strict")
    assert found[1].rpartition(".")[2] == name.rpartition(".")[2] and len(found[1]) == len(name)
    return name


@pytest.mark.parametrize(
    ("rendition", "given", "saved"),
    [
        ("", "Zürich.jpg", "Zürich.jpg"),
        ("", "Zürich.JPEG", "Zürich.JPEG"),
        ("", "no ending", "no ending.jpg"),
        ("-w30.png", "photo.exe", "photo.exe.png"),
        ("-w30.webp", 'say "hi" 100%.webp', 'say "hi" 100%.webp'),
        ("-w30.jpg", "猫 😀.jpg", "猫 😀.jpg"),
    ],
)
def test_it_is_saved_as_it_is_called(server: Server, ident: str, rendition: str, given: str, saved: str) -> None:
    for _ in range(2):  # made, and from memory
        answer = server.http.get(f"/images/{ident}{rendition}?download={quote(given)}")
        assert answer.status_code == 200 and name_of(answer.headers["content-disposition"]) == saved
    assert "content-disposition" not in server.http.get(f"/images/{ident}{rendition}").headers
    head = server.http.head(f"/images/{ident}{rendition}?download={quote(given)}")
    assert head.headers["content-disposition"] == answer.headers["content-disposition"]


def test_negotiated_it_ends_as_what_is_sent(server: Server, ident: str) -> None:
    url = f"/images/{ident}-w30.auto?download=x"
    ends = {
        accept: name_of(server.http.get(url, headers={"accept": accept}).headers["content-disposition"])
        for accept in ("image/webp", "*/*")
    }
    assert ends == {"image/webp": "x.webp", "*/*": "x.jpg"}


@pytest.mark.parametrize(
    "given", ["", " . ", "a/b", "a\\b", "C:x", "a%0Ab", "a%00", "a%E2%80%AE.jpg", "x" * 201, "%FF", "%ED%A0%80"]
)
def test_what_is_no_name_is_told(server: Server, ident: str, given: str) -> None:
    answer = server.http.get(f"/images/{ident}?download={given}")
    assert answer.status_code == 400 and answer.json()["errors"][0]["field"] in {"download", "query"}


def test_pages_lead_to_names_that_people_know(server: Server, ident: str) -> None:
    untitled = server.upload(pictures.jpeg(90, 60, seed=773), file_name="IMG 1.JPG")
    assert f"/images/{untitled}?download=IMG+1" in server.http.get(f"/image/{untitled}/").text
    titled = server.upload(pictures.jpeg(3000, 20, seed=772), title="Zürich: ein/zwei \u202e\N{PILE OF POO}")
    page = server.http.get(f"/image/{titled}/").text
    found = next(part for part in page.split('"') if f"{titled}-" in part and "download=" in part)
    answer = server.http.get(found.replace("&amp;", "&"))
    assert name_of(answer.headers["content-disposition"]).startswith("Zürich ein zwei \N{PILE OF POO} ")
