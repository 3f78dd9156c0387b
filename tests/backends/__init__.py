"""Real servers on loopback that tests start themselves and stop again; here, what they need of the machine."""

from __future__ import annotations

import shutil
from pathlib import Path


def memcached_binary() -> str | None:
    return shutil.which("memcached")


def postgresql_binaries() -> Path | None:
    """The directory with `initdb` and `postgres`: Debian's newest, else the one on the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    candidates = [path.parent for path in reversed(debian)] + ([Path(on_path).parent] if on_path else [])
    return next((directory for directory in candidates if (directory / "postgres").is_file()), None)


def missing_swift() -> str | None:
    """What to install before a Swift can be started, or None."""
    return None if memcached_binary() else "Swift needs memcached; on Debian: apt-get install memcached"


def missing_postgresql() -> str | None:
    """What to install before a PostgreSQL can be started, or None."""
    return None if postgresql_binaries() else "there is no PostgreSQL; on Debian: apt-get install postgresql"


def redis_binary() -> str | None:
    return shutil.which("redis-server")


def missing_redis() -> str | None:
    """What to install before a Redis can be started, or None."""
    return None if redis_binary() else "there is no Redis; on Debian: apt-get install redis-server"


def promtool_binary() -> str | None:
    """On the PATH, or where CI has put it."""
    return shutil.which("promtool") or shutil.which("promtool", path=Path(__file__).parents[2] / ".tools/usr/bin")


def nginx_binary() -> str | None:
    """On the PATH, or where Debian puts it, which is on root's PATH only."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def missing_nginx() -> str | None:
    """What to install before an nginx can be started, or None."""
    return None if nginx_binary() else "there is no nginx; on Debian: apt-get install nginx-light"
