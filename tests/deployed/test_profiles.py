"""Every profile of compose.yaml, up: what its users do, through its own commands, environment and files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import http, pictures
from tests.archive import Archive, Art
from tests.backends import missing_nginx, missing_postgresql, missing_redis
from tests.backends.aws import Aws
from tests.composites.dlcs import KEY, Dlcs
from tests.composites.world import CUSTOMER, World
from tests.deployed.compose import filled, services
from tests.deployed.running import Deployment, client, deployed
from tests.documents import anything, request, text_pdf
from tests.figures import shown, total
from tests.origin import Origin
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]
OPEN = {"MEZZOTINT_FETCH_ALLOW": "127.0.0.0/8", "MEZZOTINT_FETCH_PORTS": "*", "MEZZOTINT_WORKERS": "1"}
OPEN |= {"NGINX_USER": "root"} if os.geteuid() == 0 else {}


@pytest.fixture(autouse=True)
def servers() -> None:
    for missing in (missing_nginx(), missing_postgresql(), missing_redis()):
        if missing:
            pytest.skip(missing)


@pytest.mark.parametrize(
    ("text", "variables", "meant"),
    [
        ("${A:-b}", {}, "b"),
        ("${A:-b}", {"A": ""}, "b"),
        ("${A:-b}", {"A": "c"}, "c"),
        ("${A:-x:${B:-y}@z}/w", {}, "x:y@z/w"),
        ("${A:-x:${B:-y}@z}/w", {"B": "v"}, "x:v@z/w"),
        ("${A}", {}, ""),
    ],
)
def test_variables_are_filled_in_as_compose_does(text: str, variables: dict[str, str], meant: str) -> None:
    assert filled(text, variables) == meant


def test_a_service_comes_after_those_that_it_needs() -> None:
    order = list(services("full", {}))
    assert order.index("postgresql") < order.index("app") < order.index("nginx")


def assert_walked(web: httpx.Client, seed: int) -> str:
    """What the README's first five minutes do; returns the ident."""
    data = pictures.jpeg(1200, 900, seed=seed)
    made = web.post(
        "/api/images/", files={"file": ("plate.jpg", data)}, data={"title": "A plate", "tags": "copper,1780"}
    )
    ident = str(made.raise_for_status().json()["ident"])
    for name, size in (
        ("fit1024x1024.jpg", (1024, 768)),
        ("cover400x400.webp", (400, 400)),
        ("1024x512.jpg", (1024, 512)),
        ("w800.auto", (800, 600)),
    ):
        answers = [web.get(f"/images/{ident}-{name}").raise_for_status() for _ in range(2)]
        assert {pictures.opened(one.content).size for one in answers} == {size}
    assert web.get(f"/images/{ident}").content == data
    assert "A plate" in web.get("/").text
    assert web.get("/api/docs/").status_code == 200
    assert web.get("/admin/").status_code in {200, 302}
    session = web.post("/api/sessions/").raise_for_status().json()["id"]
    version = web.get(f"/api/images/{ident}/").json()["version"]
    web.patch(
        f"/api/sessions/{session}/images/{ident}/", json={"version": version, "title": "Another"}
    ).raise_for_status()
    web.post(f"/api/sessions/{session}/commit/").raise_for_status()
    assert web.get(f"/api/images/{ident}/").json()["title"] == "Another"
    return ident


def assert_ended_well(deployment: Deployment) -> None:
    logs = {name: deployment.log(name) for name in deployment.parts}
    assert set(deployment.stop().values()) == {0}
    assert [name for name, log in logs.items() if "Traceback" in log] == [], logs


def test_one_container_serves_and_keeps_all_on_its_volume(tmp_path: Path) -> None:
    with deployed(tmp_path, "", MEZZOTINT_WORKERS="1") as up:
        [part] = up.parts["serve"]
        with client(part, up.token("serve")) as web:
            ident = assert_walked(web, seed=61)
        assert {path.name for path in up.volumes["data"].iterdir()} >= {"mezzotint.sqlite3", "store", "secret-key"}
        assert part.stop() == 0
        part.start()
        until(part.is_healthy, 0.2)
        with client(part) as web:
            assert web.get(f"/images/{ident}-w800.jpg").status_code == 200
        assert_ended_well(up)


