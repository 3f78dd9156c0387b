#!/bin/sh
# As the existing composite handler's: waits for the database, then does what MIGRATE and INIT_SUPERUSER say (True), and
# what its arguments say.
set -eu
cd "$(dirname "$0")"
python wait_for_database.py
if [ "${MIGRATE:-}" = True ]; then
    python manage.py migrate --noinput
    python manage.py createcachetable
fi
if [ "${INIT_SUPERUSER:-}" = True ]; then
    python manage.py createsuperuser --noinput || true # it is there already
fi
if [ $# -gt 0 ]; then
    exec "$@"
fi
