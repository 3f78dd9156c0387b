"""`mezzotint nginx-config`: what it prints runs, wherever the files lie and wherever Mezzotint listens."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from pathlib import Path

import pytest

from tests import http, pictures
from tests.backends.nginx import Nginx
from tests.backends.processes import lasting_port
from tests.nginx.fronting import AS_US, Front, by_nginx, checked, fronted, needs_nginx, printed
from tests.servers import PROGRAM, environment, run
from tests.waiting import PATIENCE, until

NAME = """a  b "c" 'd' {e}; back\\slash Größe"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    needs_nginx()
    return tmp_path / "data"


def anywhere() -> str:
    return f"127.0.0.1:{lasting_port()}"


def test_nothing_but_the_configuration_is_printed(data: Path) -> None:
    done = run(data, "nginx-config", *AS_US, "--listen", anywhere())
    assert (done.returncode, done.stderr) == (0, "")
    found = checked(data.parent, done.stdout)
    assert found.returncode == 0, found.stderr
    assert "warn" not in found.stderr


def test_what_there_is_to_say_beside_is_not_in_it(data: Path) -> None:
    done = run(data, "nginx-config", "--listen", anywhere(), MEZZOTINT_PUBLIC_READ="false")
    assert done.returncode == 0
    assert "token" in done.stderr
    found = checked(data.parent, done.stdout)
    assert found.returncode == 0, found.stderr


def test_it_listens_at_8080_where_nothing_is_said(data: Path) -> None:
    assert "listen 8080;" in printed(data)


@pytest.mark.parametrize("address", ["{port}", "127.0.0.1:{port}", "[::1]:{port}", "localhost:{port}", "unix:{place}"])
def test_every_kind_of_address_is_taken(data: Path, address: str) -> None:
    listen = address.format(port=lasting_port(), place=data.parent / "socket")
    found = checked(data.parent, printed(data, "--listen", listen))
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    "listen",
    ["", "nonsense", "8080;", "8080 ssl", "$port", "unix:/a;b", "unix:", "127.0.0.1", "127.0.0.1:", "99999"],
)
def test_what_cannot_be_listened_at_is_refused_by_name(data: Path, listen: str) -> None:
    done = run(data, "nginx-config", "--listen", listen)
    assert (done.returncode, done.stdout) == (2, "")
    assert "listen" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("bind", "asked"),
    [
        ("0.0.0.0:8001", "127.0.0.1:8001"),
        ("[::]:8001", "[::1]:8001"),
        ("[fd00::1]:8001", "[fd00::1]:8001"),
    ],
)
def test_it_asks_where_mezzotint_listens(data: Path, bind: str, asked: str) -> None:
    configuration = printed(data, "--listen", anywhere(), MEZZOTINT_BIND=bind)
    assert f"server {asked};" in configuration
    found = checked(data.parent, configuration)
    assert found.returncode == 0, found.stderr


def test_its_workers_are_who_keeps_the_files(data: Path) -> None:
    first = run(data, "nginx-config").stdout
    if os.geteuid() != 0:
        assert "\nuser " not in first
        return
    assert "\nuser nobody nogroup;" in first
    mail = pwd.getpwnam("mail")
    os.chown(data, mail.pw_uid, mail.pw_gid)
    done = run(data, "nginx-config")
    assert "\nuser mail mail;" in done.stdout
    assert done.stderr == ""
    assert {path.owner() for path in (data / "nginx", data / "nginx" / "hits.log")} == {"mail"}


def test_a_site_goes_into_the_http_block_of_another_nginx(data: Path, tmp_path: Path) -> None:
    port, other = lasting_port(), lasting_port()
    with fronted(data) as front:
        ident = front.server.upload(pictures.jpeg(60, 40))
        address = {"MEZZOTINT_BIND": f"127.0.0.1:{front.server.port}"}
        site = printed(data, "--site", "--listen", f"127.0.0.1:{port}", **address)
        whole = f"""
            {"user root;" if os.geteuid() == 0 else ""}
            pid other.pid;
            events {{}}
            http {{
                access_log access.log;
                server {{ listen 127.0.0.1:{other}; return 200 "another site"; }}
                {site}
            }}
        """
        nginx = Nginx.start(tmp_path / "other", whole, port)
        try:
            assert http.get(f"http://127.0.0.1:{other}/").text == "another site"
            for _ in range(2):
                answer = http.get(f"{nginx.url}/images/{ident}-30x20.jpg")
                assert answer.status_code == 200
            assert by_nginx(answer)
        finally:
            nginx.stop()


def walked(front: Front) -> None:
    """The store's files, the cache's, and those that nginx finds by itself are all sent by it."""
    data = pictures.jpeg(60, 40, seed=7)
    ident = front.server.upload(data)
    base = front.http.get(f"/images/{ident}")
    assert (base.content, by_nginx(base)) == (data, True)
    for name in (f"{ident}-w30.jpg", f"{ident}-30x20.jpg"):
        made = front.server.http.get(f"/images/{name}")
        answer = front.http.get(f"/images/{name}")
        assert (answer.status_code, answer.content, by_nginx(answer)) == (200, made.content, True)
    front.server.stop()
    straight = front.http.get(f"/images/{ident}-30x20.jpg")
    assert (straight.content, by_nginx(straight)) == (made.content, True)
    log = front.server.settings.nginx / "hits.log"
    assert until(lambda: f"{ident}-30x20.jpg" in log.read_text()), "and it says so"


