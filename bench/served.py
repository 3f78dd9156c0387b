"""A cached derivative over HTTP against nginx giving the same file from disk: one worker each."""

from __future__ import annotations

import re
import subprocess
import time

import httpx
from tests.servers import free_port, start_server

from bench.figures import Figure, fresh, need, paired, shell
from bench.photographs import photographs

_CONFIGURATION = """
worker_processes 1;
daemon off;
pid {work}/nginx.pid;
error_log {work}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=1000;
    keepalive_requests 1000000000;
    client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
    uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def served() -> list[Figure]:
    need("nginx", "wrk")
    work = fresh("served")
    server = start_server(work / "data")
    ident = server.upload(photographs()[0].read_bytes())
    name = _about_17_kb(server.http, ident)
    root = work / "root"
    root.mkdir()
    (root / "picture.jpg").write_bytes(server.http.get(name).content)
    root.chmod(0o755)
    port = free_port()
    (work / "nginx.conf").write_text(_CONFIGURATION.format(work=work, port=port, root=root))
    nginx = subprocess.Popen(["nginx", "-p", str(work), "-e", str(work / "error.log"), "-c", str(work / "nginx.conf")])
    try:
        time.sleep(1)
        floor_url, our_url = f"http://127.0.0.1:{port}/picture.jpg", f"{server.url}{name}"
        assert httpx.get(floor_url).content == httpx.get(our_url).content
        a, b, ratio = paired(lambda: _rate(our_url), lambda: _rate(floor_url), rounds=5)
    finally:
        nginx.terminate()
        nginx.wait()
        server.stop()
    size = (root / "picture.jpg").stat().st_size // 1000
    what = f"a cached {size} KB derivative, 1 worker, 32 connections, against nginx"
    return [Figure(what, f"{a:,.0f}/s", f"{b:,.0f}/s", ratio, "at least 0.45", ratio >= 0.45)]


def _about_17_kb(http: httpx.Client, ident: str) -> str:
    names = [f"/images/{ident}-{width}x{width * 3 // 4}.jpg" for width in range(120, 1200, 20)]
    return min(names, key=lambda name: abs(len(http.get(name).content) - 17_000))


def _rate(url: str) -> float:
    found = re.search(r"Requests/sec:\s+([0-9.]+)", shell(f"wrk -t1 -c32 -d4s {url}"))
    assert found is not None
    return float(found[1])
