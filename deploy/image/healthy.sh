#!/bin/sh
# Whether the server of this container answers. A container that is no server has no health of this kind: say
# `healthcheck: {disable: true}` there.
set -eu
exec python - <<'PYTHON'
import os
import urllib.request

host, _, port = os.environ.get("MEZZOTINT_BIND", "127.0.0.1:8000").rpartition(":")
host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
urllib.request.urlopen(f"http://{host}:{port}/health", timeout=2).close()
PYTHON
