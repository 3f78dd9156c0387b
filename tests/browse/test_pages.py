"""Pages for people."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from PIL import Image

from mezzotint.settings.appearance import PAPERS
from tests import http, pictures
from tests.conftest import Server

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \"' & {{ 7*7 }}"


class Page(HTMLParser):
    """What a browser makes of a page: its tags and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, attribute: str) -> list[str]:
        return [found[attribute] for name, found in self.tags if name == tag and attribute in found]


OWN = {"/static/browse/zoom.js"}


def scripts(shown: Page) -> set[str]:
    """Where a page's scripts are; what stands in it has no address."""
    return {found.get("src", "") for name, found in shown.tags if name == "script"}


def page(server: Server, path: str, status: int = 200, client: httpx.Client | None = None) -> Page:
    answer = (client or server.http).get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return Page(answer.text)


@pytest.fixture(scope="module")
def ident(server: Server) -> str:
    return server.upload(
        pictures.jpeg(2600, 1300, seed=900),
        title="The harbour of Visby",
        description="One line\nand another",
        creator="Somebody Known",
        rights="CC BY 4.0",
        tags="sea, winter",
        captured="1899-04",
        collection="Harbours",
    )


@pytest.fixture(scope="module")
def hostile(server: Server) -> str:
    fields = dict.fromkeys(("title", "description", "creator", "rights", "source", "tags"), HOSTILE)
    return server.upload(pictures.png(seed=901), **fields, collection=f"Hostile {HOSTILE}")


def test_the_front_page_shows_the_newest_first(server: Server, ident: str) -> None:
    new = server.upload(pictures.png(seed=902), title="Just now")
    shown = [link for link in page(server, "/").all("a", "href") if link.startswith("/image/")]
    assert shown[0] == f"/image/{new}/"
    assert shown.index(f"/image/{new}/") < shown.index(f"/image/{ident}/")
    assert "/collection/harbours/" in page(server, "/").all("a", "href")


def test_thumbnails_come_in_the_size_that_the_page_says(server: Server, ident: str) -> None:
    tags = page(server, "/collection/harbours/").tags
    (thumbnail,) = [found for name, found in tags if name == "img" and ident in found["src"]]
    picture = pictures.opened(server.http.get(thumbnail["src"]).raise_for_status().content)
    assert picture.size == (int(thumbnail["width"]), int(thumbnail["height"])) == (400, 200)
    assert "alt" in thumbnail


def test_search_finds_and_says_when_it_does_not(server: Server, ident: str) -> None:
    found = page(server, "/?search=visby+harb")
    assert f"/image/{ident}/" in found.all("a", "href")
    assert set(found.all("input", "value")) == {"visby harb"}
    nothing = page(server, "/?search=zzzzzz")
    assert not [link for link in nothing.all("a", "href") if link.startswith("/image/")]


def test_the_page_of_an_image_has_its_metadata_and_sizes(server: Server, ident: str) -> None:
    shown = page(server, f"/image/{ident}/")
    told = ("The harbour of Visby", "One line", "Somebody Known", "CC BY 4.0", "sea", "winter", "1899-04", "Harbours")
    assert all(text in shown.text for text in told)
    assert ident in shown.text
    links = [link for link in shown.all("a", "href") if link.startswith("/images/")]
    assert f"/images/{ident}" in links
    sizes = set()
    for link in links:
        answer = server.http.get(link)
        assert answer.status_code == 200
        assert "link" not in answer.headers  # canonical already
        sizes.add(pictures.opened(answer.content).size)
    assert (2600, 1300) in sizes
    assert len(sizes) >= 3
    (preview,) = [source for source in shown.all("img", "src") if ident in source]
    assert server.http.get(preview).status_code == 200


@pytest.mark.parametrize("path", ["/nothing", "/image/" + "0" * 64 + "/", "/collection/nothing/"])
def test_what_is_not_there_is_a_page_too(server: Server, path: str) -> None:
    shown = page(server, path, 404)
    assert "/" in shown.all("a", "href")
    assert scripts(shown) <= OWN


WRONG = ["/image/nonsense/", "/image/%00/", "/collection/%00/", "/?cursor=x", "/?search=%00", "/?search=" + "x" * 3000]


