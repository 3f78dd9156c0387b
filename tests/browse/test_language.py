"""Pages that are for everybody speak the browser's language, English or German; nothing else does."""

from __future__ import annotations

import gettext
import re
from pathlib import Path

import pytest

from mezzotint.browse import finding
from mezzotint.repository import dates
from tests import pictures
from tests.conftest import Server

ROOT = Path("src/mezzotint/browse")
LOCALE = ROOT / "locale" / "de" / "LC_MESSAGES"
GERMAN = {"accept-language": "de-AT,de;q=0.9,en;q=0.5"}


def said() -> dict[str, str]:
    """What the catalogue of German has, as people write it."""
    text = (LOCALE / "django.po").read_text()
    pairs = re.findall(r'^msgid "(.+)"\nmsgstr "(.*)"$', text, re.M)
    return {en.replace('\\"', '"'): de.replace('\\"', '"') for en, de in pairs}


def asked() -> set[str]:
    """What the pages and what is beside them want to have said."""
    found = set[str]()
    for path in (ROOT / "templates" / "browse").glob("*.html"):
        text = path.read_text()
        found |= set(re.findall(r'{% translate "([^"]+)" %}', text))
        blocks = re.findall(r"{% blocktranslate %}(.+?){% endblocktranslate %}", text, re.S)
        found |= {re.sub(r"{{ (\w+) }}", r"%(\1)s", block) for block in blocks}
    found |= {*finding._ORDERS.values(), *finding._LABELS.values(), *dates._DOUBTS.values(), *dates._NAMES.values()}
    return found | {"Untitled", "small", "medium", "large", "landscape", "portrait", "square", "{}s", "from {} on"}


def test_all_is_said_in_german() -> None:
    assert asked() <= said().keys(), asked() - said().keys()
    assert all(said().values())
    for en, de in said().items():
        holes = r"%\(\w+\)s|{}|<[^>]+>"
        assert sorted(re.findall(holes, en)) == sorted(re.findall(holes, de)), en


def test_what_is_read_is_what_was_written() -> None:
    """`pybabel compile -d src/mezzotint/browse/locale -D django` makes the one of the other."""
    with (LOCALE / "django.mo").open("rb") as stream:
        catalogue = gettext.GNUTranslations(stream)
    assert {en: catalogue.gettext(en) for en in said()} == said()


@pytest.fixture(scope="module")
def ident(server: Server) -> str:
    return server.upload(pictures.jpeg(900, 600, seed=41), captured="189X", collection="Shelf", title="Café")


def test_a_german_browser_gets_german_pages(server: Server, ident: str) -> None:
    for path, words in {
        f"/image/{ident}/": ["Aufgenommen", "1890er-Jahre", "Herunterladen", "klein 480", "Vergrößern"],
        "/?orientation=landscape": ["Gefunden", "Form: quer", "Neueste zuerst"],
        "/collection/": ["Sammlungen", "Stöbern", "Anmelden"],
        "/collection/shelf/": ["eins nach dem anderen", "Adresse kopieren"],
        "/collection/shelf/read/": ["1 von 1"],
        "/login/": ["Passwort"],
    }.items():
        answer = server.http.get(path, headers=GERMAN)
        assert answer.status_code == 200 and '<html lang="de">' in answer.text
        assert [word for word in words if word not in answer.text] == []
        assert "accept-language" in answer.headers["vary"].lower()
        assert answer.headers["content-language"] == "de"


@pytest.mark.parametrize("language", ["", "en-US,en;q=0.9", "fr", "*", "x" * 5000, "en-GB,de;q=0.9"])
def test_any_other_gets_english(server: Server, ident: str, language: str) -> None:
    answer = server.http.get(f"/image/{ident}/", headers={"accept-language": language} if language else {})
    assert answer.status_code == 200 and '<html lang="en">' in answer.text and "Download" in answer.text


def test_programs_are_told_in_english(server: Server) -> None:
    for path in (
        "/api/images/?ordering=x",
        "/api/sessions/",
        "/api/images/?page_size=x",
        "/oai",
        "/desk/",
        "/admin/login/",
    ):
        plain, german = (server.http.get(path, headers=headers) for headers in ({}, GERMAN))
        cleaned = [
            re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"|<responseDate>[^<]+', "", one.text)
            for one in (plain, german)
        ]
        assert plain.status_code == german.status_code and cleaned[0] == cleaned[1]
