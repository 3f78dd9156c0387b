#!/bin/sh
# The API of the existing composite handler, on port 8000 with GUNICORN_WORKERS processes. Static files and a bound on
# bodies are the server's own, so that no nginx stands before it.
set -eu
exec "$(dirname "$0")/entrypoint.sh" mezzotint serve
