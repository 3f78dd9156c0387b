"""Files that nginx sends by itself are used too, and the cleaner knows."""

from __future__ import annotations

import json
from pathlib import Path

from tests import pictures
from tests.nginx.fronting import Front, by_nginx, fronted
from tests.servers import run
from tests.waiting import until

WIDTHS = range(140, 160)


def made(front: Front) -> list[str]:
    """The names of twenty derivatives, of which the first is the least recently used."""
    ident = front.server.upload(pictures.jpeg(600, 400))
    names = [f"{ident}-{width}x160.png" for width in WIDTHS]
    for name in names:
        front.server.http.get(f"/images/{name}").raise_for_status()
    front.server.stop()
    return names


def kept(front: Front, names: list[str]) -> set[str]:
    return {name for name in names if front.file(name).exists()}


def sent(front: Front, names: list[str]) -> None:
    for name in names:
        answer = front.http.get(f"/images/{name}")
        assert (answer.status_code, by_nginx(answer)) == (200, True)


def cleaned_to_half(front: Front) -> None:
    size = json.loads(run(front.server.data, "cache", "status", "--json").stdout)["bytes"]
    done = run(front.server.data, "clean", COVER_ART_CACHE_MAX_SIZE=f"{size // 2 // 1024}K")
    assert done.returncode == 0, done.stderr


def test_what_nginx_has_sent_is_cleaned_last(tmp_path: Path) -> None:
    with fronted(tmp_path / "data") as front:
        names = made(front)
        log = front.server.settings.nginx / "hits.log"
        sent(front, names[:4])
        front.http.head(f"/images/{names[4]}").raise_for_status()
        front.http.get("/images/" + "0" * 64 + "-1x1.jpg")
        assert until(lambda: len(log.read_text().splitlines()) == 5)
        cleaned_to_half(front)
        left = kept(front, names)
        assert set(names[:5]) < left, "used since"
        assert names[-1] in left
        assert names[5] not in left
        assert left == {*names[:5], *names[-(len(left) - 5) :]}, "the least recently used went first"
        assert log.read_text() == ""


def test_serve_reads_what_nginx_has_sent(tmp_path: Path) -> None:
    with fronted(tmp_path / "data") as front:
        ident = front.server.upload(pictures.jpeg(600, 400))
        names = [f"{ident}-{width}x160.png" for width in WIDTHS]
        log = front.server.settings.nginx / "hits.log"
        for name in names:
            front.server.http.get(f"/images/{name}").raise_for_status()
        sent(front, names[:5])
        assert until(lambda: bool(log.read_text()))
        assert until(lambda: not log.read_text()), "it is emptied by who reads it"
        front.server.stop()
        cleaned_to_half(front)
        assert set(names[:5]) < kept(front, names)


def test_without_its_log_nginx_is_only_forgotten(tmp_path: Path) -> None:
    with fronted(tmp_path / "data") as front:
        names = made(front)
        log = front.server.settings.nginx / "hits.log"
        log.write_bytes(b"\xff\xfe\n1.5\nnan /native/x\n" + b"1e400 /../etc/passwd\n" * 10 + b"9" * 4000 + b" /\n")
        cleaned_to_half(front)
        assert kept(front, names)
        log.unlink()
        sent(front, sorted(kept(front, names)))
        assert run(front.server.data, "clean").returncode == 0
