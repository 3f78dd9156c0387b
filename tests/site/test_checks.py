"""Django's own checks, of the admin too, which is imported with the urls only."""

from __future__ import annotations

from importlib import import_module

from django.contrib import admin
from django.core import checks

from mezzotint.repository.models import Image


def test_django_finds_nothing_wrong() -> None:
    import_module("mezzotint.site.urls")
    assert admin.site.is_registered(Image)
    assert checks.run_checks() == []
