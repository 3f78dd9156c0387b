#!/bin/sh
# A program and its arguments are run as they are (`python manage.py ...`, /srv/dlcs/entrypoint-api.sh); anything else
# is a command of mezzotint (`serve`, `work`, `clean --loop`, `verify`).
set -eu
if command -v -- "$1" >/dev/null 2>&1; then
    exec "$@"
fi
exec mezzotint "$@"
