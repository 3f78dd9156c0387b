"""`mezzotint prefetch`: what has to wait, Ctrl-C, and lists that are long enough for every core."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests import pictures
from tests.conftest import PROGRAM, environment, run
from tests.imagecloud.nodes import OPEN
from tests.origin import Origin
from tests.servers import rows
from tests.waiting import PATIENCE, until


def listed(tmp_path: Path, *urls: str) -> str:
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    return str(tmp_path / "urls.txt")


def test_what_an_origin_cannot_give_now_is_said_to_be_tried_later(tmp_path: Path, origin: Origin) -> None:
    good = origin.picture("/good.jpg", pictures.jpeg(40, 30))
    busy = origin.picture("/busy.jpg", b"later", status=503)
    done = run(tmp_path / "data", "prefetch", listed(tmp_path, good, busy), **OPEN)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "2 queued, 0 named twice, 0 left out",
        "1 loaded, 0 could not be",
        "1 are tried again later, by `mezzotint serve` or `work`",
    ]
    found = rows(tmp_path / "data", "SELECT state, url FROM imagecloud_prefetchitem ORDER BY state")
    assert found == [("done", good), ("waiting", busy)]


def test_ctrl_c_ends_it_and_what_is_not_loaded_waits(tmp_path: Path, origin: Origin) -> None:
    url = origin.picture("/held.jpg", pictures.jpeg(40, 30))
    held = origin.holding("/held.jpg")
    process = subprocess.Popen(
        [PROGRAM, "prefetch", listed(tmp_path, url)],
        env=environment(tmp_path / "data", **OPEN),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: origin.asked["/held.jpg"])
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    held.set()
    assert (process.returncode, out, "Traceback" in err) == (130, "", False), err
    assert rows(tmp_path / "data", "SELECT url FROM imagecloud_prefetchitem WHERE state <> 'done'") == [(url,)]


def test_a_long_list_is_loaded_by_several_processes_that_end_with_it(tmp_path: Path, origin: Origin) -> None:
    picture = pictures.jpeg(8, 8)
    urls = [origin.picture(f"/{number}.jpg", picture) for number in range(500)]
    data = tmp_path / "data"
    done = run(data, "prefetch", listed(tmp_path, *urls), **OPEN)
    assert (done.returncode, "500 loaded, 0 could not be" in done.stdout) == (0, True), done.stderr
    assert set(origin.asked.values()) == {1}
    assert len(rows(data, "SELECT id FROM imagecloud_remoteimage")) == 500
    environs = (path / "environ" for path in Path("/proc").iterdir() if path.name.isdecimal())
    assert f"MEZZOTINT_DATA={data}".encode() not in b"\0".join(map(_read, environs)).split(b"\0")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
