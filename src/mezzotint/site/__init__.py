"""Django's settings and addresses, and the ASGI application that holds everything."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mezzotint.site.settings")
