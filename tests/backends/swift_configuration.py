"""The files that make one Swift of one device, on loopback, with nothing outside its directory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

REGION = "us-east-1"
ACCOUNT = "test"
USER = "tester"
KEY = "testing"

_DEVICE = "device"
STORAGE = ("account", "container", "object")

# The one device is never given up on, and nothing is hurried: there is no updater that would repair a listing whose
# update came too late. `swift_dir` is what keeps Swift from /etc/swift; port 9 discards, so that no syslog gets a line.
_COMMON = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {directory}
devices = {devices}
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_level = {level}
log_udp_host = 127.0.0.1
log_udp_port = 9
conn_timeout = 10
node_timeout = 60
container_update_timeout = 60
"""

_STORAGE_SERVER = """
[pipeline:main]
pipeline = {kind}-server

[app:{kind}-server]
use = egg:swift#{kind}
"""

_PROXY = """
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck proxy-logging cache listing_formats bulk tempurl s3api tempauth \
copy slo dlo versioned_writes symlink proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
error_suppression_limit = 1000000000

[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}

[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {key} .admin

[filter:s3api]
use = egg:swift#s3api
location = {region}

[filter:proxy-logging]
use = egg:swift#proxy_logging
"""

_PLAIN_FILTERS = (
    "catch_errors gatekeeper healthcheck listing_formats bulk tempurl copy slo dlo versioned_writes symlink"
)


def keeps_attributes(directory: Path) -> bool:
    """Whether files there can have the user xattrs in which Swift keeps an object's metadata."""
    with tempfile.NamedTemporaryFile(dir=directory) as probe, suppress(OSError):
        os.setxattr(probe.fileno(), "user.swift.metadata", b"x" * 1000)
        return True
    return False


def write_storage(directory: Path, devices: Path, ports: dict[str, int]) -> None:
    """Rings, `swift.conf`, and a configuration for each of the three storage servers."""
    (devices / _DEVICE).mkdir(parents=True, exist_ok=True)
    (directory / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = tests\n")
    program = [sys.executable, "-P", str(Path(__file__).with_name("rings.py"))]  # -P: else our swift.py hides Swift
    subprocess.run([*program, directory, _DEVICE, *(f"{kind}={ports[kind]}" for kind in STORAGE)], check=True)
    for kind in STORAGE:
        common = _COMMON.format(port=ports[kind], directory=directory, devices=devices, level="WARNING")
        (directory / f"{kind}.conf").write_text(common + _STORAGE_SERVER.format(kind=kind))


def write_proxy(directory: Path, name: str, port: int, memcached: int) -> None:
    filters = "".join(f"\n[filter:{name}]\nuse = egg:swift#{name}\n" for name in _PLAIN_FILTERS.split())
    common = _COMMON.format(port=port, directory=directory, devices=directory, level="INFO")
    proxy = _PROXY.format(memcached=memcached, account=ACCOUNT, user=USER, key=KEY, region=REGION)
    (directory / f"{name}.conf").write_text(common + proxy + filters)