def test_the_full_set_works_together(tmp_path: Path, origin: Origin) -> None:
    with deployed(tmp_path, "full", ENGINE_WORKER_COUNT="1", PDF_RASTERIZER_DPI="36", **OPEN) as up:
        assert [len(up.parts[name]) for name in ("nginx", "app", "worker", "cleaner")] == [1, 2, 1, 1]
        [nginx] = up.parts["nginx"]
        with client(nginx, up.token("app")) as web:
            until(lambda: web.get("/ready").json() == {"ready": True, "missing": {}}, 0.2)
            ident = assert_walked(web, seed=62)
            for app in up.parts["app"]:
                with client(app) as direct:
                    assert direct.get(f"/api/images/{ident}/").json()["title"] == "Another"
            assert web.get(f"/images/{ident}-w300.jpg").status_code == 200
            sent = web.get(f"/images/{ident}-w300.jpg")
            assert sent.headers["x-served-by"] == "nginx-cache"

            url = origin.picture("/remote.jpg", pictures.jpeg(400, 300, seed=63))
            fetched = web.get("/get_image", params={"url": url, "resize_width": "100"}).raise_for_status()
            assert pictures.opened(fetched.content).size == (100, 75)
            listed = origin.picture("/listed.jpg", pictures.jpeg(200, 100, seed=64))
            web.post("/fire_and_forget", json={"urls": [listed]}).raise_for_status()
            until(
                lambda: web.get("/get_image", params={"url": listed, "only_send_if_local": "true"}).status_code == 200
            )

            document = origin.picture("/a.pdf", text_pdf(3), content_type="application/pdf")
            asked = request(anything(origin=document, compositeId="three"))
            accepted = web.post(f"/customers/{CUSTOMER}/queue", json=asked).raise_for_status().json()
            member = accepted["members"][0]
            until(lambda: _status(web, member) == "COMPLETED", 0.2)
        found = shown(f"http://127.0.0.1:{up.parts['worker'][0].metrics}/metrics")
        assert total(found, "mezzotint_store_seconds_count") > 0
        found = shown(f"http://127.0.0.1:{up.parts['cleaner'][0].metrics}/metrics")
        assert total(found, "mezzotint_cache_files") > 0
        assert_ended_well(up)


def _status(web: httpx.Client, member: dict[str, str] | str) -> str:
    path = member if isinstance(member, str) else member["id"]
    return str(web.get("/" + path.split("/", 3)[3]).raise_for_status().json()["status"])


@pytest.fixture
def covers() -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


def test_covers_pass_the_checks_of_the_users_of_the_existing_cache(tmp_path: Path, covers: Archive) -> None:
    """With its `.env` as it was; its scripts look for headers as they are spelled."""
    release = covers.release(images=[Art(11, pictures.jpeg(500, 500, seed=1))])
    variables = OPEN | {
        "COVER_ART_CACHE_DIR": str(tmp_path / "opt" / "cover-art-cache"),
        "COVER_ART_CACHE_MAX_SIZE": "100",
        "COVER_ART_CACHE_CLEANUP_INTERVAL": "1",
        "MEZZOTINT_COVER_ART_UPSTREAM": covers.url,
    }
    with deployed(tmp_path, "covers", **variables) as up:
        [nginx] = up.parts["covers-nginx"]

        def head(path: str) -> str:
            return subprocess.run(
                ["curl", "-s", "-o", "/dev/null", "-D", "-", f"{nginx.url}{path}"], capture_output=True, text=True
            ).stdout

        for _ in range(2):
            said = head(f"/release/{release}/front")
            assert "Content-Type: image/" in said
            assert "X-Cache-Status:" in said
        with client(nginx) as web:
            assert web.get("/release/invalid-mbid/front").status_code == 404
            assert "Not Found" in web.get("/invalid").text
            status = web.get("/cache-status").json()
            assert (status["redis_available"], status["cache_limit_mb"]) == (True, 100.0)
            assert status["cache_dir"] == variables["COVER_ART_CACHE_DIR"]
        assert list(Path(variables["COVER_ART_CACHE_DIR"]).rglob("*.jpg"))
        until(lambda: "cleaning" in up.log("covers-cleaner"))
        assert_ended_well(up)


def test_composites_take_the_env_of_the_existing_handler(tmp_path: Path, aws: Aws, origin: Origin) -> None:
    with Dlcs() as dlcs:
        world = World(tmp_path, aws, dlcs, origin, aws.new_bucket())
        variables = world.variables(
            MIGRATE="True",
            INIT_SUPERUSER="True",
            DJANGO_SUPERUSER_USERNAME="keeper",
            DJANGO_SUPERUSER_PASSWORD="of-the-house",
            DJANGO_SUPERUSER_EMAIL="keeper@example.org",
            DJANGO_SECRET_KEY="s" * 50,
            HOME=str(tmp_path),
            MEZZOTINT_WORKERS="1",
            ENGINE_WORKER_COUNT="1",
        )
        variables.pop("SCRATCH_DIRECTORY")
        with deployed(tmp_path, "composites", **variables) as up:
            assert [len(up.parts[name]) for name in ("api", "engine")] == [1, 3]
            [api] = up.parts["api"]
            until(lambda: up.log("engine").count("working on what is queued") == 3, 0.2)
            with http.Client(base_url=api.url, timeout=PATIENCE, headers={"authorization": KEY}) as caller:
                asked = request(
                    *(anything(origin=world.document(text_pdf(3), f"/{n}.pdf"), compositeId=f"c{n}") for n in range(6))
                )
                accepted = caller.post(f"/customers/{CUSTOMER}/queue", json=asked).raise_for_status().json()
                for member in accepted["members"]:
                    until(lambda member=member: _status(caller, member) == "COMPLETED", 0.2)  # type: ignore[misc]
                entered = http.log_in(caller, "keeper", "of-the-house", headers={"authorization": ""})
                assert (entered.status_code, entered.headers["location"]) == (302, "/admin/")
            assert len(world.registered()) == len(world.keys()) == 18
            figures = [shown(f"http://127.0.0.1:{engine.metrics}/metrics") for engine in up.parts["engine"]]
            assert all(("mezzotint_documents", (("status", "PENDING"),)) in one for one in figures)
            assert_ended_well(up)