def test_the_files_may_lie_anywhere(tmp_path: Path) -> None:
    with fronted(tmp_path / NAME / "data") as front:
        walked(front)


def test_a_dollar_in_a_path_is_refused(tmp_path: Path) -> None:
    """nginx takes it for a variable, and has no way to say otherwise."""
    (tmp_path / "5$ each").mkdir()
    done = run(tmp_path / "5$ each" / "data", "nginx-config", "--listen", anywhere())
    assert (done.returncode, done.stdout) == (2, "")
    assert "$" in done.stderr


def test_cache_and_store_may_lie_elsewhere(tmp_path: Path) -> None:
    elsewhere = {"COVER_ART_CACHE_DIR": str(tmp_path / "a cache"), "MEZZOTINT_STORE": f"file://{tmp_path}/a%20store"}
    with fronted(tmp_path / "data", **elsewhere) as front:
        walked(front)
    assert not (tmp_path / "data" / "cache").exists()
    assert not (tmp_path / "data" / "store").exists()


def test_mezzotint_may_listen_at_an_ipv6_address(data: Path, tmp_path: Path) -> None:
    own, port = lasting_port(), lasting_port()
    variables = {"MEZZOTINT_BIND": f"[::1]:{own}"}
    with open(tmp_path / "serve.log", "wb") as log:
        process = subprocess.Popen([PROGRAM, "serve"], env=environment(data, **variables), stdout=log, stderr=log)
    try:
        nginx = Nginx.start(tmp_path / "nginx", printed(data, "--listen", f"127.0.0.1:{port}", **variables), port)
        try:
            assert until(lambda: http.get(f"{nginx.url}/health").status_code == 200)
        finally:
            nginx.stop()
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_an_upload_may_be_as_large_as_the_settings_say(tmp_path: Path) -> None:
    data = pictures.encoded(pictures.photograph(1400, 1000), "PNG")
    assert len(data) > 2 << 20
    with fronted(tmp_path / "data", MEZZOTINT_MAX_UPLOAD="4M") as front:
        headers = front.server.writer.headers
        answer = front.http.post("/api/images/", files={"file": ("a.png", data)}, headers=headers)
        assert answer.status_code == 201, answer.text
        assert front.http.get(f"/images/{answer.json()['ident']}").content == data


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can say who nginx's workers are")
def test_workers_are_not_root_unless_it_is_said(data: Path) -> None:
    done = run(data, "nginx-config", "--listen", anywhere())
    assert "\nuser nobody " in done.stdout
    assert "nobody" in done.stderr
    assert checked(data.parent, done.stdout).returncode == 0
    assert "\nuser www-data;" in run(data, "nginx-config", "--user", "www-data").stdout
    for wrong in ("root; evil", "a b c", "$user", ""):
        refused = run(data, "nginx-config", "--user", wrong)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "user" in refused.stderr


def test_clients_are_counted_and_proxies_that_are_trusted_are_not(data: Path) -> None:
    text = printed(data, "--listen", anywhere(), MEZZOTINT_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8, fd00::/8")
    assert re.search(
        r"geo \$mezzotint_is_proxy \{\s+default 0;\s+127.0.0.1/32 1;\s+10.0.0.0/8 1;\s+fd00::/8 1;\s+\}", text
    )
    for limit in ("limit_conn mezzotint_connections 256;", "limit_req zone=mezzotint_requests", "# listen 443 ssl;"):
        assert limit in text
    for proxies in ("", "10.0.0.0/8"):
        found = checked(data.parent, printed(data, "--listen", anywhere(), MEZZOTINT_TRUSTED_PROXIES=proxies))
        assert found.returncode == 0, found.stderr


def test_one_client_cannot_ask_for_ever_and_files_are_not_counted(tmp_path: Path) -> None:
    """Whose requests nginx counts: no proxy is trusted here."""
    with fronted(tmp_path / "data", MEZZOTINT_TRUSTED_PROXIES="192.0.2.1") as front:
        ident = front.server.upload(pictures.jpeg(120, 80, seed=3))
        name = f"/images/{ident}-50x33.jpg"
        assert front.http.get(name).status_code == 200
        until(lambda: front.http.get(name).headers.get("x-cache-status") == "HIT")
        text = (front.nginx.directory / "nginx.conf").read_text()
        front.nginx.reload(text.replace("rate=1000r/s", "rate=1r/m").replace("burst=10000", "burst=5"))
        with http.Client(base_url=front.nginx.url, timeout=PATIENCE) as client:
            assert {client.get("/health").status_code for _ in range(9)} == {200, 429}
        assert {front.http.get(name).status_code for _ in range(50)} == {200}