@pytest.mark.parametrize("path", WRONG, ids=[path[:20] for path in WRONG])
def test_a_wrong_address_is_told_in_a_page(server: Server, path: str) -> None:
    answer = server.http.get(path)
    assert answer.status_code in {400, 404}
    assert answer.headers["content-type"].startswith("text/html")
    assert "Mezzotint" in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_pages_are_only_read(server: Server, method: str) -> None:
    assert server.http.request(method, "/").status_code in {403, 405}


def test_nothing_that_people_write_becomes_markup(server: Server, hostile: str) -> None:
    paths = ["/", f"/image/{hostile}/", f"/?search={quote(HOSTILE)}", f"/{quote(HOSTILE)}"]
    collections = server.http.get("/api/collections/?page_size=500").json()["results"]
    paths += [f"/collection/{one['slug']}/" for one in collections if one["slug"].startswith("hostile")]
    assert len(paths) == 5
    for path in paths:
        shown = Page(server.http.get(path).text)
        assert scripts(shown) <= OWN
        assert not [name for _, found in shown.tags for name in found if name.startswith("on")]
        assert not [link for link in shown.all("a", "href") if link.lower().startswith("javascript")]
    assert HOSTILE in unescape(server.http.get(f"/image/{hostile}/").text)


def test_a_source_that_is_no_address_is_no_link(server: Server) -> None:
    ident = server.upload(pictures.png(seed=903), source="javascript:alert(1)", rights="https://example.org/rights")
    links = page(server, f"/image/{ident}/").all("a", "href")
    assert "https://example.org/rights" in links
    assert not [link for link in links if link.startswith("javascript")]


def test_pages_do_without_script(server: Server, ident: str) -> None:
    for path in ("/", "/?search=harbour", f"/image/{ident}/", "/collection/harbours/"):
        shown = page(server, path)
        assert scripts(shown) <= OWN  # what it does is tried without it in test_zooming
        assert "viewport" in shown.all("meta", "name")
        assert shown.all("html", "lang") == ["en"]
        for sheet in shown.all("link", "href"):
            assert server.http.get(sheet).status_code == 200


def test_more_pictures_are_on_the_next_page(server: Server) -> None:
    session = server.writer.post("/api/sessions/", json={}).json()["id"]
    parts = [("file", (f"{seed}.png", pictures.png(16, 12, seed=seed))) for seed in range(904, 1004)]
    added = server.writer.post(f"/api/sessions/{session}/images/", files=parts, data={"collection": "Paged"}).json()
    server.writer.post(f"/api/sessions/{session}/commit/").raise_for_status()
    for start in ("/collection/paged/", "/"):
        seen: list[str] = []
        address: str | None = start
        while address is not None:
            shown = page(server, address)
            seen += re.findall(r"/image/([0-9a-f]{64})/", " ".join(shown.all("a", "href")))
            following = [found["href"] for name, found in shown.tags if found.get("rel") == "next"]
            address = str(httpx.URL(server.url + start).join(following[0]).raw_path.decode()) if following else None
        assert len(seen) == len(set(seen))
        assert {image["ident"] for image in added["images"]} <= set(seen)


@pytest.fixture(scope="module")
def private(serve_here: Callable[..., Server]) -> Server:
    return serve_here(MEZZOTINT_PUBLIC_READ="false")


def test_where_reading_is_private_people_log_in_first(private: Server) -> None:
    ident = private.upload(pictures.jpeg(900, 600, seed=920), title="Private", collection="Closed")
    paths = ["/", f"/image/{ident}/", "/collection/closed/", "/image/" + "0" * 64 + "/", "/?search=private"]
    for path in paths:
        answer = private.http.get(path)
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/login/?next=")
        assert "Private" not in answer.text

    password = re.search(r"password: (\S+)", (private.data / "first-login").read_text())
    assert password is not None
    with http.Client(base_url=private.url, follow_redirects=True) as client:
        assert 'name="csrfmiddlewaretoken"' in client.get("/").text
        assert http.log_in(client, "admin", password[1]).status_code == 200
        front = client.get("/")
        shown = Page(front.text).all("img", "src") + page(private, f"/image/{ident}/", client=client).all("img", "src")
        links = page(private, f"/image/{ident}/", client=client).all("a", "href")
        addresses = shown + [link for link in links if link.startswith("/images/")]
        assert len(addresses) >= 4
        for address in addresses:
            assert private.http.get(address.partition("?")[0]).status_code == 401
            assert private.http.get(address).status_code == 200


