"""Django's admin: what is changed there goes through a commit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from html import unescape

import httpx
import pytest

from tests import http, pictures
from tests.conftest import Server, run, start_server
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("admin") / "data")
    yield server
    server.stop()


def logged_in(server: Server, user: str, password: str) -> httpx.Client:
    client = http.Client(base_url=server.url, timeout=PATIENCE, follow_redirects=True)
    page = client.get("/admin/login/", params={"next": "/admin/"})
    fields = {"username": user, "password": password, "next": "/admin/", **hidden(page.text)}
    client.post("/admin/login/", data=fields).raise_for_status()
    return client


def as_admin(server: Server) -> httpx.Client:
    """The first one, whose password was written down at the first start."""
    password = re.search(r"password: (\S+)", (server.data / "first-login").read_text())
    assert password is not None
    return logged_in(server, "admin", password[1])


@pytest.fixture(scope="module")
def admin(site: Server) -> Iterator[httpx.Client]:
    with closing(as_admin(site)) as client:
        yield client


def hidden(page: str) -> dict[str, str]:
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        kind, name, value = (re.search(rf'{key}="([^"]*)"', tag) for key in ("type", "name", "value"))
        if kind and name and kind[1] == "hidden":
            found[unescape(name[1])] = unescape(value[1]) if value else ""
    return found


def change_address(client: httpx.Client, model: str, word: str) -> str:
    """Where the one thing that the list shows for `word` is changed."""
    page = client.get(f"/admin/repository/{model}/", params={"q": word}).raise_for_status()
    (address,) = set(re.findall(rf"/admin/repository/{model}/\d+/change/", page.text))
    return str(address)


def form(client: httpx.Client, address: str) -> dict[str, str]:
    """The change form as a browser would send it back."""
    page = client.get(address).raise_for_status().text
    fields = hidden(page)
    for tag in re.findall(r'<input[^>]*type="text"[^>]*>', page):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and name[1] != "q":
            fields[name[1]] = unescape(value[1]) if value else ""
    for name, text in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', page, re.DOTALL):
        fields[name] = unescape(text).removeprefix("\r\n").removeprefix("\n")
    return fields


def messages(page: str) -> str:
    return " ".join(re.findall(r'<ul class="messagelist">.*?</ul>', page, re.DOTALL))


def live(site: Server) -> int:
    return int(site.http.get("/api/status/").json()["live"])


def test_nobody_comes_in_without_a_password(site: Server) -> None:
    for path in ("/admin/", "/admin/repository/image/"):
        answer = site.http.get(path)
        assert (answer.status_code, "/admin/login/" in answer.headers["location"]) == (302, True)
    with closing(logged_in(site, "admin", "wrong")) as client:
        assert "/admin/login/" in str(client.get("/admin/").url)


def test_a_token_does_not_open_the_admin(site: Server) -> None:
    assert site.writer.get("/admin/repository/image/").status_code == 302


def test_the_list_has_thumbnails(site: Server, admin: httpx.Client) -> None:
    ident = site.upload(pictures.jpeg(300, 200, seed=800), title="Thumbnailed")
    page = admin.get("/admin/repository/image/", params={"q": "thumbnailed"}).text
    (source,) = re.findall(rf'<img src="([^"]*{ident}[^"]*)"', page)
    thumbnail = site.http.get(unescape(source))
    assert thumbnail.status_code == 200
    assert max(pictures.opened(thumbnail.content).size) <= 200


def test_a_page_for_every_kind_of_thing(site: Server, admin: httpx.Client) -> None:
    site.upload(pictures.png(seed=801), title="Every kind", collection="Every kind")
    for model in ("image", "collection", "commit", "updatesession"):
        assert admin.get(f"/admin/repository/{model}/").status_code == 200
    for model in ("image", "collection"):
        assert admin.get(change_address(admin, model, "Every kind")).status_code == 200
    assert admin.get("/admin/repository/image/", params={"format": "png"}).status_code == 200
    assert admin.get("/admin/repository/image/add/").status_code == 403


def test_an_edit_is_a_commit_in_the_persons_name(site: Server, admin: httpx.Client) -> None:
    ident = site.upload(pictures.png(seed=802), title="Albumen", rights="Kept as it is")
    address, before = change_address(admin, "image", "albumen"), live(site)
    fields = form(admin, address) | {"title": "Salted paper", "tags": "a, b"}
    page = admin.post(address, data=fields)
    assert page.status_code == 200
    image = site.http.get(f"/api/images/{ident}/").json()
    assert (image["title"], image["tags"], image["rights"]) == ("Salted paper", ["a", "b"], "Kept as it is")
    assert image["version"] == 2
    newest = site.writer.get("/api/commits/").json()["results"][0]
    assert (newest["seq"], newest["by"], newest["edited"]) == (before + 1, "admin", 1)
    assert site.http.get("/api/images/", params={"search": "salted"}).json()["results"][0]["ident"] == ident


def test_saving_without_a_change_is_no_commit(site: Server, admin: httpx.Client) -> None:
    site.upload(pictures.png(seed=803), title="Cyanotype", description="two\nlines", tags="x,y")
    address, before = change_address(admin, "image", "cyanotype"), live(site)
    assert admin.post(address, data=form(admin, address)).status_code == 200
    assert live(site) == before


def test_an_edit_of_what_has_changed_meanwhile_is_refused(site: Server, admin: httpx.Client) -> None:
    ident = site.upload(pictures.png(seed=804), title="Collodion")
    address = change_address(admin, "image", "collodion")
    seen = form(admin, address)
    site.writer.patch(f"/api/images/{ident}/", json={"version": 1, "title": "Quicker"}).raise_for_status()
    before = live(site)
    page = admin.post(address, data=seen | {"title": "Too late"})
    assert page.status_code == 200
    assert "title" in messages(page.text)
    assert "success" not in messages(page.text)
    assert site.http.get(f"/api/images/{ident}/").json()["title"] == "Quicker"
    assert live(site) == before


def test_a_wrong_value_is_told_at_its_field(site: Server, admin: httpx.Client) -> None:
    ident = site.upload(pictures.png(seed=805), title="Photogravure")
    address = change_address(admin, "image", "photogravure")
    page = admin.post(address, data=form(admin, address) | {"captured": "yesterday"})
    assert page.status_code == 200
    assert "errorlist" in page.text
    assert site.http.get(f"/api/images/{ident}/").json()["captured"] == ""


@pytest.mark.parametrize("version", ["", "x", "0", "-1", "99999999999999"])
def test_a_forged_version_is_no_server_error(site: Server, admin: httpx.Client, version: str) -> None:
    site.upload(pictures.png(seed=806), title="Woodburytype")
    address, before = change_address(admin, "image", "woodburytype"), live(site)
    page = admin.post(address, data=form(admin, address) | {"seen_version": version, "creator": version})
    assert page.status_code == 200
    assert live(site) == before


def test_the_delete_action_is_one_commit(site: Server, admin: httpx.Client) -> None:
    idents = [site.upload(pictures.png(seed=seed), title="Ambrotype") for seed in (807, 808)]
    assert all(site.http.get(f"/images/{ident}-20x15.png").status_code == 200 for ident in idents)
    address = "/admin/repository/image/?q=ambrotype"
    page = admin.get(address).text
    chosen = re.findall(r'name="_selected_action" value="(\d+)"', page)
    assert len(chosen) == 2
    fields = hidden(page) | {"action": "delete_selected", "_selected_action": chosen}
    confirmation = admin.post(address, data=fields)
    before = live(site)
    done = admin.post(address, data=fields | hidden(confirmation.text) | {"post": "yes", "_selected_action": chosen})
    assert done.status_code == 200
    assert live(site) == before + 1
    for ident in idents:
        assert site.http.get(f"/api/images/{ident}/").status_code == 404
        assert site.http.get(f"/images/{ident}-20x15.png").status_code == 404


def test_a_collection_is_made_changed_and_removed(site: Server, admin: httpx.Client) -> None:
    add = "/admin/repository/collection/add/"
    assert admin.post(add, data=form(admin, add) | {"slug": "admin-shelf", "title": "A shelf"}).status_code == 200
    assert site.http.get("/api/collections/admin-shelf/").json()["title"] == "A shelf"
    address = change_address(admin, "collection", "admin-shelf")
    admin.post(address, data=form(admin, address) | {"title": "Another"}).raise_for_status()
    assert site.http.get("/api/collections/admin-shelf/").json()["title"] == "Another"
    remove = address.replace("/change/", "/delete/")
    admin.post(remove, data=hidden(admin.get(remove).text) | {"post": "yes"}).raise_for_status()
    assert site.http.get("/api/collections/admin-shelf/").status_code == 404


def test_a_person_may_use_the_api_with_a_login(site: Server, admin: httpx.Client) -> None:
    upload = {"file": ("a.png", pictures.png(seed=809))}
    assert admin.post("/api/images/", files=upload).status_code == 403  # another site's form has no CSRF token
    token = admin.cookies["csrftoken"]
    assert admin.post("/api/images/", files=upload, headers={"x-csrftoken": token}).status_code == 201


def test_people_are_made_on_the_command_line(site: Server) -> None:
    variables = {"DJANGO_SUPERUSER_PASSWORD": "a long enough one 5"}
    made = run(
        site.data, "manage", "createsuperuser", "--noinput", "--username", "anna", "--email", "a@example.org",
        **variables,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    with closing(logged_in(site, "anna", variables["DJANGO_SUPERUSER_PASSWORD"])) as client:
        assert client.get("/admin/repository/image/").status_code == 200
