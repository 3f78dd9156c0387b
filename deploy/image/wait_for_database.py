"""Waits until the database answers, and says so; gives up after five minutes."""

import os
import sys
import time

import django

PATIENCE, PAUSE = 300.0, 2.0

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mezzotint.site.settings")
django.setup()

from django.db import DatabaseError, connection

until, told = time.monotonic() + PATIENCE, False
while True:
    try:
        connection.ensure_connection()
        break
    except DatabaseError as error:
        if time.monotonic() > until:
            sys.exit(f"mezzotint: DATABASE_URL: the database does not answer: {error}")
        if not told:
            print(f"waiting for the database: {error}", file=sys.stderr, flush=True)
            told = True
        time.sleep(PAUSE)
