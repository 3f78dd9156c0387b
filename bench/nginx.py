"""nginx as a peer, and as an origin: one worker, sendfile, open_file_cache."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.backends.processes import lasting_port

from bench.figures import need

_CONFIGURATION = """
worker_processes 1;
daemon off;
pid {work}/nginx.pid;
error_log {work}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=20000;
    keepalive_requests 1000000000;
    types {{ image/jpeg jpg; }}
    client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
    uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
    server {{ {listen} root {root}; }}
}}
"""


@contextmanager
def nginx(work: Path, root: Path, hosts: Sequence[str] = ("127.0.0.1",)) -> Iterator[int]:
    """Gives out what is below `root`; the port is the same at all `hosts`."""
    need("nginx")
    root.chmod(0o755)
    port = lasting_port()
    listen = " ".join(f"listen {host}:{port};" for host in hosts)
    configuration = work / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(work=work, listen=listen, root=root))
    process = subprocess.Popen(["nginx", "-p", str(work), "-e", str(work / "error.log"), "-c", str(configuration)])
    try:
        time.sleep(1)
        yield port
    finally:
        process.terminate()
        process.wait()
