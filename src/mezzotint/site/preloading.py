"""What workers run, imported once, in the process that they are forked from."""

from __future__ import annotations

import gc
import importlib
import sys

import django
from django.conf import settings

_WITHOUT = {"rest_framework.compat": "django.contrib.postgres", "jwt": "cryptography"}
"""modules, and what each takes along where it is there for what nobody asks here: serializers for fields of PostgreSQL,
tokens signed by RSA. It is a seventh of what all processes share in memory"""
_ROOMS = ("mezzotint.imagecloud.worker", "mezzotint.composites.worker", "mezzotint.repository.upkeep.maintenance")


def preload() -> None:
    """Opens nothing, starts no thread."""
    for module, absent in _WITHOUT.items():
        _import_without(module, absent)
    django.setup(set_prefix=False)
    for module in ("mezzotint.site.server", *_ROOMS, settings.ROOT_URLCONF):
        importlib.import_module(module)
    gc.freeze()  # the collector would copy pages that all of them share


def _import_without(module: str, absent: str) -> None:
    if absent in sys.modules:
        return
    sys.modules[absent] = None  # type: ignore[assignment]  # which is how Python notes that there is none
    try:
        importlib.import_module(module)
    finally:
        del sys.modules[absent]