def test_pages_lead_to_what_viewers_open(server: Server, ident: str) -> None:
    for path in (f"/image/{ident}/", "/collection/harbours/"):
        (manifest, *others) = [link for link in page(server, path).all("a", "href") if "/iiif/" in link]
        assert server.http.get(manifest).raise_for_status().json()["type"] == "Manifest"
        for link in others:
            assert server.http.get(link).raise_for_status().json()["type"] in {"ImageService3", "Collection"}


def test_collections_have_a_cover_a_title_and_a_count(server: Server, ident: str) -> None:
    shown = page(server, "/collection/")
    assert "/collection/harbours/" in shown.all("a", "href") and "Harbours" in shown.text
    covers = [source for source in shown.all("img", "src") if "-cover480x320.jpg" in source]
    assert covers and server.http.get(covers[0]).status_code == 200
    server.writer.post("/api/collections/", json={"title": "Without any"}).raise_for_status()
    assert "Without any 0" in " ".join(page(server, "/collection/").text.split())


@pytest.mark.parametrize("size", [(4000, 20), (20, 4000), (300, 200), (1, 1)])
def test_whatever_its_shape_a_picture_has_its_place_in_a_row(server: Server, size: tuple[int, int]) -> None:
    ident = server.upload(pictures.encoded(Image.new("RGB", size, (9, size[0] % 250, size[1] % 250)), "PNG"))
    shown = page(server, "/")
    style = server.http.get("/static/browse/page.css").text
    for name in {found["class"] for tag, found in shown.tags if tag == "li" and found.get("class", "").startswith("r")}:
        assert f".{name} {{" in style
    assert f"/image/{ident}/" in shown.all("a", "href")


def test_people_are_led_to_what_is_for_people(server: Server) -> None:
    shown = page(server, "/")
    links = shown.all("a", "href")
    assert {"/", "/collection/", "/login/?next=/", "/api/docs/"} <= set(links)
    for link in ("/collection/", "/api/docs/", "/iiif/presentation/3/collection.json", "/api/export/"):
        assert server.http.get(link).status_code == 200


def test_an_installation_has_a_name_of_its_own(serve_here: Callable[..., Server]) -> None:
    named = serve_here(MEZZOTINT_NAME="  Archive & <City>  of Lodz ")
    ident = named.upload(pictures.png(seed=931), title="Named")
    for path, status in {"/": 200, f"/image/{ident}/": 200, "/collection/": 200, "/nothing": 404}.items():
        text = named.http.get(path).text
        assert "Archive &amp; &lt;City&gt; of Lodz" in text and "<City>" not in text and "Mezzotint" not in text
        assert named.http.get(path).status_code == status
    manifest = named.http.get(f"/iiif/presentation/3/images/{ident}/manifest.json").json()
    assert manifest["provider"][0]["label"] == {"none": ["Archive & <City> of Lodz"]}


def test_an_installation_has_a_look_of_its_own(serve_here: Callable[..., Server], tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    own = serve_here(
        MEZZOTINT_NAME="Archive",
        MEZZOTINT_LOGO=str(logo),
        MEZZOTINT_COLOURS="#005a3c, #7fd6b2",
        MEZZOTINT_FOOTER="Run by <b>us</b>, https://example.org/help",
    )
    for path in ("/", "/nothing", "/login/"):
        text = own.http.get(path).text
        assert (
            '<img src="/own/logo" alt="Archive">' in text and '<link rel="stylesheet" href="/own/colours.css">' in text
        )
        assert "Run by &lt;b&gt;us&lt;/b&gt;" in text and 'href="https://example.org/help"' in text
    answer = own.http.get("/own/logo")
    assert answer.headers["content-type"] == "image/svg+xml" and answer.content == logo.read_bytes()
    assert "sandbox" in answer.headers["content-security-policy"]
    style = own.http.get("/own/colours.css")
    assert style.headers["content-type"].startswith("text/css") and "#005a3c" in style.text and "#7fd6b2" in style.text
    logo.unlink()
    assert own.http.get("/own/logo").status_code == 404


def test_without_one_it_is_as_ever(server: Server) -> None:
    assert "/own/" not in server.http.get("/").text
    style = server.http.get("/static/browse/page.css").text
    assert all(f"--paper: {paper}" in style for paper in PAPERS), "what colours are held against is not what is there"
    assert server.http.get("/own/logo").status_code == server.http.get("/own/colours.css").status_code == 404
